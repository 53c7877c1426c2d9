"""The provider and the receiver against the stub, with the official library as the referee."""

from urllib.parse import parse_qs, parse_qsl

import anyio
import httpx
import pytest
from recado_core import (
    AccountContext,
    AccountError,
    InboundMessage,
    InDoubtError,
    Outcome,
    ProviderTemplate,
    ReceiverContext,
    Secret,
    Status,
    TransientSendError,
    WebhookRequest,
)
from recado_core.testing import Clock, make_batch, make_message
from recado_twilio_stub.provider import TwilioProvider
from recado_twilio_stub.settings import Settings
from recado_twilio_stub.stub_server import ACCOUNT_SID, AUTH_TOKEN, StubServer
from recado_twilio_stub.webhooks import TwilioReceiver
from twilio.request_validator import RequestValidator

STUB = "http://twilio.example.com"
WEBHOOK_URL = "https://gateway.example.com:8443/webhooks/twilio/token"
PATIENCE = 30


class Gateway:
    """Takes webhooks as the gateway does, and as the official library would."""

    def __init__(self, settings):
        self.items = []
        self.failures = []
        self.requests = []
        self._receiver = TwilioReceiver(ReceiverContext(account="twilio", settings=settings))

    def handle(self, request):
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        signature = request.headers["x-twilio-signature"]
        fields = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        assert RequestValidator(AUTH_TOKEN).validate(str(request.url), fields, signature)
        webhook = WebhookRequest(
            url=str(request.url),
            headers=dict(request.headers),
            query=dict(request.url.params),
            body=request.content,
        )
        self._receiver.authenticate(webhook)
        self.items += self._receiver.parse(webhook)
        reply = self._receiver.reply
        return httpx.Response(reply.status, content=reply.body)

    def statuses(self, message_id):
        return [item.status for item in self.items if item.message_id == message_id]


class World:
    """A provider, the stub it sends to, and the gateway that the stub calls."""

    def __init__(self, http, gateway, settings):
        self.http = http
        self.gateway = gateway
        self.provider = self.provider_with(settings)

    def provider_with(self, settings):
        context = AccountContext(
            account="twilio",
            settings=settings,
            http=self.http,
            now=Clock().now,
            webhook_url=WEBHOOK_URL,
        )
        return TwilioProvider(context)

    async def send(self, **fields):
        batch = make_batch(1, lambda index: make_message(index, **fields))
        (result,) = await self.provider.send(batch)
        return result

    async def control(self, method, name, **body):
        answer = await self.http.request(method, f"{STUB}/_stub/{name}", json=body or None)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def settled(self):
        with anyio.fail_after(PATIENCE):
            while True:
                state = await self.control("GET", "state")
                if not state["under_way"]:
                    return state
                await anyio.sleep(0.005)


def make_settings(**changes):
    given = {
        "base_url": STUB,
        "account_sid": ACCOUNT_SID,
        "auth_token": Secret(AUTH_TOKEN),
        "sender": "+15005550006",
    }
    return Settings(**{**given, **changes})


@pytest.fixture
async def world():
    settings = make_settings()
    gateway = Gateway(settings)
    calls = httpx.AsyncClient(transport=httpx.MockTransport(gateway.handle))
    stub = StubServer(http=calls, delay=0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stub)) as http:
        yield World(http, gateway, settings)
    await stub.close()


# ---------------------------------------------------------------- sending


async def test_message_is_accepted_and_its_statuses_come_signed(world):
    result = await world.send(id="m-1", text="Olá 👍")
    assert (result.outcome, result.code) == (Outcome.ACCEPTED, None)
    state = await world.settled()
    assert world.gateway.statuses("m-1") == [Status.SENT, Status.DELIVERED]
    assert {item.provider_ref for item in world.gateway.items} == {result.provider_ref}
    assert state["statuses"] == {"delivered": 1}
    assert (state["webhooks_answered"], state["webhooks_failed"]) == (2, 0)


async def test_answer_and_resource_look_like_twilio_s(world):
    result = await world.send(to="+5511900000001", text="x" * 161)
    (message,) = await world.control("GET", "messages")
    assert message["sid"] == result.provider_ref
    assert len(message["sid"]) == 34
    assert (message["to"], message["from"]) == ("+5511900000001", "+15005550006")
    assert (message["num_segments"], message["num_media"]) == ("2", "0")
    assert message["api_version"] == "2010-04-01"
    fetched = await world.http.get(STUB + message["uri"], auth=(ACCOUNT_SID, AUTH_TOKEN))
    assert fetched.json()["sid"] == message["sid"]


