"""Reports on messages and requests, and the clicks on short links."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from recado_kolmeya.simulator import periods
from recado_kolmeya.simulator.answers import Answer, json_answer
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.catalogues import BROKER, segment_of
from recado_kolmeya.simulator.clock import BRASILIA, stamp
from recado_kolmeya.simulator.paging import paginate, pagination, with_links
from recado_kolmeya.simulator.state import STATUS_TEXTS, Campaign, Click, Refused, Request
from recado_kolmeya.simulator.statuses import status_of
from recado_kolmeya.simulator.world import World

PRODUCT = "SMS"
MOST_STATUSES, STATUS_DAYS = 30_000, timedelta(days=7)
MOST_OF_JOB, DEFAULT_OF_JOB = 5000, 1000
MOST_REQUESTS, DEFAULT_REQUESTS, REQUEST_DAYS = 1000, 100, timedelta(days=31)
MOST_ACCESSES = 5000
DEFAULT_INVALIDS = 40_000

# Why a campaign lost a phone, by the code of its webhook, and why a request did.
INVALID_TEXTS = {
    7: "Inválido",
    8: "Inválido Anatel",
    9: "Duplicado",
    10: "Não perturbe (SP)",
    11: "Blacklist",
    12: "Mensagem inválida",
    13: "Rejeitado pela inteligência Kolmeya",
}
REFUSAL_CODES = {"invalid": 7, "duplicate": 9, "not_disturb": 10, "blacklist": 11}


class Line(Struct, frozen=True, kw_only=True):
    """One message as the reports know it."""

    phone: int
    text: str
    code: int
    sent: float
    lot: int
    job: int
    segment: int | None
    name: str = ""
    cpf: int = 0
    parameters: dict[str, str] = {}


class Loss(Struct, frozen=True, kw_only=True):
    """One phone that was not sent to."""

    phone: int
    code: int
    job: int
    created: float
    segment: int | None


def statuses(world: World, call: Call) -> Answer:
    """List what was sent in a span of time; what is above the limit is left out unmentioned."""
    fields = call.fields()
    start, end = periods.minutes(fields, world.clock.local(), STATUS_DAYS)
    fields.required("limit")
    limit = fields.integer("limit", least=1, most=MOST_STATUSES) or 1
    fields.check()
    lines = (line for line in _lines(world, start, end) if start <= line.sent <= end)
    return json_answer({"messages": [_row(world, line) for line in islice(lines, limit)]})


def statuses_of_job(world: World, call: Call) -> Answer:
    """List what one job sent; the live service was seen to leave the pagination out."""
    fields = call.fields()
    size = fields.integer("per_page", least=1, most=MOST_OF_JOB) or DEFAULT_OF_JOB
    page = fields.integer("page", least=1) or 1
    fields.check()
    lines = [line for line in _lines(world, 0, world.clock.now()) if str(line.job) == call.argument]
    first = (page - 1) * size
    shown = lines[first : first + size]
    body: dict[str, object] = {"messages": [_row(world, line) for line in shown]}
    if world.switches.report_form == "documented":
        rows = (
            {"from": first + 1, "to": first + len(shown)} if shown else {"from": None, "to": None}
        )
        body["pagination"] = {**pagination(len(lines), page, size), **rows}
    return json_answer(body)


def requests(world: World, call: Call) -> Answer:
    """List the store calls of a span of days, the newest first."""
    fields = call.fields()
    start, end = periods.days(fields, world.clock.local(), REQUEST_DAYS, needs_end=True)
    size = fields.integer("per_page", least=1, most=MOST_REQUESTS) or DEFAULT_REQUESTS
    page = fields.integer("page", least=1) or 1
    fields.check()
    found = [
        each for each in reversed(world.state.requests.values()) if start <= each.created < end
    ]
    rows = [_request_row(each) for each in found[(page - 1) * size : page * size]]
    return json_answer({"requests": rows, "pagination": pagination(len(found), page, size)})


def invalid_records(world: World, call: Call) -> Answer:
    """List the phones that requests or campaigns of one day lost."""
    fields = call.fields()
    fields.required("origin")
    origin = fields.text("origin")
    if origin not in {"api", "web", None}:
        fields.fail("origin", "The selected {name} is invalid.")
    start, end = periods.one_day(fields, "date")
    job = fields.integer("job_id")
    segments = fields.get("segments")
    if not isinstance(segments, list | None):
        fields.fail("segments", "The {name} field must be an array.")
    size = fields.integer("per_page", least=1) or DEFAULT_INVALIDS
    page = fields.integer("page", least=1) or 1
    fields.check()
    wanted = segments if isinstance(segments, list) else []
    losses = _request_losses(world) if origin == "api" else _campaign_losses(world)
    found = [
        loss
        for loss in losses
        if start <= loss.created < end
        and (job is None or loss.job == job)
        and (not wanted or segment_of(world.switches, loss.segment)[0] in wanted)
    ]
    pages = paginate(call, found, page, size, lambda loss: _loss_row(world, loss))
    last = max(1, -(-len(found) // size))
    return json_answer(with_links(call, pages, last, page))


def accesses(world: World, call: Call) -> Answer:
    """List the clicks on short links."""
    fields = call.fields()
    start, end = periods.days(fields, world.clock.local(), None, needs_end=False)
    fields.required("limit")
    limit = fields.integer("limit", least=1, most=MOST_ACCESSES) or 1
    robot = fields.integer("is_robot")
    segment = fields.integer("tenant_segment_id")
    fields.check()
    found = [
        click
        for click in world.state.clicks
        if start <= click.accessed < end
        and (robot is None or click.is_robot is bool(robot))
        and segment in {None, click.segment}
    ]
    rows = [_click_row(click) for click in found[:limit]]
    return json_answer({"accesses": rows, "totalAccesses": len(found)})


def _lines(world: World, start: float, end: float) -> Iterator[Line]:
    for request in world.state.requests.values():
        if start <= request.created <= end:
            yield from _request_lines(request)
    for campaign in world.state.campaigns.values():
        if start <= campaign.created <= end:
            yield from _campaign_lines(campaign)


def _request_lines(request: Request) -> Iterator[Line]:
    for item, code in zip(request.items, request.codes, strict=True):
        if code:
            yield Line(
                phone=item.number,
                text=item.message,
                code=code,
                sent=request.created,
                lot=request.serial,
                job=request.job,
                segment=request.segment,
            )


def _campaign_lines(campaign: Campaign) -> Iterator[Line]:
    for each in campaign.messages:
        yield Line(
            phone=each.phone,
            text=each.text,
            code=each.code,
            sent=campaign.created,
            lot=1,
            job=campaign.id,
            segment=campaign.segment,
            name=each.name,
            cpf=each.cpf,
            parameters=each.custom_data,
        )


def _row(world: World, line: Line) -> dict[str, object]:
    observed = world.switches.report_form == "observed"
    return {
        "telefone": line.phone if observed else str(line.phone),
        "nome": line.name,
        "cpf": line.cpf if observed else str(line.cpf),
        "mensagem": line.text,
        "status": STATUS_TEXTS[line.code],
        "enviada_em": stamp(line.sent)[:16],
        "parametros": line.parameters if observed else list(line.parameters.values()),
        "lote": line.lot,
        "job": line.job,
        "centro_custo": segment_of(world.switches, line.segment)[1],
        "api": BROKER,
        "broker": BROKER,
        "produto": PRODUCT,
    }


def _request_row(request: Request) -> dict[str, object]:
    return {
        "id": request.id,
        "reference": request.reference,
        "status": status_of(request)[1],
        "quantity": len(request.items),
        "valids": request.taken,
        "invalids": len(request.items) - request.taken,
        "created_at": stamp(request.created),
    }


def _request_losses(world: World) -> Iterator[Loss]:
    for request in world.state.requests.values():
        for refused in request.refused:
            yield _request_loss(request, refused)


def _request_loss(request: Request, refused: Refused) -> Loss:
    return Loss(
        phone=refused.phone,
        code=REFUSAL_CODES[refused.kind],
        job=request.job,
        created=request.created,
        segment=request.segment,
    )


def _campaign_losses(world: World) -> Iterator[Loss]:
    for campaign in world.state.campaigns.values():
        for each in campaign.invalids:
            yield Loss(
                phone=each.phone,
                code=each.code,
                job=campaign.id,
                created=each.created,
                segment=campaign.segment,
            )


def _loss_row(world: World, loss: Loss) -> dict[str, object]:
    return {
        "telefone": str(loss.phone),
        "tipo": INVALID_TEXTS[loss.code],
        "job": loss.job,
        "criado_em": stamp(loss.created),
        "centro_custo": segment_of(world.switches, loss.segment)[1],
        "api": BROKER,
        "broker": BROKER,
        "produto": PRODUCT,
    }


def _click_row(click: Click) -> dict[str, object]:
    return {
        "job_id": click.job,
        "job_created_at": stamp(click.job_created),
        "tenant_segment_id": click.segment,
        "fullphone": click.phone,
        "cpf": 0,
        "name": click.name,
        "message": click.message,
        "is_robot": str(int(click.is_robot)),
        "accessed_at": _iso_like(click.accessed),
    }


def _iso_like(moment: float) -> str:
    """Write a moment as only this report does."""
    return datetime.fromtimestamp(moment, BRASILIA).strftime("%Y-%m-%d %H:%M:%S")
