"""The control calls under ``/_simulator``: look inside the vendor, and make things happen."""

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from recado_kolmeya.simulator import campaigns
from recado_kolmeya.simulator.answers import Answer, RefusedError, json_answer, message
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.delivery import receive_replies, reject, set_status
from recado_kolmeya.simulator.phones import national
from recado_kolmeya.simulator.state import STATUS_TEXTS, Campaign, CampaignMessage, Request
from recado_kolmeya.simulator.webhooks import Parcel
from recado_kolmeya.simulator.world import World

PREFIX = "/_simulator/"
SHOWN = 100  # rows of a listing unless told otherwise
Wanted = TypeVar("Wanted")


class MessageKey(Struct, kw_only=True, forbid_unknown_fields=True):
    """Names one message; a phone means the latest message to it."""

    id: str | None = None
    reference: str | None = None
    phone: int | str | None = None
    job: int | None = None  # a campaign; then the phone is one of its


class ReplyOrder(MessageKey, kw_only=True, forbid_unknown_fields=True):
    """Makes a phone answer."""

    text: str


class StatusOrder(MessageKey, kw_only=True, forbid_unknown_fields=True):
    """Puts a message into a status."""

    code: Literal[1, 2, 3, 4, 5, 6, 99]


class ClickOrder(MessageKey, kw_only=True, forbid_unknown_fields=True):
    """Opens the short link of a campaign's message."""

    is_robot: bool = False


class RejectOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """Rejects a request, by id or reference, or a campaign."""

    id: str | None = None
    reference: str | None = None
    job: int | None = None
    by_homologation: bool = True


class ClockOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """Moves the clock."""

    advance_seconds: Annotated[float, Meta(ge=0)] = 0.0
    wait: bool = True  # for the webhooks that this causes


class ResendOrder(Struct, kw_only=True, forbid_unknown_fields=True):
    """Sends again what was sent before."""

    limit: Annotated[int, Meta(ge=1)] | None = None  # only the latest
    order: Literal["same", "reversed", "shuffled"] = "same"
    times: Annotated[int, Meta(ge=1, le=100)] = 1
    wait: bool = True