async def test_template_is_written_as_twilio_writes_it(world):
    sid = "HX" + "0" * 32
    await world.control("POST", "contents", sid=sid, body="Oi, {{1}}! Pedido {{2}}: {{3}}")
    template = ProviderTemplate(name=sid, variables={"name": "Ana 👋", "o": "17"})
    result = await world.send(text="not this", template=template)
    assert result.outcome is Outcome.ACCEPTED
    (message,) = await world.control("GET", "messages")
    assert message["body"] == "Oi, Ana 👋! Pedido 17: {{3}}"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"ContentVariables": "{}"}, 21654),
        ({"ContentSid": "HX" + "1" * 32}, 21655),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": "[]"}, 21656),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1": null}'}, 21656),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1": " "}'}, 21656),
        ({"ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1": "a\\nb"}'}, 21656),
    ],
)
async def test_template_that_twilio_would_not_know_is_refused(world, form, code):
    await world.control("POST", "contents", sid="HX" + "0" * 32, body="Oi, {{1}}!")
    answer = await world.http.post(
        f"{STUB}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json",
        data={"To": "+5511900000001", "From": "+15005550006", **form},
        auth=(ACCOUNT_SID, AUTH_TOKEN),
    )
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await world.control("GET", "state"))["refused"] == 1


async def test_messaging_service_reports_queued_and_chooses_a_sender(world):
    service = make_settings(sender=None, messaging_service_sid="MG1")
    await world.provider_with(service).send(make_batch(1))
    await world.settled()
    told = [item.status for item in world.gateway.items]
    assert told == [Status.SENT, Status.SENT, Status.DELIVERED]
    last = parse_qs(world.gateway.requests[-1].content.decode())
    assert last["MessagingServiceSid"] == ["MG1"]
    assert last["From"] == ["+15005550006"]


@pytest.mark.parametrize(
    ("to", "code", "outcome"),
    [
        ("+15005550001", "21211", Outcome.REJECTED),
        ("+15005550002", "21612", Outcome.REJECTED),
        ("+15005550003", "21408", Outcome.REJECTED),
        ("+15005550004", "21610", Outcome.SUPPRESSED),
        ("+15005550009", "21614", Outcome.REJECTED),
        ("5511900000001", "21211", Outcome.REJECTED),
    ],
)
async def test_magic_recipient_is_refused_as_twilio_refuses_it(world, to, code, outcome):
    result = await world.send(to=to)
    assert (result.outcome, result.code) == (outcome, code)
    state = await world.settled()
    assert (state["accepted"], state["refused"]) == (0, 1)


@pytest.mark.parametrize(
    ("sender", "code", "outcome"),
    [
        ("+15005550001", "21212", Outcome.REJECTED),
        ("+15005550007", "21606", Outcome.REJECTED),
        ("+15005550008", "21611", Outcome.TRANSIENT),
    ],
)
async def test_magic_sender_is_refused_as_twilio_refuses_it(world, sender, code, outcome):
    result = await world.send(sender_id=sender)
    assert (result.outcome, result.code) == (outcome, code)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"From": "+15005550006", "Body": "oi"}, 21604),
        ({"To": "+5511900000001", "Body": "oi"}, 21603),
        ({"To": "+5511900000001", "From": "+15005550006"}, 21602),
        ({"To": "+5511900000001", "From": "+15005550006", "Body": "x" * 1601}, 21617),
        ({"To": "+5511900000001", "From": "+15005550006", "MediaUrl": ["u"] * 11}, 21623),
    ],
)
async def test_incomplete_form_is_refused_with_twilio_s_code(world, form, code):
    url = f"{STUB}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    answer = await world.http.post(url, data=form, auth=(ACCOUNT_SID, AUTH_TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_wrong_credentials_stop_the_account(world):
    wrong = world.provider_with(make_settings(auth_token=Secret("another-token")))
    with pytest.raises(AccountError) as caught:
        await wrong.send(make_batch(1))
    assert caught.value.code == "20003"


async def test_account_and_balance_are_told(world):
    assert await world.provider.verify_credentials() == f"Full account {ACCOUNT_SID} is active"
    assert await world.provider.balance() == 100


async def test_unknown_path_is_not_found(world):
    url = f"{STUB}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/SM404.json"
    answer = await world.http.get(url, auth=(ACCOUNT_SID, AUTH_TOKEN))
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


# ---------------------------------------------------------------- control


async def test_message_sent_twice_is_counted_as_a_duplicate(world):
    for _ in range(2):
        await world.send(id="m-1")
    await world.send(id="m-2")
    state = await world.settled()
    assert (state["accepted"], state["duplicates"]) == (3, {"m-1": 2})


async def test_planned_delivery_ends_as_planned(world):
    plan = {"to": "+5511900000009", "status": "undelivered", "error_code": 30003}
    await world.control("POST", "deliveries", **plan)
    await world.send(id="m-1", to="+5511900000009")
    await world.settled()
    assert world.gateway.statuses("m-1") == [Status.SENT, Status.UNDELIVERED]
    assert world.gateway.items[-1].code == "30003"


