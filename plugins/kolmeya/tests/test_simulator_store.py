"""Taking messages: what store and store-token make of each of them."""

import uuid

import pytest
from recado_kolmeya.simulator import Switches
from recado_kolmeya.simulator.inprocess import open_bench
from recado_kolmeya.simulator.phones import national

STORE = "v1/sms/store"
TOKEN = "v1/sms/store-token"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def manual(**changes):
    return Switches(clock="manual", **changes)


def messages(*phones, text="Olá"):
    return [
        {"phone": phone, "message": f"{text} {number}", "reference": f"m-{number}"}
        for number, phone in enumerate(phones, 1)
    ]


@pytest.mark.parametrize(
    "phone", [5511900000001, 11900000001, "5511900000001", "11900000001", "551130000001"]
)
async def test_phone_is_echoed_as_a_national_integer(phone):
    async with open_bench() as bench:
        answer = (await bench.call(STORE, messages=messages(phone))).json()
    (valid,) = answer["valids"]
    assert valid["phone"] == int(str(phone).removeprefix("55"))
    assert valid["reference"] == "m-1"
    assert uuid.UUID(valid["id"]).version == 4
    assert uuid.UUID(answer["id"]).version == 4


def test_country_code_changes_nothing_in_any_area_and_with_any_first_digit():
    for start in range(1000):  # the area and the digit after it
        phone = int(f"{start:03d}00000001")
        assert national(55 * 10**11 + phone) == national(phone)
    assert national(55_11900000001) == 11900000001
    assert national(55_10900000001) == 0


async def test_plain_numbers_are_all_taken():
    phones = range(11900000001, 11900000301)
    async with open_bench() as bench:
        answer = (await bench.call(STORE, messages=messages(*phones))).json()
    assert [valid["phone"] for valid in answer["valids"]] == list(phones)
    assert len({valid["id"] for valid in answer["valids"]}) == 300
    assert all(answer[key] == [] for key in ("invalids", "duplicates", "blacklist", "not_disturb"))


async def test_reference_is_null_when_none_was_sent():
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=[{"phone": 11900000001, "message": "Olá"}])
    assert answer.json()["reference"] is None
    assert answer.json()["valids"][0]["reference"] is None


async def test_unknown_keys_are_ignored():
    message = {"phone": 11900000001, "message": "Olá", "priority": 9}
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=[message], segment=109, campaign="x")
    assert len(answer.json()["valids"]) == 1


async def test_numeric_text_is_a_whole_number_to_the_framework():
    async with open_bench() as bench:
        good = await bench.call(STORE, messages=messages(11900000001), tenant_segment_id="109")
        bad = await bench.call(STORE, messages=messages(11900000001), tenant_segment_id="x")
    assert good.status_code == 200
    assert list(bad.json()["errors"]) == ["tenant_segment_id"]


@pytest.mark.parametrize(
    "phone", ["+5511900000001", "(11) 90000-0001", "1190000", 1, 11800000001, "", "x", None, [1]]
)
async def test_what_is_no_phone_is_invalid_and_the_call_succeeds(phone):
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=messages(phone))
    assert answer.status_code == 200
    assert answer.json()["valids"] == []
    (invalid,) = answer.json()["invalids"]
    assert invalid.items() >= {"message": "Olá 1", "reference": "m-1"}.items()
    assert isinstance(invalid["phone"], int)
    assert invalid["error"] == "Telefone inválido"


async def test_error_of_an_invalid_phone_is_switchable():
    async with open_bench(manual(invalid_error="403")) as bench:
        answer = await bench.call(STORE, messages=messages(1))
    assert answer.json()["invalids"][0]["error"] == "403"


async def test_lenient_phones_lose_their_punctuation():
    async with open_bench(manual(strict_phones=False)) as bench:
        answer = await bench.call(STORE, messages=messages("+55 (11) 90000-0001"))
    assert answer.json()["valids"][0]["phone"] == 11900000001


async def test_message_without_phone_meets_a_php_error():
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=[{"message": "Olá"}])
        await bench.control("switches", missing_phone_status=422)
        other = await bench.call(STORE, messages=[{"message": "Olá"}])
    assert answer.status_code == 500
    assert answer.json() == {"errors": ['Undefined array key "phone"']}
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (STORE, {}, "messages"),
        (STORE, {"messages": []}, "messages"),
        (STORE, {"messages": "x"}, "messages"),
        (STORE, {"messages": ["x"]}, "messages.0"),
        (STORE, {"messages": messages(*[11900000001] * 1001)}, "messages"),
        (STORE, {"messages": messages(11900000001), "webhook_url": "no url"}, "webhook_url"),
        (STORE, {"messages": messages(11900000001), "webhook_url": "/w"}, "webhook_url"),
        (STORE, {"messages": messages(11900000001), "reference": 5}, "reference"),
        (STORE, {"messages": messages(11900000001), "sms_api_id": "x"}, "sms_api_id"),
        (
            STORE,
            {"messages": [{"phone": 11900000001, "message": "x", "reference": 5}]},
            "messages.0.reference",
        ),
        (TOKEN, {"messages": messages(11900000001, 11900000002)}, "messages"),
        (TOKEN, {"messages": []}, "messages"),
        (TOKEN, {"messages": messages(11900000001), "webhook_url": "x"}, "webhook_url"),
    ],
)
async def test_wrong_body_is_refused_field_by_field(path, body, field):
    async with open_bench() as bench:
        answer = await bench.call(path, **body)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert answer.json()["message"] == answer.json()["errors"][field][0]