def _read(call: Call, kind: type[Wanted]) -> Wanted:
    try:
        return msgspec.json.decode(call.body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise RefusedError(message(str(error), 400)) from error


def _missing() -> RefusedError:
    return RefusedError(message("No such message, request or campaign.", 404))


def _find_message(world: World, key: MessageKey) -> tuple[Request, int]:
    state, found = world.state, None
    if key.id is not None:
        found = state.message_by_id(key.id)
    elif key.reference is not None:
        found = state.message_by_reference(key.reference)
    elif key.phone is not None:
        found = state.message_by_phone(national(key.phone))
    if found is None:
        raise _missing()
    return found


def _find_in_campaign(world: World, key: MessageKey) -> tuple[Campaign, CampaignMessage]:
    campaign = world.state.campaigns.get(key.job or 0)
    phone = national(key.phone or 0)
    for each in campaign.messages if campaign else ():
        if campaign and (phone == each.phone or key.id == each.id):
            return campaign, each
    raise _missing()


def _find_request(world: World, order: RejectOrder) -> Request:
    found = None
    if order.id is not None:
        found = world.state.request_by_id(order.id)
    elif order.reference is not None:
        found = world.state.request_by_reference(order.reference)
    if found is None:
        raise _missing()
    return found


def _limit(call: Call) -> int:
    text = dict(parse_qsl(call.query.decode("latin-1"))).get("limit", "")
    return int(text) if text.isdigit() else SHOWN


async def _show_state(world: World, _call: Call) -> Answer:
    """Show the counters, first of all whether any message was sent twice."""
    state, sent = world.state, world.webhooks.counts
    repeated = sorted(state.repeated.items(), key=lambda each: -each[1])
    names = ("sent", "failed", "retried", "dropped")
    return json_answer(
        {
            "now": world.clock.local().isoformat(),
            "due": len(world.schedule),
            "calls": dict(state.calls),
            "answers": {str(status): count for status, count in sorted(state.answers.items())},
            "store_calls": state.calls["/v1/sms/store"] + state.calls["/v1/sms/store-token"],
            "requests_accepted": state.serial,
            "messages_accepted": state.accepted,
            "messages_by_status": {str(code): count for code, count in state.counts().items()},
            "references_seen": len(state.references),
            "references_missing": state.without_reference,
            "sent_twice": len(state.repeated),
            "repeated_references": dict(repeated[:SHOWN]),
            "request_references_repeated": len(state.repeated_requests),
            "replies": len(state.replies),
            "blacklist": len(state.blacklist.phones) + len(state.blacklist.documents),
            "balance": str(state.balance),
            "faults": dict(state.faults),
            "webhooks": {**{name: sent[name] for name in names}, "waiting": world.webhooks.waiting},
        }
    )


async def _show_messages(world: World, call: Call) -> Answer:
    newest = islice(world.state.newest_messages(), _limit(call))
    return json_answer({"messages": [_message_row(world, *each) for each in newest]})


def _message_row(world: World, request: Request, index: int) -> dict[str, object]:
    item, code = request.items[index], request.codes[index]
    return {
        "id": world.state.ids.message(request.serial, index),
        "reference": item.reference,
        "phone": item.phone,
        "message": item.message,
        "status_code": code,
        "status": STATUS_TEXTS[code],
        "request_id": request.id,
        "request_reference": request.reference,
        "created_at": world.clock.local(request.created).isoformat(),
    }


async def _show_webhooks(world: World, call: Call) -> Answer:
    """Show the webhooks sent last; their addresses, which are secret, stay out."""
    newest = islice(reversed(world.webhooks.sent), _limit(call))
    return json_answer({"webhooks": [_parcel_row(parcel) for parcel in newest]})


def _parcel_row(parcel: Parcel) -> dict[str, object]:
    return {
        "body": msgspec.Raw(parcel.body),
        "status": parcel.status,
        "error": parcel.error,
        "tries": parcel.tries,
    }


async def _show_blacklist(world: World, _call: Call) -> Answer:
    blacklist = world.state.blacklist
    everybody = [{"phone": str(phone)} for phone in sorted(blacklist.phones)]
    one = [{"phone": str(phone), "document": cpf} for phone, cpf in sorted(blacklist.documents)]
    return json_answer({"phones": everybody + one})


async def _show_switches(world: World, _call: Call) -> Answer:
    return json_answer(world.switches)


async def _change_switches(world: World, call: Call) -> Answer:
    try:
        world.change(_read(call, dict[str, object]))
    except msgspec.ValidationError as error:
        raise RefusedError(message(str(error), 400)) from error
    return json_answer(world.switches)


async def _reply(world: World, call: Call) -> Answer:
    order = _read(call, ReplyOrder)
    if order.job is not None:
        campaign, each = _find_in_campaign(world, order)
        return json_answer(campaigns.receive_reply(world, campaign, each, order.text), 201)
    request, index = _find_message(world, order)
    return json_answer(receive_replies(world, request, {index: order.text})[0], 201)


async def _set_status(world: World, call: Call) -> Answer:
    order = _read(call, StatusOrder)
    request, index = _find_message(world, order)
    set_status(world, request, index, order.code)
    return json_answer(_message_row(world, request, index))


async def _reject(world: World, call: Call) -> Answer:
    order = _read(call, RejectOrder)
    if order.job is not None:
        campaign = world.state.campaigns.get(order.job)
        if campaign is None:
            raise _missing()
        campaigns.reject(world, campaign, by_homologation=order.by_homologation)
        return json_answer({"job": campaign.id})
    request = _find_request(world, order)
    reject(world, request)
    return json_answer({"id": request.id, "reference": request.reference})


async def _move_clock(world: World, call: Call) -> Answer:
    order = _read(call, ClockOrder)
    world.schedule.advance(order.advance_seconds)
    if order.wait:
        await world.webhooks.drain()
    return json_answer({"now": world.clock.local().isoformat(), "due": len(world.schedule)})


async def _resend(world: World, call: Call) -> Answer:
    order = _read(call, ResendOrder)
    sent = list(world.webhooks.sent)
    parcels = sent[-order.limit :] if order.limit else sent
    parcels *= order.times
    if order.order == "reversed":
        parcels.reverse()
    elif order.order == "shuffled":
        world.random.shuffle(parcels)
    for parcel in parcels:
        world.webhooks.send(Parcel(url=parcel.url, body=parcel.body))
    if order.wait:
        await world.webhooks.drain()
    return json_answer({"resent": len(parcels)})


async def _start_campaign(world: World, call: Call) -> Answer:
    campaign = campaigns.start(world, _read(call, campaigns.NewCampaign))
    return json_answer(campaign, 201)


async def _click(world: World, call: Call) -> Answer:
    order = _read(call, ClickOrder)
    campaign, each = _find_in_campaign(world, order)
    clicked = campaigns.click(world, campaign, each, is_robot=order.is_robot)
    return json_answer(clicked, 201)


async def _reset(world: World, _call: Call) -> Answer:
    world.reset()
    return Answer(204)


CONTROLS: dict[tuple[str, str], Callable[[World, Call], Awaitable[Answer]]] = {
    ("GET", "state"): _show_state,
    ("GET", "messages"): _show_messages,
    ("GET", "webhooks"): _show_webhooks,
    ("GET", "blacklist"): _show_blacklist,
    ("GET", "switches"): _show_switches,
    ("POST", "switches"): _change_switches,
    ("POST", "replies"): _reply,
    ("POST", "statuses"): _set_status,
    ("POST", "reject"): _reject,
    ("POST", "clock"): _move_clock,
    ("POST", "resend-webhooks"): _resend,
    ("POST", "campaigns"): _start_campaign,
    ("POST", "accesses"): _click,
    ("POST", "reset"): _reset,
}


async def answer_control(world: World, call: Call) -> Answer:
    """Carry out one control call."""
    handler = CONTROLS.get((call.method, call.path.removeprefix(PREFIX)))
    if handler is None:
        return message("No such control; see SIMULATOR.md.", 404)
    try:
        return await handler(world, call)
    except RefusedError as refused:
        return refused.answer
