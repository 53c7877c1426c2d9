"""The history of consent: who opted out and in, when and how."""

import msgspec
from recado_core.engine.suppressions.suppressions import ConsentPage

from recado_gateway.endpoints import Endpoint, answer_with, endpoint, engine_of
from recado_gateway.filters import stored_address
from recado_gateway.pages import PageLimit
from recado_gateway.requests import Request, read_query
from recado_gateway.responses import Response

TAG = "Consents"


class ConsentQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose opt-outs and opt-ins are listed, the newest first."""

    address: str | None = None
    limit: PageLimit = 50
    cursor: str | None = None


@endpoint(
    "GET",
    "/v1/consents",
    Endpoint(tag=TAG, scope="messages:read", query=ConsentQuery, answer=ConsentPage),
)
async def list_consents(request: Request) -> Response:
    """List opt-outs and opt-ins, the newest first."""
    query = read_query(request, ConsentQuery)
    address = None if query.address is None else stored_address(request, query.address)
    found = await engine_of(request).suppressions.history(address, query.limit, query.cursor)
    return answer_with(found)


HANDLERS = [list_consents]
