"""What is read or written all at once is what is read or written one by one."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core import (
    AccountContext,
    Category,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    Secret,
    Status,
    StatusUpdate,
)
from recado_core.testing import make_id
from recado_kolmeya import outcomes
from recado_kolmeya.outcomes import read_answer, sort_answer
from recado_kolmeya.phones import write_phone, write_phones
from recado_kolmeya.provider import KolmeyaProvider
from recado_kolmeya.receipts import own_id, read_plain_receipts, read_receipts
from recado_kolmeya.settings import KolmeyaSettings, PhoneStyle
from recado_kolmeya.wire import PlainAnswer, PlainStatus, StoreAnswer

OURS = "01890000-0000-7000-8000-00000000000a"
OTHERS = [
    "order-17",
    "",
    OURS.upper(),
    OURS[:-1],
    OURS + "0",
    OURS.replace("-", "0"),
    f"{OURS},{OURS}",
    OURS.replace("0", "\u0660"),
    OURS + "\n",
]

texts = st.sampled_from(["entregue", "", "5511900000001", "x" * 80])
own_and_others = st.sampled_from([OURS] * 50 + OTHERS)
references = st.sampled_from(["a", "b", "c", "d", "z"])


def status_of(reference=OURS, code=3):
    return PlainStatus(id="v-1", reference=reference, status_code=code, status="entregue")


def message(name, to="+5511900000001", text="Olá", category=Category.TRANSACTIONAL):
    return OutboundMessage(id=name, to=to, text=text, category=category)


@given(st.lists(st.builds(PlainStatus, texts, own_and_others, st.integers(-1, 99), texts)))
def test_plain_receipts_say_what_each_says(entries):
    assert read_plain_receipts(entries) == read_receipts(entries)


@pytest.mark.parametrize("reference", OTHERS)
def test_reference_of_another_system_spoils_no_plain_one(reference):
    assert own_id(reference) is None
    updates = read_plain_receipts([status_of(), status_of(reference), status_of()])
    assert [update.message_id for update in updates] == [OURS, None, OURS]


def test_unknown_code_in_a_plain_webhook_is_logged_once(caplog):
    caplog.set_level("INFO", "recado_kolmeya")
    entries = [status_of(code=9731), status_of(code=9731)]
    unknown = StatusUpdate(
        status=Status.UNKNOWN, message_id=OURS, provider_ref="v-1", code="9731", text="entregue"
    )
    assert read_plain_receipts(entries) == [unknown, unknown]
    assert [record.code for record in caplog.records] == [9731]


@given(
    st.lists(st.fixed_dictionaries({"id": texts, "reference": references}), max_size=5),
    st.lists(
        st.fixed_dictionaries({"phone": st.just(11900000001)}, optional={"reference": references})
    ),
)
def test_plain_answer_is_sorted_like_any(valids, blacklist):
    messages = [message(name) for name in "abcd"]
    body = json.dumps({"valids": valids, "blacklist": blacklist}).encode()
    answer = read_answer(body)
    assert isinstance(answer, PlainAnswer)
    general = msgspec.json.decode(body, type=StoreAnswer)
    assert sort_answer(messages, answer) == sort_answer(messages, general)


@pytest.mark.parametrize(
    "valids",
    [None, {}, [{"id": 7, "reference": "a"}], [{"id": "v-1", "reference": ""}], [{"id": "v-1"}]],
)
def test_answer_that_is_not_plain_is_read_as_any(valids):
    assert isinstance(read_answer(json.dumps({"valids": valids}).encode()), StoreAnswer)


def test_answer_of_no_known_shape_is_not_read():
    with pytest.raises(outcomes.UNREADABLE):
        read_answer(b'{"valids": 3}')


@pytest.mark.parametrize("style", PhoneStyle)
@given(st.lists(st.from_regex(r"\+55[1-9][0-9]{9,10}", fullmatch=True), min_size=1))
def test_phones_are_written_at_once_as_singly(style, addresses):
    assert write_phones(addresses, style) == [int(write_phone(each, style)) for each in addresses]


@pytest.mark.parametrize(
    "address",
    ["+14155550100", "11900000001", "+55 11900000001", "+5511900000001,+5511900000002", "", "+55"],
)
def test_phones_are_written_at_once_only_if_all_are_brazilian(address):
    for addresses in ([address], ["+5511900000001", address], [address, "+5511900000001"]):
        assert write_phones(addresses, PhoneStyle.NATIONAL) is None


def provider_on(transport):
    http = httpx.AsyncClient(transport=transport, timeout=httpx.Timeout(7, connect=3))
    settings = KolmeyaSettings(token=Secret("a-token-of-tests"), base_url="https://k.example.com")
    context = AccountContext(account="kolmeya_main", settings=settings, http=http, now=None)
    return KolmeyaProvider(context), http


@pytest.mark.parametrize("cookie", [{}, {"route": "a"}])
async def test_request_is_the_clients_own(cookie):
    requests = []

    def answer(request):
        requests.append(request)
        return httpx.Response(200, json={"balance": "1.00"})

    provider, http = provider_on(httpx.MockTransport(answer))
    http.cookies.update(cookie)
    async with http:
        await provider.balance()
        await http.post(
            "https://k.example.com/v1/sms/balance",
            content=b"",
            headers={
                "Accept": "application/json",
                "Authorization": "Bearer a-token-of-tests",
                "Content-Type": "application/json",
            },
        )
    ours, clients = requests
    assert (ours.method, ours.url, ours.headers) == (clients.method, clients.url, clients.headers)
    assert ours.extensions["timeout"] == clients.extensions["timeout"]
    assert ("cookie" in ours.headers) == bool(cookie)


@pytest.mark.parametrize(
    ("odd", "code"),
    [
        (message("odd", to="+14155550100"), "address"),
        (message("odd", text=" \u00a0"), "content"),
        (message("odd", text=""), "content"),
        (message("odd", text="0800 000 0000", category=Category.OTP), "content"),
    ],
)
async def test_message_that_is_refused_here_spoils_no_other(odd, code):
    asked = []

    def answer(request):
        asked.extend(json.loads(request.content)["messages"])
        valids = [
            {"id": "v-" + each["reference"], "reference": each["reference"]} for each in asked
        ]
        return httpx.Response(200, json={"valids": valids})

    provider, http = provider_on(httpx.MockTransport(answer))
    batch = OutboundBatch(reference=make_id(), messages=(message("a"), odd, message("b")))
    async with http:
        results = await provider.send(batch)
    assert [(each.message_id, each.outcome, each.code) for each in results] == [
        ("a", Outcome.ACCEPTED, None),
        ("odd", Outcome.REJECTED, code),
        ("b", Outcome.ACCEPTED, None),
    ]
    assert [each["reference"] for each in asked] == ["a", "b"]
