import msgspec
import pytest
from recado_core import OutboundMessage, Outcome, SuppressionReason
from recado_kolmeya.outcomes import sort_answer
from recado_kolmeya.wire import StoreAnswer

PHONE = "+5511900000001"


def message(name, to=PHONE):
    return OutboundMessage(id=name, to=to, text="Olá")


def codes(messages, **answer):
    """Return who got what: the vendor's id for accepted messages, our code for refused ones."""
    results = sort_answer(messages, msgspec.convert(answer, StoreAnswer))
    assert all(name == result.message_id for name, result in results.items())
    return {name: result.provider_ref or result.code for name, result in results.items()}


def test_references_decide_in_any_order():
    messages = [message("a"), message("b"), message("c")]
    valids = [{"id": n, "phone": 11900000001, "reference": n.lower()} for n in "CAB"]
    assert codes(messages, valids=valids) == {"a": "A", "b": "B", "c": "C"}


@pytest.mark.parametrize("name", ["invalids", "duplicates", "blacklist", "not_disturb"])
@pytest.mark.parametrize(
    "shape",
    [
        lambda entry: [entry],
        lambda entry: entry,
        lambda entry: {"0": entry},
        lambda entry: {"3": entry, "5": {}},
        lambda entry: [None, "odd", entry, [], {"phone": []}],
    ],
)
@pytest.mark.parametrize(
    "reference", [{"reference": "a"}, {"reference": None}, {"reference": ""}, {}]
)
def test_every_list_is_read_in_every_shape(name, shape, reference):
    section = shape({"phone": 11900000001} | reference)
    assert codes([message("a"), message("b", "+5511900000002")], **{name: section}).keys() == {"a"}


@pytest.mark.parametrize("name", ["invalids", "duplicates", "blacklist", "not_disturb"])
@pytest.mark.parametrize("section", [None, [], {}, "", "odd", 3, True, [[]]])
def test_empty_or_odd_list_accounts_for_nothing(name, section):
    valids = [{"id": "A", "reference": "a"}]
    assert codes([message("a"), message("b")], valids=valids, **{name: section}) == {"a": "A"}


@pytest.mark.parametrize(
    "phone",
    [
        11900000001,
        "11900000001",
        5511900000001,
        "+5511900000001",
        "(11) 90000-0001",
        "011900000001",
    ],
)
def test_bare_phone_is_found_however_it_is_written(phone):
    others = [message("b", "+5511900000002"), message("c", "+5521900000001")]
    assert codes([*others, message("a")], blacklist=[phone]) == {"a": "blacklist"}


def test_blacklisted_phone_takes_all_its_messages():
    messages = [message("a"), message("b"), message("c", "+5511900000002")]
    assert codes(messages, blacklist=[{"phone": 11900000001}]) == {
        "a": "blacklist",
        "b": "blacklist",
    }


def test_blacklisted_phone_leaves_what_is_accounted_for():
    valids = [{"id": "B", "phone": 11900000001, "reference": "b"}]
    blacklist = [{"phone": 11900000001}]
    messages = [message("a"), message("b"), message("c")]
    assert codes(messages, valids=valids, blacklist=blacklist) == {
        "a": "blacklist",
        "b": "B",
        "c": "blacklist",
    }


def test_valids_without_references_go_by_line_and_position():
    messages = [message("a"), message("b", "+5511900000002"), message("c")]
    valids = [
        {"id": "1", "phone": 11900000002},
        {"id": "2", "phone": 11900000001},
        {"id": "3", "phone": 11900000001},
    ]
    assert codes(messages, valids=valids) == {"a": "2", "b": "1", "c": "3"}


def test_duplicate_without_a_reference_is_the_second_of_its_line():
    valids = [{"id": "A", "phone": 11900000001}]
    duplicates = [{"phone": 11900000001}]
    messages = [message("a"), message("b")]
    assert codes(messages, valids=valids, duplicates=duplicates) == {"a": "A", "b": "duplicate"}


def test_entries_of_two_lists_share_a_line():
    invalids, blacklist = [{"phone": 11900000001}], [{"phone": 11900000001}]
    messages = [message("a"), message("b")]
    assert codes(messages, invalids=invalids, blacklist=blacklist) == {
        "a": "invalid",
        "b": "blacklist",
    }


def test_valid_entry_takes_one_message_only():
    assert codes([message("a"), message("b")], valids=[{"id": "A", "phone": 11900000001}]) == {
        "a": "A"
    }


@pytest.mark.parametrize("reference", ["z", 7, True])
def test_reference_that_is_not_ours_accounts_for_nothing(reference):
    entry = {"id": "A", "phone": 11900000001, "reference": reference}
    assert codes([message("a")], valids=[entry], invalids=[entry]) == {}


def test_message_named_twice_keeps_the_first_word():
    entry = {"id": "A", "phone": 11900000001, "reference": "a"}
    assert codes([message("a")], valids=[entry, entry | {"id": "B"}], blacklist=[entry]) == {
        "a": "A"
    }


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("403", "403"),
        (403, "403"),
        (["a", {"b": "c"}], "a; b: c"),
        ("telefone 11900000001", "telefone 119****0001"),
        (None, 'Kolmeya lists it under "invalids"'),
        ("", 'Kolmeya lists it under "invalids"'),
    ],
)
def test_reason_is_the_vendors_whatever_its_type(error, text):
    answer = StoreAnswer(invalids=[{"phone": 1, "reference": "a", "error": error}])
    result = sort_answer([message("a")], answer)["a"]
    assert (result.outcome, result.text) == (Outcome.REJECTED, text)


@pytest.mark.parametrize("reference", [{"reference": "a"}, {}])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("blacklist", SuppressionReason.BLACKLIST),
        ("not_disturb", SuppressionReason.DO_NOT_DISTURB),
        ("invalids", None),
        ("duplicates", None),
    ],
)
def test_list_of_phones_that_get_nothing_says_why(name, reason, reference):
    section = [{"phone": 11900000001} | reference]
    result = sort_answer([message("a")], msgspec.convert({name: section}, StoreAnswer))["a"]
    assert result.suppression is reason


def test_blacklisted_phone_says_why_of_all_its_messages():
    answer = StoreAnswer(blacklist={"phone": 11900000001})
    results = sort_answer([message("a"), message("b")], answer)
    assert {result.suppression for result in results.values()} == {SuppressionReason.BLACKLIST}


def test_message_that_waits_for_balance_is_suppressed_by_no_list():
    section = [{"phone": 11900000001, "error": "Saldo insuficiente"}]
    result = sort_answer([message("a")], StoreAnswer(blacklist=section))["a"]
    assert (result.outcome, result.suppression) == (Outcome.TRANSIENT, None)


def test_thousand_entries_of_one_line_are_sorted():
    messages = [message(str(n)) for n in range(1000)]
    valids = [{"id": f"v{n}", "phone": 11900000001} for n in range(999)]
    found = codes(messages, valids=valids, blacklist={"phone": 11900000001})
    assert found == {str(n): f"v{n}" for n in range(999)} | {"999": "blacklist"}
