"""Campaigns: made, given an audience, tried, started, stopped, and what came of them."""

import msgspec
from litestar.params import FromPath
from litestar.response.streaming import ASGIStreamingResponse
from recado_core.engine.campaigns.audiences import AudienceReport
from recado_core.engine.campaigns.campaigns import Campaigns
from recado_core.engine.campaigns.views import (
    CampaignFilter,
    CampaignPage,
    CampaignRequest,
    CampaignStatus,
    CampaignTest,
    CampaignView,
    RecipientPage,
    Rehearsal,
)
from recado_core.engine.failures import Fault

from recado_gateway.endpoints import (
    FILE_LIMIT,
    Endpoint,
    answer_once,
    answer_with,
    endpoint,
    engine_of,
)
from recado_gateway.failures import InvalidRequestError
from recado_gateway.idempotency import idempotency_key
from recado_gateway.pages import PageLimit
from recado_gateway.requests import Request, decode_json, media_type, read_json, read_query
from recado_gateway.responses import Response
from recado_gateway.results import RECIPIENT_STATUSES, results_of
from recado_gateway.uploads import CSV_TYPES, NDJSON_TYPES, received_file

TAG = "Campaigns"

_new = msgspec.json.Decoder(CampaignRequest)

EXAMPLE = {
    "name": "Spring sale",
    "text": "Olá, {{ nome }}! Hoje tudo custa metade.",
    "throttle": "100/1s",
    "cost_centre": "marketing",
}
FILE_EXAMPLE = "telefone;nome\r\n+5511900000001;Ana\r\n+5511900000002;João\r\n"
FILE_TYPES = (CSV_TYPES[0], NDJSON_TYPES[0], *CSV_TYPES[1:], *NDJSON_TYPES[1:])
"""What a file of recipients may claim to be, the usual ones first."""
CSV_HEADERS = {"Content-Type": "text/csv; charset=utf-8", "X-Content-Type-Options": "nosniff"}

CONTROL = Endpoint(tag=TAG, scope="manage", answer=CampaignView, problems=("conflict",))


class CampaignQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which campaigns are listed, the newest first."""

    status: CampaignStatus | None = None
    name: str | None = None
    schedule_id: str | None = None
    limit: PageLimit = 50
    cursor: str | None = None


class RecipientQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recipients are listed, in the order of the audience."""

    status: str | None = None
    limit: PageLimit = 50
    cursor: str | None = None


# ---------------------------------------------------------------- campaigns


@endpoint(
    "POST",
    "/v1/campaigns",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=CampaignRequest,
        example=EXAMPLE,
        answer=CampaignView,
        status=201,
        idempotent=True,
    ),
)
async def create_campaign(request: Request) -> Response:
    """Make a campaign.

    Nothing goes before it has an audience and is started.
    """
    body = await read_json(request)
    key = idempotency_key(request, body)
    return answer_once(await _campaigns(request).create(decode_json(body, _new), key))


@endpoint(
    "GET",
    "/v1/campaigns",
    Endpoint(tag=TAG, scope="messages:read", query=CampaignQuery, answer=CampaignPage),
)
async def list_campaigns(request: Request) -> Response:
    """List campaigns, the newest first."""
    query = read_query(request, CampaignQuery)
    wanted = msgspec.convert(query, CampaignFilter, from_attributes=True)
    return answer_with(await _campaigns(request).list(wanted, query.limit, query.cursor))


