"""What every webhook receiver must do."""

import json

import msgspec
import pytest

from recado_core.errors import MalformedWebhookError, WebhookRefusedError
from recado_core.http import WebhookRequest
from recado_core.messages import (
    BatchRejected,
    InboundMessage,
    Status,
    StatusUpdate,
    WebhookItem,
)
from recado_core.testing.disclosure import find_numbers, find_secrets, find_shown, tell_error
from recado_core.testing.payloads import (
    GARBAGE,
    NO_OBJECTS,
    UNKNOWN_BODIES,
    is_json,
    mutilated,
    retold,
    with_body,
)
from recado_core.testing.provider_stage import ProviderStage
from recado_core.testing.samples import MO_TEXT

NO_DLR = (Status.UNKNOWN, Status.RECEIVED)


class WebhookTests(ProviderStage):
    """Captured payloads, forged ones, broken ones."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that take a ``payload`` once for every captured one."""
        if "payload" in metafunc.fixturenames:
            none = pytest.param("", marks=pytest.mark.skip(reason="the provider has no webhooks"))
            metafunc.parametrize("payload", list(self.webhooks) or [none])

    def arriving(self, payload: str) -> WebhookRequest:
        """Return a captured payload as it arrives, signed where the vendor signs."""
        return self.sign(self.webhook_request(payload))

    def parsed(self, request: WebhookRequest) -> list[WebhookItem]:
        """Return what a new receiver reads, with nothing let out."""
        with self.make_watch().on():
            return self.make_receiver().parse(request)

    def survives(self, request: WebhookRequest) -> list[WebhookItem] | None:
        """Return what is read of a strange body, or None if it is malformed; nothing else."""
        try:
            items = self.parsed(request)
        except MalformedWebhookError:
            return None
        assert isinstance(items, list), request.body
        assert all(isinstance(i, WebhookItem) for i in items), request.body
        return items

    def test_captured_payload_says_what_it_should(self, payload: str) -> None:
        """The captured payloads are the authority on the vendor's wire format."""
        assert self.parsed(self.arriving(payload)) == list(self.webhooks[payload])

    def test_delivery_receipt_has_a_known_status(self, payload: str) -> None:
        """A code that the plugin's table lacks would leave its message for ever as sent."""
        for item in self.parsed(self.arriving(payload)):
            if isinstance(item, StatusUpdate):
                assert item.status not in NO_DLR, item

    def test_webhook_items_can_be_matched(self, payload: str) -> None:
        """An item that names nothing changes nothing; a time without a zone is a guess."""
        for item in self.parsed(self.arriving(payload)):
            match item:
                case StatusUpdate(at=at):
                    assert item.message_id or item.provider_ref, item
                case InboundMessage(received_at=at):
                    assert item.provider_ref, item
                    assert item.sender, item
                case BatchRejected():
                    at = None
                    assert item.batch_reference, item
            assert at is None or at.tzinfo is not None, item

    def test_reply_keeps_accents_and_emoji(self, payload: str) -> None:
        """What the person wrote is what the business reads."""
        request = self.webhook_request(payload)
        replies = [i for i in self.webhooks[payload] if isinstance(i, InboundMessage) and i.text]
        if not replies:
            pytest.skip("the payload holds no text of a person")
        variants = retold(request, replies[0].text, MO_TEXT)
        assert variants, "the reply's text is no field of the payload as it stands"
        for variant in variants:
            items = self.parsed(self.sign(variant))
            texts = [item.text for item in items if isinstance(item, InboundMessage)]
            assert MO_TEXT in texts, texts

    def test_same_webhook_gives_the_same_items(self, payload: str) -> None:
        """The gateway parses a stored webhook again when it processes it."""
        request = self.arriving(payload)
        receiver = self.make_receiver()
        first = receiver.parse(request)
        assert receiver.parse(request) == first
        assert self.parsed(request) == first

    def test_vendors_own_webhook_is_let_in(self, payload: str) -> None:
        """A receiver that refuses everyone is safe and useless."""
        self.make_receiver().authenticate(self.arriving(payload))

    def test_forged_webhook_is_refused(self, payload: str) -> None:
        """Missing, altered, or put over another body: a wrong signature lets nothing in."""
        if not self.gives("sign"):
            pytest.skip("the vendor signs nothing; the token in the address is the only key")
        plain, signed = self.webhook_request(payload), self.arriving(payload)
        forged = [plain, *_altered(plain, signed)]
        if self.signs_body:
            forged.append(with_body(signed, signed.body + b" "))
        for request in forged:
            with pytest.raises(WebhookRefusedError):
                self.make_receiver().authenticate(request)

    @pytest.mark.parametrize("garbage", GARBAGE)
    def test_forgery_is_refused_before_it_is_read(self, garbage: bytes) -> None:
        """Whoever can't sign must not reach the parser."""
        if not self.gives("sign"):
            pytest.skip("the vendor signs nothing; the token in the address is the only key")
        request = WebhookRequest(url=self.webhook_url, headers={}, query={}, body=garbage)
        with pytest.raises(WebhookRefusedError):
            self.make_receiver().authenticate(request)

    def test_garbage_is_malformed_and_nothing_worse(self, payload: str) -> None:
        """A webhook that can't be read is refused, so that the vendor sends it again."""
        request = self.webhook_request(payload)
        strict = is_json(request.headers["content-type"])
        for garbage in GARBAGE:
            items = self.survives(self.sign(with_body(request, garbage)))
            assert items is None or (not strict and not items), f"{garbage!r} was read as {items}"
        half = self.survives(with_body(request, request.body[: len(request.body) // 2]))
        assert half is None or not strict, f"half a payload was read as {half}"

    def test_webhook_of_unknown_shape_is_no_event(self, payload: str) -> None:
        """A vendor adds kinds of webhook without asking."""
        request = self.webhook_request(payload)
        for body in (*UNKNOWN_BODIES, *NO_OBJECTS):
            items = self.survives(self.sign(with_body(request, body)))
            assert items == [] or (items is None and body in NO_OBJECTS), f"{body!r}: {items}"

    def test_mutilated_payload_never_breaks_the_receiver(self, payload: str) -> None:
        """Fields missing or of another type: what can't be used is left out."""
        for request in mutilated(self.webhook_request(payload)):
            self.survives(self.sign(request))

    def test_webhook_is_answered_with_success(self) -> None:
        """Any other answer makes the vendor call again."""
        if self.provider_type.create_receiver is None:
            pytest.skip("the provider has no webhooks")
        reply = self.make_receiver().reply
        assert 200 <= reply.status < 300  # noqa: PLR2004  # the range of success
        if is_json(reply.content_type):
            json.loads(reply.body)

    def test_webhook_is_read_without_asking_anyone(self, payload: str) -> None:
        """The vendor waits for the answer, and a stored webhook is read again later."""
        watch = self.make_watch()
        with watch.on():
            self.make_receiver().parse(self.arriving(payload))
        assert not watch.clients + watch.connections, "clients and connections"
        assert not watch.sleeps, "seconds slept"

    def test_webhook_shows_no_secret_and_no_number(self, payload: str) -> None:
        """Neither logs nor errors tell the secrets or who wrote."""
        request = self.arriving(payload)
        items = self.webhooks[payload]
        bodies = [*mutilated(request), *(with_body(request, body) for body in GARBAGE)]
        watch = self.make_watch()
        texts: list[tuple[str, str]] = []
        with watch.on():
            receiver = self.make_receiver()
            for one in (request, *bodies, *(self.sign(body) for body in bodies)):
                for step in (receiver.authenticate, receiver.parse):
                    try:
                        step(one)
                    except Exception as error:  # noqa: BLE001  # other tests judge its class
                        texts.append(("an error", tell_error(error)))
        texts += [("a log record", text) for text in watch.logs]
        texts.append(("repr(receiver)", repr(receiver)))
        senders = [item.sender for item in items if isinstance(item, InboundMessage)]
        assert not find_shown(texts, find_secrets(self.read_settings()))
        assert not find_numbers(texts, senders)


def _altered(plain: WebhookRequest, signed: WebhookRequest) -> list[WebhookRequest]:
    """Return the signed request with each thing that the signature added spoilt."""
    found = []
    for field in ("headers", "query"):
        before, after = getattr(plain, field), getattr(signed, field)
        for name in [name for name in after if after[name] != before.get(name)]:
            spoilt = {**after, name: _spoil(after[name])}
            found.append(msgspec.structs.replace(signed, **{field: spoilt}))
    return found


def _spoil(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle : middle + 1] != "A" else "B") + text[middle + 1 :]
