"""The suppression list: who is on it, who is put on it and taken off, and who may be sent to."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar.params import FromPath
from recado_core.engine.suppressions.import_rows import ImportDefaults
from recado_core.engine.suppressions.imports import ImportReport
from recado_core.engine.suppressions.suppressions import (
    Checked,
    CheckRequest,
    NewSuppression,
    SuppressionFilter,
    SuppressionPage,
    SuppressionView,
)
from recado_core.messages import Category, SuppressionReason

from recado_gateway.endpoints import (
    FILE_LIMIT,
    MEGABYTE,
    Endpoint,
    answer_once,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.filters import stored_address
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageLimit
from recado_gateway.requests import Request, decode_json, read_json, read_query
from recado_gateway.responses import Response
from recado_gateway.uploads import CSV_TYPES, received_csv

TAG = "Suppressions"

_new = msgspec.json.Decoder(NewSuppression)
_check = msgspec.json.Decoder(CheckRequest)

EXAMPLE = {"address": "+5511900000001", "reason": "opt_out", "source": "shop"}
CHECK_EXAMPLE = {
    "channel": "sms",
    "category": "marketing",
    "recipients": [{"address": "+5511900000001"}, {"address": "+5511900000002"}],
}
FILE_EXAMPLE = "address,reason\r\n+5511900000001,opt_out\r\n+5511900000002,complaint\r\n"


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries are listed, the newest first."""

    address: str | None = None
    document: str | None = None
    channel: str | None = None
    category: Category | None = None
    reason: SuppressionReason | None = None
    source: str | None = None
    limit: PageLimit = 50
    cursor: str | None = None


class ImportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rows of a file are where they do not say so themselves."""

    channel: str | None = None
    category: Category | None = None
    reason: SuppressionReason = SuppressionReason.MANUAL
    source: str | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


@endpoint(
    "GET",
    "/v1/suppressions",
    Endpoint(tag=TAG, scope="messages:read", query=SuppressionQuery, answer=SuppressionPage),
)
async def list_suppressions(request: Request) -> Response:
    """List the entries of the suppression list that are not over, the newest first."""
    query = read_query(request, SuppressionQuery)
    wanted = msgspec.convert(query, SuppressionFilter, from_attributes=True)
    if query.address is not None:
        address = stored_address(request, query.address, query.channel)
        wanted = msgspec.structs.replace(wanted, address=address)
    found = await engine_of(request).suppressions.list(wanted, query.limit, query.cursor)
    return answer_with(found)


@endpoint(
    "POST",
    "/v1/suppressions",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=NewSuppression,
        example=EXAMPLE,
        answer=SuppressionView,
        status=201,
        statuses=(200,),
        idempotent=True,
    ),
)
async def add_suppression(request: Request) -> Response:
    """Put an address, a person, or a person at an address on the suppression list.

    201 for a new entry; 200 for one that is on the list already, which then lasts as long as the
    longer of both.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await engine_of(request).suppressions.add(decode_json(body, _new), key))


@endpoint(
    "DELETE",
    "/v1/suppressions/{suppression_id:str}",
    Endpoint(tag=TAG, scope="manage", status=204),
)
async def remove_suppression(request: Request, suppression_id: FromPath[str]) -> Response:
    """Take an entry off the suppression list."""
    await engine_of(request).suppressions.remove(suppression_id)
    return Response(status=204)


@endpoint(
    "POST",
    "/v1/suppressions/import",
    Endpoint(
        tag=TAG,
        scope="manage",
        query=ImportQuery,
        body=bytes,
        body_types=CSV_TYPES,
        example=FILE_EXAMPLE,
        answer=ImportReport,
        problems=("storage-full",),
    ),
    body_limit=FILE_LIMIT,
)
async def import_suppressions(request: Request) -> Response:
    """Put the rows of a CSV file on the suppression list.

    All of them, or none where something is wrong in the file. A file that comes again changes
    nothing.
    """
    query = read_query(request, ImportQuery, plus=("expires_at",))
    defaults = msgspec.convert(query, ImportDefaults, from_attributes=True)
    async with received_csv(request) as file:
        return answer_with(await engine_of(request).imports.suppressions(file, defaults))


@endpoint(
    "POST",
    "/v1/suppressions/check",
    Endpoint(
        tag=TAG, scope="messages:send", body=CheckRequest, example=CHECK_EXAMPLE, answer=Checked
    ),
    body_limit=16 * MEGABYTE,
)
async def check_recipients(request: Request) -> Response:
    """Ask every check whether messages may go to these recipients now.

    Nothing is sent and nothing counted.
    """
    body = await read_json(request)
    return answer_with(await engine_of(request).suppressions.check(decode_json(body, _check)))


HANDLERS = [
    list_suppressions,
    add_suppression,
    remove_suppression,
    import_suppressions,
    check_recipients,
]