@endpoint(
    "GET",
    "/v1/campaigns/{campaign_id:str}",
    Endpoint(tag=TAG, scope="messages:read", answer=CampaignView),
)
async def get_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Show one campaign: how far it is, and what its messages have come to."""
    return answer_with(await _campaigns(request).get(campaign_id))


# ---------------------------------------------------------------- the audience


@endpoint(
    "POST",
    "/v1/campaigns/{campaign_id:str}/recipients",
    Endpoint(
        tag=TAG,
        scope="manage",
        body=bytes,
        body_types=FILE_TYPES,
        example=FILE_EXAMPLE,
        answer=AudienceReport,
        problems=("conflict", "storage-full"),
    ),
    body_limit=FILE_LIMIT,
)
async def import_recipients(request: Request, campaign_id: FromPath[str]) -> Response:
    """Add the rows of a file to the audience: CSV, or a JSON object on every line.

    Every usable row is taken, and every other one told with its line. The same file again goes on
    where it was broken off, and adds nobody twice.
    """
    engine = engine_of(request)
    await engine.campaigns.get(campaign_id)  # before the file is taken
    async with received_file(request, FILE_TYPES, "text/csv or application/x-ndjson") as file:
        form = form_of(media_type(request))
        return answer_with(await engine.audiences.take(campaign_id, file, form))


def form_of(claimed: str | None) -> str | None:
    """Return what a file is by what it claims to be; None: that is to be found out."""
    if claimed in {"text/csv", "application/csv"}:
        return "csv"
    return "ndjson" if claimed in NDJSON_TYPES else None


@endpoint(
    "GET",
    "/v1/campaigns/{campaign_id:str}/recipients",
    Endpoint(tag=TAG, scope="messages:read", query=RecipientQuery, answer=RecipientPage),
)
async def list_recipients(request: Request, campaign_id: FromPath[str]) -> Response:
    """List the rows of the audience, and what became of each.

    The status is that of the message; `pending`, `duplicate` and `invalid` have none.
    """
    query = read_query(request, RecipientQuery)
    if query.status is not None and query.status not in RECIPIENT_STATUSES:
        known = ", ".join(RECIPIENT_STATUSES)
        raise InvalidRequestError([Fault(pointer="/status", detail=f"unknown; there is {known}")])
    found = await _campaigns(request).recipients(
        campaign_id, query.limit, query.cursor, query.status
    )
    return answer_with(found)


@endpoint(
    "GET",
    "/v1/campaigns/{campaign_id:str}/results.csv",
    Endpoint(tag=TAG, scope="messages:read", answer=str, media_types=("text/csv",)),
)
async def export_results(request: Request, campaign_id: FromPath[str]) -> ASGIStreamingResponse:
    """Give every row of the audience, and what became of it, as a CSV file.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    campaigns = _campaigns(request)
    found = await campaigns.get(campaign_id)  # what is not there is said before the file begins
    name = f'attachment; filename="campaign-{found.id}.csv"'
    return ASGIStreamingResponse(
        iterator=results_of(campaigns, found.id),
        status_code=200,
        headers=CSV_HEADERS | {"Content-Disposition": name},
    )


# ---------------------------------------------------------------- trying and sending


@endpoint(
    "POST",
    "/v1/campaigns/{campaign_id:str}/dry-run",
    Endpoint(tag=TAG, scope="messages:send", answer=Rehearsal, problems=("conflict",)),
)
async def rehearse_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Tell what the campaign would come to if it were started now.

    How many messages and segments, what they cost, who would get none and why. Nothing is sent and
    nothing counted.
    """
    return answer_with(await _campaigns(request).dry_run(campaign_id))


@endpoint(
    "POST",
    "/v1/campaigns/{campaign_id:str}/test",
    Endpoint(tag=TAG, scope="manage", answer=CampaignTest, problems=("conflict",)),
)
async def test_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Send to the first five of the audience, who are not sent to again."""
    return answer_with(await _campaigns(request).test(campaign_id))


@endpoint("POST", "/v1/campaigns/{campaign_id:str}/start", CONTROL)
async def start_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Start it; one with a `scheduled_at` that is to come starts then."""
    return answer_with(await _campaigns(request).start(campaign_id))


@endpoint("POST", "/v1/campaigns/{campaign_id:str}/pause", CONTROL)
async def pause_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Keep back all that has not gone; that takes effect within a second."""
    return answer_with(await _campaigns(request).pause(campaign_id))


@endpoint("POST", "/v1/campaigns/{campaign_id:str}/resume", CONTROL)
async def resume_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """Go on where it was paused."""
    return answer_with(await _campaigns(request).resume(campaign_id))


@endpoint("POST", "/v1/campaigns/{campaign_id:str}/cancel", CONTROL)
async def cancel_campaign(request: Request, campaign_id: FromPath[str]) -> Response:
    """End it for good: nobody gets a message who has none yet."""
    return answer_with(await _campaigns(request).cancel(campaign_id))


def _campaigns(request: Request) -> Campaigns:
    return engine_of(request).campaigns


HANDLERS = [
    create_campaign,
    list_campaigns,
    get_campaign,
    import_recipients,
    list_recipients,
    export_results,
    rehearse_campaign,
    test_campaign,
    start_campaign,
    pause_campaign,
    resume_campaign,
    cancel_campaign,
]
