"""Polling for replies: ``sms/replys`` and ``sms/replys-web``."""

from recado_kolmeya.simulator.answers import Answer, json_answer
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.clock import stamp
from recado_kolmeya.simulator.paging import paginate
from recado_kolmeya.simulator.state import Reply
from recado_kolmeya.simulator.world import World

MOST_HOURS = 168
DEFAULT_HOURS = 24.0


def replies_to_requests(world: World, call: Call) -> Answer:
    """List the replies to what was sent by the API, the newest first."""
    return _list(world, call, campaigns=False)


def replies_to_campaigns(world: World, call: Call) -> Answer:
    """List the replies to web campaigns, the newest first."""
    return _list(world, call, campaigns=True)


def _list(world: World, call: Call, *, campaigns: bool) -> Answer:
    fields = call.fields()
    hours = fields.number("period", least=1, most=MOST_HOURS)
    page = fields.integer("page", least=1) or 1
    fields.check()
    now = world.clock.now()
    world.state.drop_old_replies(now)
    since = now - (DEFAULT_HOURS if hours is None else hours) * 3600
    rows = [
        reply
        for reply in reversed(world.state.replies)
        if reply.received >= since and (reply.job is not None) is campaigns
    ]
    write = _campaign_row if campaigns else _request_row
    return json_answer(paginate(call, rows, page, world.switches.replies_per_page, write))


def _request_row(reply: Reply) -> dict[str, object]:
    return {
        "id": reply.id,
        "reply": reply.text,
        "received_at": stamp(reply.received),
        "message": {
            "id": reply.message_id,
            "reference": reply.reference,
            "phone": str(reply.phone),
        },
        "request": {"id": reply.request_id, "reference": reply.request_reference},
    }


def _campaign_row(reply: Reply) -> dict[str, object]:
    return {
        "id": reply.id,
        "job": str(reply.job),
        "phone": reply.phone,
        "message": reply.original,
        "parameters": reply.parameters or [],  # PHP writes an empty object as a list
        "send_at": stamp(reply.sent),
        "reply": reply.text,
        "received_at": stamp(reply.received),
    }
