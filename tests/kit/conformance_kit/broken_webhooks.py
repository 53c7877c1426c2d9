"""Receivers that misread webhooks, let forgers in, or break."""

import contextlib
import logging
import socket
from datetime import datetime

import msgspec
from recado_core import (
    InboundMessage,
    MalformedWebhookError,
    Status,
    StatusUpdate,
    WebhookReply,
)
from toy_conformance import TestConformance as Good
from toy_faults import toy
from toy_provider import ToyReceiver

log = logging.getLogger(__name__)


class Codeless(ToyReceiver):
    def items(self, told):
        return [
            msgspec.structs.replace(item, code=None) if isinstance(item, StatusUpdate) else item
            for item in super().items(told)
        ]


class TestCodeless(Good):
    breaks = "test_captured_payload_says_what_it_should"
    provider_type = toy(receiver=Codeless)


def saying(kind, **fields):
    """Return a receiver that says something else of every item of a kind, and what it says."""

    def altered(items):
        return [
            msgspec.structs.replace(item, **fields) if isinstance(item, kind) else item
            for item in items
        ]

    class Saying(ToyReceiver):
        def items(self, told):
            return altered(super().items(told))

    return Saying, {name: altered(items) for name, items in Good.webhooks.items()}


class TestUnknowing(Good):
    breaks = "test_delivery_receipt_has_a_known_status"
    receiver, webhooks = saying(StatusUpdate, status=Status.UNKNOWN)
    provider_type = toy(receiver=receiver)


class TestUnmatched(Good):
    breaks = "test_webhook_items_can_be_matched"
    receiver, webhooks = saying(StatusUpdate, provider_ref=None)
    provider_type = toy(receiver=receiver)


class TestNaive(Good):
    breaks = "test_webhook_items_can_be_matched"
    receiver, webhooks = saying(InboundMessage, received_at=datetime(2026, 1, 5))  # noqa: DTZ001
    provider_type = toy(receiver=receiver)


class Latin(ToyReceiver):
    def inbound(self, reply):
        reply.text = reply.text.encode("latin-1", "replace").decode("latin-1")
        return super().inbound(reply)


class TestLatin(Good):
    breaks = "test_reply_keeps_accents_and_emoji"
    provider_type = toy(receiver=Latin)


class Remembering(ToyReceiver):
    seen: bytes | None = None

    def parse(self, request):
        items = [] if request.body == self.seen else super().parse(request)
        self.seen = request.body
        return items


class TestRemembering(Good):
    breaks = "test_same_webhook_gives_the_same_items"
    provider_type = toy(receiver=Remembering)


class Deaf(ToyReceiver):
    def authenticate(self, request):
        super().authenticate(msgspec.structs.replace(request, body=b"kit"))


class TestDeaf(Good):
    breaks = "test_vendors_own_webhook_is_let_in"
    provider_type = toy(receiver=Deaf)


class Gullible(ToyReceiver):
    def authenticate(self, request):
        if "x-toy-signature" not in request.headers:
            super().authenticate(request)


class TestGullible(Good):
    breaks = "test_forged_webhook_is_refused"
    provider_type = toy(receiver=Gullible)


class Curious(ToyReceiver):
    def authenticate(self, request):
        self.parse(request)
        super().authenticate(request)


class TestCurious(Good):
    breaks = "test_forgery_is_refused_before_it_is_read"
    provider_type = toy(receiver=Curious)


class Swallowing(ToyReceiver):
    def parse(self, request):
        try:
            return super().parse(request)
        except MalformedWebhookError:
            return []


class TestSwallowing(Good):
    breaks = "test_garbage_is_malformed_and_nothing_worse"
    provider_type = toy(receiver=Swallowing)


class Rigid(ToyReceiver):
    def items(self, told):
        if isinstance(told, dict) and "kit" in told:
            raise MalformedWebhookError("a webhook of another kind")
        return super().items(told)


class TestRigid(Good):
    breaks = "test_webhook_of_unknown_shape_is_no_event"
    provider_type = toy(receiver=Rigid)


class Fragile(ToyReceiver):
    def items(self, told):
        if isinstance(told, dict) and "reports" in told:
            [report["id"] for report in told["reports"]]
        return super().items(told)


class TestFragile(Good):
    breaks = "test_mutilated_payload_never_breaks_the_receiver"
    provider_type = toy(receiver=Fragile)


class Grumpy(ToyReceiver):
    reply = WebhookReply(status=500)


class TestGrumpy(Good):
    breaks = "test_webhook_is_answered_with_success"
    provider_type = toy(receiver=Grumpy)


class Inquiring(ToyReceiver):
    def parse(self, request):
        with contextlib.suppress(OSError):
            socket.create_connection(("toy.example.com", 443))
        return super().parse(request)


class TestInquiring(Good):
    breaks = "test_webhook_is_read_without_asking_anyone"
    provider_type = toy(receiver=Inquiring)


class Gossip(ToyReceiver):
    def inbound(self, reply):
        log.info("%s wrote", reply.phone)
        return super().inbound(reply)


class TestGossip(Good):
    breaks = "test_webhook_shows_no_secret_and_no_number"
    provider_type = toy(receiver=Gossip)


class Telling(ToyReceiver):
    def parse(self, request):
        try:
            return super().parse(request)
        except MalformedWebhookError as error:
            raise MalformedWebhookError(f"{error} with {self._secret}") from error


class TestTelling(Good):
    breaks = "test_webhook_shows_no_secret_and_no_number"
    provider_type = toy(receiver=Telling)
