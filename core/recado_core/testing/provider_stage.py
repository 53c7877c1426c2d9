"""What the author of a provider gives to the kit, and what the kit makes of it."""

import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import ClassVar

import httpx
import msgspec
import pytest

from recado_core.contract import (
    AccountContext,
    Provider,
    ProviderType,
    ReceiverContext,
    Suppressed,
    WebhookReceiver,
)
from recado_core.http import WebhookRequest
from recado_core.messages import (
    Category,
    InboundMessage,
    OutboundBatch,
    OutboundMessage,
    ProviderTemplate,
    StatusUpdate,
    WebhookItem,
)
from recado_core.testing import samples
from recado_core.testing.clock import Clock
from recado_core.testing.payloads import read_strings
from recado_core.testing.stage import Answers, Stage

WEBHOOK_TOKEN = "kit-webhook-token-5f3a9c"  # noqa: S105  # of the kit's own making
"""The token in the address that the kit gives to providers; as secret as any."""

COMMON_KEYS = frozenset(
    (
        "provider",
        "rate",
        "concurrency",
        "price",
        "daily_limit",
        "lookup_settles",
        "on_doubt",
        "balance_threshold",
        "push_suppressions",
        "batch_size",
        "timeout",
        "webhook_token",
    )
)
"""Keys of an account's table that the gateway takes before the provider sees it."""


OperationTold = tuple[msgspec.Struct, Answers, msgspec.Struct]
"""A request of an operation, the vendor's answers to it, and the reply that they mean."""


