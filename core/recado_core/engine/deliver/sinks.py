"""The configured sinks: made, told, asked, shown, closed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Literal

import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import decode_setting
from recado_core.engine.certificates import trusted
from recado_core.engine.clients.cursors import make_cursor, read_cursor
from recado_core.engine.deliver.delivering import Delivering
from recado_core.engine.failures import NotFoundError, UnavailableError
from recado_core.engine.messages.conversing import BY_API
from recado_core.engine.messages.telling import Outlet
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import EngineSettings, SinkSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import deliveries as store
from recado_core.errors import ConfigurationError, TransientSendError
from recado_core.http import WebhookReply, WebhookRequest
from recado_core.sinks import EventSubject, Finding, Sink, SinkContext, SinkGateway, SinkType

log = logging.getLogger(__name__)

Row = dict[str, Any]

BROKEN = WebhookReply(status=500, body=b'{"error": "the gateway could not answer this"}')
"""What a business system is told when the sink's plugin breaks."""
BUSY = WebhookReply(status=503, body=b'{"error": "the gateway can not answer this now"}')
"""What it is told when the sink takes too long, or the database is away."""
LONGEST_CALL = 15.0
"""Seconds that a call of its takes at the most: Odoo waits for 20, and then undoes what it did."""
OWN_EVENTS = ("message.", "conversation.")
"""How the types of events begin that sinks are told."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"  # waits for its turn, or for another attempt
    DELIVERED = "delivered"  # the business system has it
    DEAD = "dead"  # given up, until a person replays it


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A sink as the API shows it; ``lag`` is how many seconds the oldest event has waited."""

    name: str
    kind: str
    status: Literal["up", "down"]
    reason: str | None
    pending: int
    dead: int
    lag: float
    delivered_at: datetime | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to a sink; ``error`` is what its last attempt met."""

    id: str
    event_id: str
    type: str
    message_id: str | None
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime | None
    settled_at: datetime | None
    error: str | None


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some deliveries, and the cursor for those that follow."""

    items: list[DeliveryView]
    next_cursor: str | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries are made again."""

    replayed: int


class Configured:
    """One sink of the configuration, with the plugin's object once it is open."""

    sink: Sink
    http: httpx.AsyncClient
    delivering: Delivering

    def __init__(self, name: str, settings: SinkSettings, kind: SinkType) -> None:
        if name == BY_API:
            raise ConfigurationError(f"sinks.{name}: no sink may be called {name!r}")
        self.name = name
        self.settings = settings
        self.kind = kind
        try:
            self.own = msgspec.convert(
                settings.own, kind.settings, dec_hook=decode_setting, strict=False, str_keys=True
            )
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"sinks.{name}: {error}") from error
        for wanted in kind.events:
            if not wanted.startswith(OWN_EVENTS):
                raise ConfigurationError(
                    f"sinks.{name}: {kind.id} wants {wanted}, and sinks are told only of messages "
                    "and conversations"
                )

    @property
    def outlet(self) -> Outlet:
        """Return which events it wants, and in which order."""
        wants = self.kind.wants
        return Outlet(
            sink=self.name,
            types=self.kind.events,
            wants=partial(wants, self.own) if wants else _wants_all,
            lane=self.kind.lane,
        )


