"""Schedules: what is sent later, once or again and again."""

from typing import Annotated

import msgspec
from litestar.params import FromPath
from recado_core.engine.schedules.requests import (
    NewSchedule,
    ScheduleChange,
    ScheduleKind,
    ScheduleStatus,
)
from recado_core.engine.schedules.schedules import (
    MOST_OCCURRENCES,
    OccurrencePage,
    ScheduleFilter,
    SchedulePage,
    ScheduleView,
)

from recado_gateway.endpoints import Endpoint, answer_once, answer_with, endpoint, engine_of
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageLimit
from recado_gateway.requests import Request, decode_json, read_json, read_query
from recado_gateway.responses import Response

TAG = "Schedules"

_new = msgspec.json.Decoder(NewSchedule)
_change = msgspec.json.Decoder(ScheduleChange)

EXAMPLE = {
    "name": "Monday's reminder",
    "message": {"to": "+5511900000001", "text": "Bom dia! A semana começa."},
    "rrule": "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
    "timezone": "America/Sao_Paulo",
    "misfire": "skip",
}


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which schedules are listed, the newest first."""

    status: ScheduleStatus | None = None
    kind: ScheduleKind | None = None
    limit: PageLimit = 50
    cursor: str | None = None


class OccurrenceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many of the next occurrences are told."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_OCCURRENCES)] = 10


@endpoint(
    "GET",
    "/v1/schedules",
    Endpoint(tag=TAG, scope="messages:read", query=ScheduleQuery, answer=SchedulePage),
)
async def list_schedules(request: Request) -> Response:
    """List the schedules, the newest first."""
    query = read_query(request, ScheduleQuery)
    wanted = msgspec.convert(query, ScheduleFilter, from_attributes=True)
    found = await engine_of(request).schedules.list(wanted, query.limit, query.cursor)
    return answer_with(found)


@endpoint(
    "POST",
    "/v1/schedules",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=NewSchedule,
        example=EXAMPLE,
        answer=ScheduleView,
        status=201,
        idempotent=True,
    ),
)
async def add_schedule(request: Request) -> Response:
    """Send a message or run a campaign at one time, or by a rule (RFC 5545, 3.3.10).

    The message is tried out at once, so that what is wrong with it is told now.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).schedules.add(decode_json(body, _new), key))


@endpoint(
    "GET",
    "/v1/schedules/{schedule_id:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=ScheduleView),
)
async def get_schedule(request: Request, schedule_id: FromPath[str]) -> Response:
    """Show one schedule."""
    return answer_with(await engine_of(request).schedules.get(schedule_id))


@endpoint(
    "PATCH",
    "/v1/schedules/{schedule_id:str}",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=ScheduleChange,
        example={"rrule": "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0"},
        answer=ScheduleView,
    ),
)
async def change_schedule(request: Request, schedule_id: FromPath[str]) -> Response:
    """Change a schedule; what is not named stays.

    Where its times change, its next occurrence is the first after now.
    """
    change = decode_json(await read_json(request), _change)
    return answer_with(await engine_of(request).schedules.change(schedule_id, change))


@endpoint(
    "DELETE",
    "/v1/schedules/{schedule_id:str}",
    Endpoint(tag=TAG, scope="manage", status=204),
)
async def remove_schedule(request: Request, schedule_id: FromPath[str]) -> Response:
    """Delete a schedule; what it has sent stays."""
    await engine_of(request).schedules.delete(schedule_id)
    return Response(status=204)


@endpoint(
    "POST",
    "/v1/schedules/{schedule_id:str}/pause",
    Endpoint(tag=TAG, scope="manage", answer=ScheduleView, problems=("conflict",)),
)
async def pause_schedule(request: Request, schedule_id: FromPath[str]) -> Response:
    """Let occurrences pass until the schedule is resumed; a finished one is 409."""
    return answer_with(await engine_of(request).schedules.pause(schedule_id))


@endpoint(
    "POST",
    "/v1/schedules/{schedule_id:str}/resume",
    Endpoint(tag=TAG, scope="manage", answer=ScheduleView, problems=("conflict",)),
)
async def resume_schedule(request: Request, schedule_id: FromPath[str]) -> Response:
    """Let a schedule go on, with its next occurrence after now; a finished one is 409."""
    return answer_with(await engine_of(request).schedules.resume(schedule_id))


@endpoint(
    "GET",
    "/v1/schedules/{schedule_id:str}/occurrences",
    Endpoint(tag=TAG, scope="messages:read", query=OccurrenceQuery, answer=OccurrencePage),
)
async def list_occurrences(request: Request, schedule_id: FromPath[str]) -> Response:
    """List the next occurrences, in the schedule's own zone."""
    query = read_query(request, OccurrenceQuery)
    return answer_with(await engine_of(request).schedules.occurrences(schedule_id, query.limit))


HANDLERS = [
    list_schedules,
    add_schedule,
    get_schedule,
    change_schedule,
    remove_schedule,
    pause_schedule,
    resume_schedule,
    list_occurrences,
]