class ProviderStage(Stage[Provider]):
    """The author's part of ``ProviderConformance``: override what stands here."""

    provider_type: ClassVar[ProviderType]
    """What the plugin's ``register_providers`` returns."""

    webhooks: ClassVar[Mapping[str, Sequence[WebhookItem]]] = {}
    """What each captured payload says, by the name of its file in ``payloads``."""

    signs_body: ClassVar[bool] = True
    """False where the vendor proves itself by a fixed secret instead of a signature."""

    operations_told: ClassVar[Mapping[str, OperationTold]] = {}
    """A request, answers to it and the reply, for every operation of the type, by its name."""

    refused_texts: ClassVar[Mapping[Category, Sequence[str]]] = {}
    """Texts that ``check_message`` refuses in messages of a category."""

    template: ClassVar[ProviderTemplate] = ProviderTemplate(
        name="kit_template", language="pt_BR", variables={"name": "Ana", "order": "A-17"}
    )
    """A template that the vendor could know."""

    reserved_keys: ClassVar[frozenset[str]] = COMMON_KEYS
    webhook_url: ClassVar[str] = f"https://gateway.example.com/webhooks/kit/{WEBHOOK_TOKEN}"
    region: ClassVar[str] = "BR"
    timezone: ClassVar[str] = "America/Sao_Paulo"

    # ------------------------------------------------------------ sending

    def accepted(self, batch: OutboundBatch) -> httpx.Response:
        """Return the vendor's answer when it takes the whole batch."""
        raise NotImplementedError("give the vendor's answer when it takes the whole batch")

    def rejected(self, batch: OutboundBatch) -> httpx.Response:
        """Return the vendor's answer, of any status, when it refuses every message for good."""
        raise NotImplementedError

    def listed(self, batch: OutboundBatch) -> httpx.Response:
        """Return the vendor's answer when all are on its own suppression list."""
        raise NotImplementedError

    def address(self, index: int) -> str:
        """Return an address to send to, another one for every index from 1."""
        return samples.brazilian_address(index)

    def message(self, index: int) -> OutboundMessage:
        """Return a message to send: accents and emoji, to ``address(index)``."""
        return samples.make_message(index, to=self.address(index), channel=self.channel)

    def own_message(self, category: Category, index: int) -> OutboundMessage:
        """Return a message of a category of ``own_batches``: ``message(index)`` in that category.

        The sending tests run for it too, so that ``accepted``, ``rejected`` and ``listed`` are
        given batches of such messages alone.
        """
        return msgspec.structs.replace(self.message(index), category=category)

    def sent_texts(self, request: httpx.Request) -> list[str]:
        """Return the texts that a request carries; override if it is neither JSON nor a form."""
        return read_strings(request.headers.get("content-type", ""), request.content)

    # ------------------------------------------------------------ capabilities

    def lookup_found(self, batch: OutboundBatch) -> Answers:
        """Return the vendor's answers to ``lookup`` when it took the batch."""
        raise NotImplementedError("lookup is declared: give the answer when the batch is found")

    def lookup_missing(self) -> Answers:
        """Return the vendor's answers to ``lookup`` when it never saw the batch."""
        raise NotImplementedError("lookup is declared: give the answer when nothing is found")

    def statuses_told(self, batch: OutboundBatch) -> tuple[Answers, Sequence[StatusUpdate]]:
        """Return the vendor's answers to ``poll_statuses``, and what they say."""
        raise NotImplementedError("poll_statuses is declared: give an answer and what it says")

    def replies_told(self) -> tuple[Answers, Sequence[InboundMessage]]:
        """Return the vendor's answers to ``poll_replies``, of two pages or more, and all they say.

        The answers stand in the order of the requests, the messages in that of the pages.
        """
        raise NotImplementedError("poll_replies is declared: give answers and what they say")

    def reply_told_again(self) -> tuple[str, Answers]:
        """Return a captured payload's name and answers to ``poll_replies`` with the same MO."""
        raise NotImplementedError

    def entry(self, index: int) -> Suppressed:
        """Return an entry for the suppression list: ``address(index)``, every other for a CPF."""
        document = None if index % 2 else samples.DOCUMENT
        return Suppressed(address=self.address(index), document=document)

    def suppressed(self, entries: Sequence[Suppressed]) -> httpx.Response:
        """Return the vendor's answer when it puts these on its suppression list."""
        raise NotImplementedError("suppress is declared: give the answer when it suppresses")

    def unsuppressed(self, entries: Sequence[Suppressed]) -> httpx.Response:
        """Return the vendor's answer when it takes these off its suppression list."""
        raise NotImplementedError("suppress is declared: give the answer when it stops to suppress")

    def balance_told(self) -> tuple[Answers, Decimal]:
        """Return the vendor's answers to ``balance``, and the amount."""
        raise NotImplementedError("balance is declared: give an answer and the amount")

    def credentials_confirmed(self) -> Answers:
        """Return the vendor's answers to ``verify_credentials`` when they are good."""
        raise NotImplementedError("verify_credentials is declared: give the answer to good ones")

    # ------------------------------------------------------------ webhooks

    @property
    def payloads(self) -> Path:
        """Return the folder of the captured payloads: ``payloads`` beside the test file."""
        return Path(inspect.getfile(type(self))).parent / "payloads"

    def webhook_request(self, name: str) -> WebhookRequest:
        """Return a captured payload as it arrives, not yet signed.

        A ``.json`` file is sent as JSON, a ``.form`` file as a form, another one as plain text.
        """
        path = self.payloads / name
        kinds = {".json": "application/json", ".form": "application/x-www-form-urlencoded"}
        return WebhookRequest(
            url=self.webhook_url,
            headers={"content-type": kinds.get(path.suffix, "text/plain")},
            query={},
            body=path.read_bytes().rstrip(b"\n"),
        )

    def sign(self, request: WebhookRequest) -> WebhookRequest:
        """Return the request as the vendor signs it; leave it alone for one that does not."""
        return request

    # ------------------------------------------------------------ made of it

    @property
    def channel(self) -> str:
        """Return the channel of the sample messages."""
        return min(self.provider_type.channels)

    def gives(self, method: str) -> bool:
        """Tell whether the author has overridden a method."""
        return getattr(type(self), method) is not getattr(ProviderStage, method)

    def declares(self, capability: str) -> None:
        """Skip the test of a capability that the provider does not declare."""
        if not getattr(self.provider_type.capabilities, capability):
            pytest.skip(f"the provider declares no {capability}")

    def batch(self, size: int = 3) -> OutboundBatch:
        """Return a batch of sample messages, of ``max_batch`` at most."""
        most = self.provider_type.capabilities.max_batch
        return samples.make_batch(min(size, most), self.message)

    def batches(self, size: int = 3) -> list[OutboundBatch]:
        """Return such a batch, and one of every category that travels in calls of its own."""
        own = self.provider_type.capabilities.own_batches
        return [
            self.batch(size),
            *(
                samples.make_batch(min(size, most), partial(self.own_message, category))
                for category, most in own.items()
            ),
        ]

    @property
    def settings_type(self) -> type[msgspec.Struct]:
        """Return the provider's settings Struct."""
        return self.provider_type.settings

    def make_context(self, http: httpx.AsyncClient) -> AccountContext:
        """Return what the provider is made of."""
        return AccountContext(
            account="kit",
            settings=self.read_settings(),
            http=http,
            now=Clock().now,
            webhook_url=self.webhook_url,
            region=self.region,
            timezone=self.timezone,
        )

    def make_plugin(self, http: httpx.AsyncClient) -> Provider:
        """Return the provider, with this client."""
        return self.provider_type.create(self.make_context(http))

    def make_receiver(self) -> WebhookReceiver:
        """Return the provider's webhook receiver."""
        create = self.provider_type.create_receiver
        assert create, "webhooks are captured and the type has no create_receiver"
        return create(
            ReceiverContext(
                account="kit",
                settings=self.read_settings(),
                region=self.region,
                timezone=self.timezone,
            )
        )