class Sinks:
    """The sinks of the configuration."""

    def __init__(
        self,
        settings: EngineSettings,
        plugins: Plugins,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self.by_name: dict[str, Configured] = {}
        for name, each in settings.sinks.items():
            kind = plugins.sink_types.get(each.sink)
            if kind is None:
                raise ConfigurationError(
                    f"sinks.{name}.sink: no plugin in gateway.plugins offers the sink {each.sink}"
                )
            self.by_name[name] = Configured(name, each, kind)

    @property
    def outlets(self) -> list[Outlet]:
        """Return which sink wants which events."""
        return [each.outlet for each in self.by_name.values()]

    @property
    def workers(self) -> list[Delivering]:
        """Return what carries the deliveries of each sink; there is none before ``open``."""
        return [each.delivering for each in self.by_name.values()]

    @property
    def reasons(self) -> dict[str, str | None]:
        """Return why each sink takes nothing now, as this process has met it; None for *up*."""
        return {name: each.delivering.reason for name, each in self.by_name.items()}

    async def orphans(self) -> list[str]:
        """Return the sinks for which deliveries wait and which are not configured."""
        async with self._database.read() as connection:
            holding = await store.sinks_with_pending(connection)
        return [name for name in holding if name not in self.by_name]

    def open(self, gateway: Callable[[str], SinkGateway]) -> None:
        """Make the sinks.

        Args:
            gateway: Makes what the sink of this name may ask of the gateway.
        """
        for name, each in self.by_name.items():
            each.http = httpx.AsyncClient(verify=trusted(), timeout=each.settings.timeout)
            each.sink = each.kind.create(
                SinkContext(
                    name=name,
                    settings=each.own,
                    http=each.http,
                    now=self._now,
                    gateway=gateway(name),
                    url=sink_url(self._settings.public_url, name),
                    region=self._settings.default_region,
                    timezone=self._settings.timezone,
                )
            )
            each.delivering = Delivering(
                name, each.settings, each.sink, self._database, self._now, self._monotonic
            )

    async def close(self) -> None:
        """Let go of the connections."""
        for each in self.by_name.values():
            if hasattr(each, "http"):
                await each.http.aclose()

    def wake(self, name: str) -> None:
        """Say that there is something to deliver; a process without a worker has none to wake."""
        each = self.by_name[name]
        if hasattr(each, "delivering"):
            each.delivering.wake.set()

    async def handle(self, name: str, request: WebhookRequest) -> WebhookReply:
        """Let a sink answer its business system's call, within the sink's timeout.

        What it hands over while the time runs out is stored, and the call answered, or neither.

        Raises:
            NotFoundError: There is no such sink, or it answers no calls.
        """
        each = self.by_name.get(name)
        if each is None or not each.kind.requests:
            raise NotFoundError(f"there is no sink {name!r} that answers calls")
        try:
            async with asyncio.timeout(min(each.settings.timeout, LONGEST_CALL)):
                reply: WebhookReply = await each.sink.handle(request)  # type: ignore[attr-defined]  # declared
        except (TimeoutError, UnavailableError, TransientSendError) as error:
            why = str(error) or "it took too long"
            log.warning("sink could not answer a call", extra={"sink": name, "reason": why})
            return BUSY
        except Exception:
            log.exception("sink plugin broke on a call", extra={"sink": name})
            return BROKEN
        return reply

    async def probe(self, name: str) -> list[Finding]:
        """Let a sink look at its business system; an empty list where it can't.

        Raises:
            NotFoundError: There is no such sink.
        """
        each = self._find(name)
        if not each.kind.probe:
            return []
        try:
            async with asyncio.timeout(each.settings.timeout * 2):
                findings: list[Finding] = await each.sink.probe()  # type: ignore[attr-defined]  # declared
        except TimeoutError:
            return [Finding(what="probe", ok=False, detail="no answer within the sink's timeout")]
        except Exception as error:
            log.exception("sink plugin broke", extra={"sink": name})
            text = f"the sink plugin broke: {type(error).__name__}"
            return [Finding(what="probe", ok=False, detail=text)]
        return findings

    async def list(self) -> list[SinkView]:
        """Return every sink."""
        return [await self.get(name) for name in self.by_name]

    async def get(self, name: str) -> SinkView:
        """Return one sink, or raise ``NotFoundError``."""
        each = self._find(name)
        async with self._database.read() as connection:
            state = await store.state_of(connection, name)
        reason = each.delivering.reason
        oldest = state["oldest"]
        return SinkView(
            name=name,
            kind=each.kind.id,
            status="up" if reason is None else "down",
            reason=reason,
            pending=state["pending"],
            dead=state["dead"],
            lag=max(0.0, (self._now() - oldest).total_seconds()) if oldest else 0.0,
            delivered_at=state["delivered_at"],
        )

    async def deliveries(
        self,
        name: str,
        state: DeliveryState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """Return a sink's deliveries, the newest first.

        Raises:
            NotFoundError: There is no such sink.
            DraftError: The cursor is not one of ours.
        """
        self._find(name)
        before = read_cursor(cursor) if cursor else None
        async with self._database.read() as connection:
            rows = await store.page(connection, name, state, before, limit + 1)
        return DeliveryPage(
            items=[_view(row) for row in rows[:limit]],
            next_cursor=make_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None,
        )

    async def replay(self, name: str, ids: Sequence[str] | None = None) -> Replayed:
        """Make deliveries again: these, or all that were given up.

        Raises:
            NotFoundError: There is no such sink.
        """
        self._find(name)
        now = self._now()
        # nothing stored has a zero byte, and PostgreSQL takes none
        known = None if ids is None else [each for each in ids if "\0" not in each]

        async def work(connection: AsyncConnection) -> int:
            return await store.replay(connection, name, known, now)

        count = await self._database.write(work)
        self.wake(name)
        return Replayed(replayed=count)

    def _find(self, name: str) -> Configured:
        each = self.by_name.get(name)
        if each is None:
            raise NotFoundError(f"there is no sink {name!r}")
        return each


def sink_url(public_url: str | None, name: str) -> str | None:
    """Return the public address at which a sink's business system calls the gateway."""
    return f"{public_url}/sinks/{name}" if public_url else None


def _wants_all(_: EventSubject) -> bool:
    return True


def _view(row: Row) -> DeliveryView:
    state = DeliveryState(row["state"])
    return DeliveryView(
        id=row["id"],
        event_id=row["event_id"],
        type=row["type"],
        message_id=row["message_id"],
        state=state,
        attempts=row["attempts"],
        created_at=row["created_at"],
        due_at=row["due_at"] if state is DeliveryState.PENDING else None,
        settled_at=row["settled_at"],
        error=row["error"],
    )
