"""What the engine must be told: database, accounts, routes, delays."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from recado_core.contract import Secret
from recado_core.messages import Category

DEFAULT_RETRY_DELAYS = (60.0, 180.0, 600.0, 1800.0)
DEFAULT_POLL_DELAYS = (120.0, 600.0, 1800.0, 3600.0)
DEFAULT_REPLY_POLL = 300.0
DEFAULT_BALANCE_POLL = 900.0


Positive = Annotated[int, msgspec.Meta(ge=1)]


class OnDoubt(StrEnum):
    """What becomes of a message when nobody can say whether the provider took it."""

    HOLD = "hold"  # it stays unknown until a person resends it
    RESEND = "resend"  # it is sent again, and may arrive twice


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that every account may have, whatever its provider; ``own`` are the provider's.

    ``rate`` is in calls (``"500/60s"``), ``timeout`` in seconds for one call, ``daily_limit`` in
    messages a day of the gateway's zone, ``lookup_settles`` as in ``Capabilities``,
    ``balance_threshold`` in the account's currency.
    """

    provider: str
    rate: str | None = None
    concurrency: Positive | None = None
    batch_size: Positive | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    price: Decimal | None = None
    daily_limit: Positive | None = None
    on_doubt: OnDoubt = OnDoubt.HOLD
    lookup_settles: Annotated[float, msgspec.Meta(ge=0)] | None = None
    balance_threshold: Decimal | None = None
    webhook_token: Secret | None = None
    own: dict[str, Any] = {}


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages a route is for; a key that is absent matches all."""

    category: Category | None = None
    prefix: Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]*$")] | None = None


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One route: the first that matches wins.

    ``accounts`` are tried in order; with ``weights`` (one for each) the first is drawn in
    proportion to them and the others follow in order.
    """

    accounts: list[str]
    channel: str = "sms"
    match: RouteMatch = RouteMatch()
    weights: list[int] | None = None


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of it.

    ``retry_delays`` are in seconds, one for every retry at one account; ``poll_delays`` are those
    after which a provider is asked for DLRs that no webhook brought, the last one repeated.
    ``reply_poll`` and ``balance_poll`` are the seconds between two questions for MO messages and
    for the balance; 0: they are never asked.
    """

    database: str
    public_url: str | None = None
    timezone: str = "America/Sao_Paulo"
    default_region: str = "BR"
    retry_delays: tuple[float, ...] = DEFAULT_RETRY_DELAYS
    poll_delays: tuple[float, ...] = DEFAULT_POLL_DELAYS
    reply_poll: float = DEFAULT_REPLY_POLL
    balance_poll: float = DEFAULT_BALANCE_POLL
    accounts: dict[str, AccountSettings] = {}
    routes: list[RouteSettings] = []

    def __repr__(self) -> str:
        # The database's address may hold a password.
        return f"EngineSettings(accounts={self.accounts!r}, routes={self.routes!r})"