async def test_message_that_fails_at_twilio_was_never_sent(world):
    await world.control("POST", "deliveries", to="+5511900000009", status="failed")
    await world.send(id="m-1", to="+5511900000009")
    await world.settled()
    assert world.gateway.statuses("m-1") == [Status.REJECTED]


async def test_reply_of_a_person_comes_signed(world):
    await world.send(to="+5511900000001")
    await world.settled()
    world.gateway.items.clear()
    media = [{"url": "https://files.example.com/1.jpg", "type": "image/jpeg"}]
    said = {"from": "+5511900000001", "to": "+15005550006", "body": "Sim! 👍 às 9h & até"}
    told = await world.control("POST", "inbound", **said, media=media)
    (item,) = world.gateway.items
    assert isinstance(item, InboundMessage)
    assert (item.provider_ref, item.text) == (told["sid"], said["body"])
    assert (item.sender, item.recipient) == ("+5511900000001", "+15005550006")
    assert [medium.url for medium in item.media] == [media[0]["url"]]


async def test_reply_without_an_address_to_bring_it_to_is_an_error(world):
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        await world.control("POST", "inbound", **{"from": "+5511900000001", "to": "+15005550006"})


async def test_reply_goes_where_it_is_told(world):
    said = {"from": "+5511900000001", "to": "+15005550006", "webhook_url": f"{WEBHOOK_URL}?x=1"}
    await world.control("POST", "inbound", **said)
    assert world.gateway.requests[0].url == said["webhook_url"]


async def test_stop_suppresses_and_start_allows_again(world):
    pair = {"from": "+5511900000001", "to": "+15005550006", "webhook_url": WEBHOOK_URL}
    await world.control("POST", "inbound", **pair, body=" stop ")
    assert (await world.send(to="+5511900000001")).outcome is Outcome.SUPPRESSED
    assert (await world.send(to="+5511900000002")).outcome is Outcome.ACCEPTED
    await world.control("POST", "inbound", **pair, body="START")
    assert (await world.send(to="+5511900000001")).outcome is Outcome.ACCEPTED


async def test_forgotten_stub_starts_anew(world):
    await world.send()
    await world.settled()
    await world.control("POST", "faults", kind="500")
    await world.control("DELETE", "state")
    state = await world.settled()
    assert (state["accepted"], state["statuses"]) == (0, {})
    assert (await world.send()).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "faults", 400), ("POST", "deliveries", 400), ("GET", "nothing", 404)],
)
async def test_control_that_makes_no_sense_is_refused(world, method, path, status):
    answer = await world.http.request(method, f"{STUB}/_stub/{path}", json={"kind": "flood"})
    assert answer.status_code == status


# ---------------------------------------------------------------- faults


async def test_fault_lasts_for_as_many_requests_as_it_is_told(world):
    await world.control("POST", "faults", kind="429", count=2, retry_after=3)
    for _ in range(2):
        with pytest.raises(TransientSendError) as caught:
            await world.send(id="m-1")
        assert (caught.value.retry_after, caught.value.code) == (3.0, "20429")
    assert (await world.send(id="m-1")).outcome is Outcome.ACCEPTED
    assert (await world.settled())["duplicates"] == {}


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        ({"kind": "429"}, TransientSendError, 0),
        ({"kind": "500"}, TransientSendError, 0),
        ({"kind": "500", "accept": True}, TransientSendError, 1),
        ({"kind": "html"}, InDoubtError, 0),
        ({"kind": "html", "accept": True}, InDoubtError, 1),
        ({"kind": "broken_json"}, InDoubtError, 1),
        ({"kind": "broken_json", "accept": False}, InDoubtError, 0),
    ],
)
async def test_fault_becomes_its_error_and_takes_what_it_should(world, fault, error, accepted):
    await world.control("POST", "faults", **fault)
    with pytest.raises(error):
        await world.send()
    assert (await world.settled())["accepted"] == accepted


async def test_receipt_settles_a_message_left_in_doubt(world):
    await world.control("POST", "faults", kind="broken_json")
    with pytest.raises(InDoubtError):
        await world.send(id="m-1")
    await world.settled()
    assert world.gateway.statuses("m-1")[-1] is Status.DELIVERED
    assert all(item.provider_ref for item in world.gateway.items)


async def test_webhook_without_a_connection_is_tried_once_more(world):
    world.gateway.failures = [httpx.ConnectError("down")]
    await world.send(id="m-1")
    state = await world.settled()
    assert world.gateway.statuses("m-1") == [Status.SENT, Status.DELIVERED]
    assert (state["webhooks_answered"], state["webhooks_failed"]) == (2, 0)


async def test_webhook_that_gets_no_answer_is_lost(world):
    world.gateway.failures = [httpx.ReadTimeout("slow")]
    await world.send(id="m-1")
    state = await world.settled()
    assert world.gateway.statuses("m-1") == [Status.DELIVERED]
    assert (state["webhooks_answered"], state["webhooks_failed"]) == (1, 1)
