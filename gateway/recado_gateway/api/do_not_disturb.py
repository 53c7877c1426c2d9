"""Do-not-disturb lists: what there is, each replaced whole by a file, deleted."""

from litestar.params import FromPath
from recado_core.engine.suppressions.imports import DoNotDisturbList, ImportReport

from recado_gateway.endpoints import (
    FILE_LIMIT,
    Endpoint,
    Listing,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.requests import Request
from recado_gateway.responses import Response
from recado_gateway.uploads import CSV_TYPES, received_csv

TAG = "Do-not-disturb lists"

FILE_EXAMPLE = "address\r\n+5511900000001\r\n+5511900000002\r\n"


@endpoint(
    "GET",
    "/v1/do-not-disturb",
    Endpoint(tag=TAG, scope="messages:read", answer=Listing[DoNotDisturbList]),
)
async def list_do_not_disturb(request: Request) -> Response:
    """List the do-not-disturb lists."""
    return answer_with(Listing(items=await engine_of(request).imports.do_not_disturb_lists()))


@endpoint(
    "PUT",
    "/v1/do-not-disturb/{name:str}",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=bytes,
        body_types=CSV_TYPES,
        example=FILE_EXAMPLE,
        answer=ImportReport,
        problems=("storage-full",),
    ),
    body_limit=FILE_LIMIT,
)
async def replace_do_not_disturb(request: Request, name: FromPath[str]) -> Response:
    """Make a do-not-disturb list of a CSV file, or replace the list of this name by it.

    Until all of the file is read and right, the old list counts; then the new one does.
    """
    async with received_csv(request) as file:
        return answer_with(await engine_of(request).imports.do_not_disturb(name, file))


@endpoint("DELETE", "/v1/do-not-disturb/{name:str}", Endpoint(tag=TAG, scope="manage", status=204))
async def delete_do_not_disturb(request: Request, name: FromPath[str]) -> Response:
    """Delete a do-not-disturb list: it protects nobody any more."""
    await engine_of(request).imports.delete_do_not_disturb(name)
    return Response(status=204)


HANDLERS = [list_do_not_disturb, replace_do_not_disturb, delete_do_not_disturb]