async def test_broken_json_counts_as_no_fields():
    async with open_bench() as bench:
        answer = await bench.http.post(STORE, content=b'{"messages": [')
    assert answer.status_code == 422
    assert "messages" in answer.json()["errors"]


async def test_thousand_messages_are_the_most():
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=messages(*range(11900000001, 11900001001)))
    assert len(answer.json()["valids"]) == 1000


async def test_same_phone_and_text_twice_in_one_request_is_a_duplicate():
    twice = [{"phone": 11900000001, "message": "Olá", "reference": f"m-{n}"} for n in (1, 2)]
    other = {"phone": "5511900000001", "message": "Tchau", "reference": "m-3"}
    async with open_bench() as bench:
        answer = (await bench.call(STORE, messages=[*twice, other])).json()
        again = (await bench.call(STORE, messages=twice[:1])).json()
    assert [valid["reference"] for valid in answer["valids"]] == ["m-1", "m-3"]
    assert answer["duplicates"] == [{"phone": 11900000001}]
    assert len(again["valids"]) == 1


@pytest.mark.parametrize(("rule", "valids"), [("phone", 1), ("none", 2)])
async def test_duplicate_rule_is_switchable(rule, valids):
    async with open_bench(manual(duplicate_rule=rule)) as bench:
        answer = await bench.call(STORE, messages=messages(11900000001, 11900000001))
    assert len(answer.json()["valids"]) == valids


async def test_magic_numbers_choose_how_they_are_refused():
    phones = [5511999900010, 5511999900011, 5511999900012, 5511999900013, 5511999900014]
    async with open_bench() as bench:
        answer = (await bench.call(STORE, messages=messages(*phones))).json()
    assert answer["valids"] == []
    assert [each["error"] for each in answer["invalids"]] == ["Telefone inválido", 403]
    assert answer["blacklist"] == [{"phone": 11999900011}]
    assert answer["not_disturb"] == [{"phone": 11999900012}]
    assert answer["duplicates"] == [{"phone": 11999900013}]


async def test_do_not_disturb_is_for_sao_paulo_and_not_for_tokens():
    async with open_bench(manual(not_disturb=(11900000007, 48900000007))) as bench:
        phones = [11900000007, 48900000007, 48999900012, 11900000008]
        answer = (await bench.call(STORE, messages=messages(*phones))).json()
        token = (await bench.call(TOKEN, messages=messages(11900000007))).json()
        magic = (await bench.call(TOKEN, messages=messages(11999900012))).json()
    assert answer["not_disturb"] == [{"phone": 11900000007}]
    assert len(answer["valids"]) == 3
    assert len(token["valids"]) == len(magic["valids"]) == 1


@pytest.mark.parametrize(
    "text",
    ["veja https://example.com/x", "veja www.example.com", "veja exemplo.com.br", "0800 123 4567"],
)
async def test_token_with_link_or_toll_free_number_is_refused(text):
    body = {"messages": [{"phone": 11900000001, "message": text, "reference": "m-1"}]}
    async with open_bench() as bench:
        refused = await bench.call(TOKEN, **body)
        await bench.control("switches", forbidden_text="invalids")
        listed = await bench.call(TOKEN, **body)
        store = await bench.call(STORE, **body)
    assert refused.status_code == 422
    assert list(refused.json()["errors"]) == ["messages.0.message"]
    assert listed.json()["valids"] == []
    assert listed.json()["invalids"][0]["reference"] == "m-1"
    assert len(store.json()["valids"]) == 1


async def test_token_with_a_code_is_taken_and_blacklist_still_holds():
    async with open_bench(manual(blacklist=(11900000002,))) as bench:
        body = [{"phone": 11900000001, "message": "Seu código: 080012. Vale 5 min."}]
        good = await bench.call(TOKEN, messages=body)
        blocked = await bench.call(TOKEN, messages=messages(11900000002))
    assert len(good.json()["valids"]) == 1
    assert blocked.json()["blacklist"] == [{"phone": 11900000002}]


@pytest.mark.parametrize(
    ("form", "found", "empty"),
    [
        ("list", [{"phone": 11999900011}], []),
        ("object", {"phone": 11999900011}, []),
        ("null", [{"phone": 11999900011}], None),
    ],
)
async def test_lists_come_in_several_forms(form, found, empty):
    async with open_bench(manual(lists=form)) as bench:
        answer = (await bench.call(STORE, messages=messages(11999900011))).json()
    assert answer["blacklist"] == found
    assert answer["not_disturb"] == empty


