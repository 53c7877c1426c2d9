"""Clicks on the short links of messages: ``sms/accesses``."""

from datetime import date
from typing import Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType, field
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import ask, list_in
from recado_kolmeya.operations.kinds import Count, Document, Flag, Moment, Phone, Text, read_count
from recado_kolmeya.operations.rows import Rows
from recado_kolmeya.operations.spans import VendorNumber, calendar_span, check_days
from recado_kolmeya.operations.windows import DayWindow, gather_windows
from recado_kolmeya.provider import KolmeyaProvider

MOST_ACCESSES = 5000


class AccessesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days, both with all their hours; until today, and all clicks, if nothing else is said.

    ``tenant_segment_id`` is a cost centre: the account's own if nothing is said, all if null.
    """

    start_at: date
    end_at: date | None = None
    limit: VendorNumber | None = None
    is_robot: bool | Literal[0, 1] | None = None
    tenant_segment_id: VendorNumber | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        """Refuse what is no span."""
        check_days("start_at", self.start_at, "end_at", self.end_at)


class Access(Struct, frozen=True, kw_only=True):
    """A click."""

    job_id: Count
    job_created_at: Moment
    tenant_segment_id: Count
    fullphone: Phone
    cpf: Document
    name: Text
    message: Text
    is_robot: Flag
    accessed_at: Moment


class Accesses(Struct, frozen=True, kw_only=True):
    """The clicks of a span; ``truncated`` if there are, or may be, more."""

    accesses: list[Access]
    total_accesses: int | None = field(name="totalAccesses")
    truncated: bool
    unreadable: int = 0


async def read_accesses(
    provider: KolmeyaProvider, request: AccessesQuery, progress: Progress
) -> Accesses:
    """Ask for all days at once, and for fewer where the answer is full."""
    span = calendar_span(provider, ("start_at", "end_at"), request.start_at, request.end_at)
    totals: list[int | None] = []

    async def ask_window(window: DayWindow, limit: int) -> list[object]:
        answer = await ask(provider, "sms/accesses", _read, _body(provider, request, window, limit))
        totals.append(answer.total)
        return answer.rows

    found = Rows(Access, provider.zone, request.limit)
    await gather_windows(ask_window, [DayWindow(*span)], MOST_ACCESSES, found, progress)
    total = totals[0]  # of the first window, which is the whole span
    return Accesses(
        accesses=found.rows,
        total_accesses=total,
        truncated=found.truncated or len(found.rows) + found.unreadable < (total or 0),
        unreadable=found.unreadable,
    )


class _Answer(NamedTuple):
    rows: list[object]
    total: int | None


class _AccessesCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    start_at: date
    end_at: date
    limit: int
    is_robot: int | None = None
    tenant_segment_id: int | None = None


def _body(
    provider: KolmeyaProvider, request: AccessesQuery, window: DayWindow, limit: int
) -> _AccessesCall:
    segment = request.tenant_segment_id
    return _AccessesCall(
        start_at=window.start,
        end_at=window.end,
        limit=limit,
        is_robot=None if request.is_robot is None else int(request.is_robot),
        tenant_segment_id=provider.settings.segment if segment is UNSET else segment,
    )


def _read(value: object) -> _Answer:
    total = value.get("totalAccesses") if isinstance(value, dict) else None
    return _Answer(list_in(value, "accesses"), read_count(total))


OPERATIONS = (
    Operation(
        name="accesses",
        summary="The clicks on short links in a span of days",
        request=AccessesQuery,
        reply=Accesses,
        call=read_accesses,
    ),
)
