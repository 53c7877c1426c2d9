"""One configured account: its settings, its provider, its budget of calls, its state."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from recado_core.contract import (
    Capabilities,
    Provider,
    ProviderType,
    WebhookReceiver,
    decode_setting,
)
from recado_core.engine.accounts.limits import CallBudget, parse_rate
from recado_core.engine.settings import AccountSettings
from recado_core.engine.store.money import DECIMALS, decimals_of
from recado_core.errors import ConfigurationError

QUESTIONS = 3
"""Questions in turn that are asked at once of one account: a round's, and those of people."""
OPERATIONS = 2
"""Operations of one account that run at once."""
HIGHEST_PRICE = 1_000_000
"""Of a segment, so that what all messages cost is a number that the store keeps."""


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the API shows it.

    ``suppressions_waiting`` are addresses of whose suppression, or its end, the provider is still
    to be told; None where it is told of none.
    """

    name: str
    provider: str
    channels: list[str]
    status: str
    reason: str | None
    paused_at: datetime | None
    rate: str | None
    concurrency: int
    batch_size: int
    capabilities: Capabilities
    queued: int
    balance: Decimal | None
    balance_at: datetime | None
    balance_threshold: Decimal | None
    balance_low: bool
    calls_limit: int | None
    calls_left: int | None
    suppressions_waiting: int | None = None


class Account:
    """One configured account, with its provider once it is open."""

    provider: Provider
    receiver: WebhookReceiver | None
    webhook_token: str

    def __init__(self, name: str, settings: AccountSettings, kind: ProviderType) -> None:
        self.name = name
        self.settings = settings
        self.kind = kind
        self.own = _own_settings(name, settings, kind)
        self.batch_size = _lowered(name, "batch_size", settings.batch_size, kind)
        self.concurrency = settings.concurrency or kind.capabilities.concurrency
        self.rate_text = settings.rate or kind.capabilities.rate
        rate = parse_rate(self.rate_text, f"accounts.{name}.rate") if self.rate_text else None
        self.budget = CallBudget(rate, fixed=settings.rate is not None)
        self.questions = asyncio.Semaphore(QUESTIONS)
        self.operations = asyncio.Semaphore(OPERATIONS)
        self.wake = asyncio.Event()
        self.paused_at: datetime | None = None
        self.reason: str | None = None
        self.trouble: str | None = None
        self.was_low = False
        self.balance: Decimal | None = None
        self.balance_at: datetime | None = None
        _check_fit(name, settings, kind)

    @property
    def lookup_settles(self) -> float:
        """Seconds after a call from which a lookup that does not find it is believed."""
        if self.settings.lookup_settles is not None:
            return self.settings.lookup_settles
        return self.kind.capabilities.lookup_settles

    def take_state(self, row: dict[str, Any]) -> None:
        """Take over what the store says of the account."""
        if self.paused_at is not None and row["paused_at"] is None:
            self.wake.set()
        self.paused_at = row["paused_at"]
        self.reason = row["reason"]
        self.balance = None if row["balance"] is None else Decimal(row["balance"])
        self.balance_at = row["balance_at"]
        self.was_low = row["balance_low"]

    def view(self, queued: int, suppressions: int, monotonic: float) -> AccountView:
        """Return the account as the API shows it.

        Args:
            queued: The messages that wait for it in the outbox.
            suppressions: The addresses of which its provider is still to be told.
            monotonic: The time by the clock that never jumps, in seconds.
        """
        return AccountView(
            name=self.name,
            provider=self.kind.id,
            channels=sorted(self.kind.channels),
            status="active" if self.paused_at is None else "paused",
            reason=self.reason,
            paused_at=self.paused_at,
            rate=self.rate_text,
            concurrency=self.concurrency,
            batch_size=self.batch_size,
            capabilities=self.kind.capabilities,
            queued=queued,
            balance=self.balance,
            balance_at=self.balance_at,
            balance_threshold=self.settings.balance_threshold,
            balance_low=self._is_low(),
            calls_limit=self.budget.limit(),
            calls_left=self.budget.left(monotonic),
            suppressions_waiting=suppressions if self.settings.push_suppressions else None,
        )

    def _is_low(self) -> bool:
        threshold = self.settings.balance_threshold
        return threshold is not None and self.balance is not None and self.balance < threshold


def _check_fit(name: str, settings: AccountSettings, kind: ProviderType) -> None:
    for key, amount in (
        ("price", settings.price),
        ("balance_threshold", settings.balance_threshold),
    ):
        if amount is not None and not amount.is_finite():
            raise ConfigurationError(f"accounts.{name}.{key}: must be a number, not {amount}")
    _check_price(name, settings.price)
    if settings.push_suppressions and not kind.capabilities.suppress:
        raise ConfigurationError(
            f"accounts.{name}.push_suppressions: provider {kind.id} has no list of its own"
        )
    if settings.balance_threshold is not None and not kind.capabilities.balance:
        raise ConfigurationError(
            f"accounts.{name}.balance_threshold: provider {kind.id} tells no balance"
        )


def _check_price(name: str, price: Decimal | None) -> None:
    if price is None:
        return
    if not 0 <= price <= HIGHEST_PRICE:
        raise ConfigurationError(
            f"accounts.{name}.price: must be from 0 to {HIGHEST_PRICE}, not {price}"
        )
    if decimals_of(price) > DECIMALS:
        raise ConfigurationError(
            f"accounts.{name}.price: must have at most {DECIMALS} decimals, not {price}"
        )


def _own_settings(name: str, settings: AccountSettings, kind: ProviderType) -> msgspec.Struct:
    known = {field.encode_name for field in msgspec.structs.fields(kind.settings)}
    for key in settings.own:
        if key not in known:
            raise ConfigurationError(
                f"accounts.{name}.{key}: unknown key; provider {kind.id} knows "
                f"{', '.join(sorted(known))}"
            )
    try:
        return msgspec.convert(
            settings.own, kind.settings, dec_hook=decode_setting, strict=False, str_keys=True
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"accounts.{name}: {error}") from error


def _lowered(name: str, key: str, value: int | None, kind: ProviderType) -> int:
    most = kind.capabilities.max_batch
    if value is None:
        return most
    if not 1 <= value <= most:
        raise ConfigurationError(f"accounts.{name}.{key}: must be from 1 to {most}")
    return value