async def test_listed_items_may_carry_the_reference():
    async with open_bench(manual(list_items="reference")) as bench:
        answer = (await bench.call(STORE, messages=messages(11999900011, 11999900013))).json()
    assert answer["blacklist"] == [{"phone": 11999900011, "reference": "m-1"}]
    assert answer["duplicates"] == [{"phone": 11999900013, "reference": "m-2"}]


async def test_duplicates_may_be_missing():
    async with open_bench(manual(duplicates_key=False)) as bench:
        answer = await bench.call(STORE, messages=messages(11900000001))
    assert "duplicates" not in answer.json()


async def test_blacklist_calls_answer_with_nothing_and_take_effect():
    entry = [{"phone": "5511900000001"}]
    async with open_bench() as bench:
        added = await bench.call("v1/blacklist/store", phones=entry)
        blocked = (await bench.call(STORE, messages=messages(11900000001))).json()
        removed = await bench.call("v1/blacklist/destroy", phones=[{"phone": "11900000001"}])
        released = (await bench.call(STORE, messages=messages(11900000001))).json()
    assert (added.status_code, added.content) == (201, b"")
    assert (removed.status_code, removed.content) == (204, b"")
    assert blocked["blacklist"] == [{"phone": 11900000001}]
    assert len(released["valids"]) == 1


async def test_blacklist_entry_for_one_cpf_never_matches_a_store():
    entry = [{"phone": "11900000001", "document": "12345678909"}]
    async with open_bench() as bench:
        await bench.call("v1/blacklist/store", phones=entry)
        answer = (await bench.call(STORE, messages=messages(11900000001))).json()
        listed = (await bench.http.get("http://kolmeya.test/_simulator/blacklist")).json()
        await bench.call("v1/blacklist/destroy", phones=entry)
        emptied = (await bench.http.get("http://kolmeya.test/_simulator/blacklist")).json()
    assert len(answer["valids"]) == 1
    assert listed == {"phones": entry}
    assert emptied == {"phones": []}


@pytest.mark.parametrize("path", ["v1/blacklist/store", "v1/blacklist/destroy"])
@pytest.mark.parametrize(
    ("phones", "field"),
    [
        ([], "phones"),
        ([{"phone": "11900000001"}] * 1001, "phones"),
        ([{"phone": 11900000001}], "phones.0.phone"),
        ([{"document": "12345678909"}], "phones.0.phone"),
        ([{"phone": "11900000001", "document": 1}], "phones.0.document"),
    ],
)
async def test_wrong_blacklist_body_is_refused(path, phones, field):
    async with open_bench() as bench:
        answer = await bench.call(path, phones=phones)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


async def test_balance_is_brazilian_text_and_falls_with_every_valid():
    async with open_bench() as bench:
        before = (await bench.call("v1/sms/balance")).json()
        await bench.call(STORE, messages=messages(11900000001, 11900000002, 11999900010))
        after = (await bench.call("v1/sms/balance")).json()
        await bench.control("switches", balance_form="decimal", balance="1500.50")
        plain = (await bench.call("v1/sms/balance")).json()
    assert before == {"balance": "R$9.397,30"}
    assert after == {"balance": "R$9.397,14"}
    assert plain == {"balance": "1500.50"}


async def test_price_is_configurable_and_balance_may_fall_below_zero():
    async with open_bench(manual(balance="0.10", price="1234.5")) as bench:
        answer = await bench.call(STORE, messages=messages(11900000001))
        balance = (await bench.call("v1/sms/balance")).json()
    assert len(answer.json()["valids"]) == 1
    assert balance == {"balance": "-R$1.234,40"}


async def test_empty_balance_may_forbid_or_invalidate():
    async with open_bench(manual(balance="0.05", empty_balance="forbid")) as bench:
        forbidden = await bench.call(STORE, messages=messages(11900000001))
        await bench.control("switches", empty_balance="invalid")
        invalid = await bench.call(STORE, messages=messages(11900000001))
        balance = (await bench.call("v1/sms/balance")).json()
    assert forbidden.status_code == 403
    assert forbidden.json()["message"]
    assert invalid.json()["valids"] == []
    assert len(invalid.json()["invalids"]) == 1
    assert balance == {"balance": "R$0,05"}


async def test_share_of_messages_can_be_left_to_chance():
    switches = manual(
        seed=3, invalid_rate=0.2, undelivered_rate=0.2, rejected_rate=0.2, expired_rate=0.2
    )
    async with open_bench(switches) as bench:
        answer = await bench.call(STORE, messages=messages(*range(11900000001, 11900001001)))
        await bench.advance(1)
        state = (await bench.http.get("http://kolmeya.test/_simulator/state")).json()
    assert 120 < len(answer.json()["invalids"]) < 280
    assert set(state["messages_by_status"]) == {"3", "4", "5", "6"}
    assert all(count > 80 for count in state["messages_by_status"].values())


async def test_empty_text_is_invalid():
    async with open_bench() as bench:
        answer = await bench.call(STORE, messages=[{"phone": 11900000001, "message": ""}])
    assert answer.json()["invalids"][0]["error"] == "Mensagem inválida"
