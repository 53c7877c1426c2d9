"""Delivery: how messages go from status to status, and what the vendor tells of it."""

from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from msgspec import structs

from recado_kolmeya.simulator.clock import stamp
from recado_kolmeya.simulator.phones import Ending
from recado_kolmeya.simulator.state import (
    DELIVERED,
    FINAL,
    REJECTED,
    SENT,
    TRYING,
    Reply,
    Request,
)
from recado_kolmeya.simulator.webhooks import (
    STATUS_TEXTS,
    MessageStatus,
    Original,
    RejectionBody,
    ReplyBody,
    ReplyEntry,
    ReplyObjectBody,
    StatusBody,
)
from recado_kolmeya.simulator.world import World

TO_SENT = bytes.maketrans(bytes([TRYING]), bytes([SENT]))
STOP_WORD = "SAIR"


def begin(world: World, request: Request) -> None:
    """Start a request on its way."""
    moment = request.created + world.switches.sent_delay
    request.open = 1
    world.schedule.at(moment, partial(_send_on, world, request))


def _send_on(world: World, request: Request) -> None:
    if request.rejected:
        _close(world, request)
        return
    request.codes = request.codes.translate(TO_SENT)
    for index, ending in request.endings.items():
        if ending is Ending.STUCK_TRYING:
            request.codes[index] = TRYING
    switches = world.switches
    size = switches.statuses_per_body if switches.final_spread else len(request.codes)
    starts = range(0, len(request.codes), size)
    request.open = len(starts)
    first = request.created + max(switches.final_delay, switches.sent_delay)
    for number, start in enumerate(starts):
        moment = first + switches.final_spread * number / len(starts)
        stop = min(start + size, len(request.codes))
        world.schedule.at(moment, partial(_finish, world, request, start, stop))


def _finish(world: World, request: Request, start: int, stop: int) -> None:
    if not request.rejected:
        if Ending.HOMOLOGATION in request.endings.values():
            reject(world, request)
        else:
            request.codes[start:stop] = request.finals[start:stop]
            tell_statuses(world, request, range(start, stop))
            _let_phones_answer(world, request, start, stop)
    _close(world, request)


def _close(world: World, request: Request) -> None:
    request.open -= 1
    if request.open <= 0 and world.switches.forget:
        world.state.forget(request)


def tell_statuses(world: World, request: Request, indexes: Sequence[int]) -> None:
    """Send the status webhooks of some messages that have reached a final status."""
    if request.webhook_url is None:
        return
    codes, endings = request.codes, request.endings
    silent = {index for index, ending in endings.items() if ending is Ending.SILENT}
    told = [index for index in indexes if codes[index] in STATUS_TEXTS and index not in silent]
    size = world.switches.statuses_per_body
    for start in range(0, len(told), size):
        _post_statuses(world, request, told[start : start + size])
    for index in told if endings else ():
        if endings.get(index) is Ending.DOUBLED:
            _post_statuses(world, request, [index])


def _post_statuses(world: World, request: Request, indexes: Sequence[int]) -> None:
    items, codes = request.items, request.codes
    ids = world.state.ids.messages(request.serial, indexes)
    entries = [
        MessageStatus(id_, items[index].reference, codes[index], STATUS_TEXTS[codes[index]])
        for id_, index in zip(ids, indexes, strict=True)
    ]
    world.webhooks.post(request.webhook_url, StatusBody(request.id, request.reference, entries))


def _let_phones_answer(world: World, request: Request, start: int, stop: int) -> None:
    switches, state = world.switches, world.state
    before = state.delivered
    state.delivered += request.codes[start:stop].count(DELIVERED)
    if not (request.endings or switches.reply_every or switches.reply_word):
        return
    delivered = [index for index in range(start, stop) if request.codes[index] == DELIVERED]
    answers: dict[int, str] = {}
    if switches.reply_every:
        first = -(before + 1) % switches.reply_every
        answers.update(dict.fromkeys(delivered[first :: switches.reply_every], switches.reply_text))
    answers.update(_answers_to(world, request, delivered))
    if answers:
        request.open += 1
        moment = world.clock.now() + switches.reply_delay
        world.schedule.at(moment, partial(_answer_later, world, request, answers))


def _answers_to(world: World, request: Request, indexes: list[int]) -> dict[int, str]:
    """Choose what phones answer because of the text they got or of their magic number."""
    answers = {}
    word, text = world.switches.reply_word.casefold(), world.switches.reply_text
    for index in indexes:
        ending = request.endings.get(index)
        spoken_to = word and word in request.items[index].message.casefold()
        if ending is Ending.REPLIES_STOP:
            answers[index] = STOP_WORD
        elif ending is Ending.REPLIES or spoken_to:
            answers[index] = text
    return answers


def _answer_later(world: World, request: Request, answers: dict[int, str]) -> None:
    receive_replies(world, request, answers)
    _close(world, request)


def receive_replies(world: World, request: Request, answers: dict[int, str]) -> list[Reply]:
    """Take the answers of some phones of a request: keep them for the poll and send webhooks."""
    replies = [_reply_to(world, request, index, text) for index, text in answers.items()]
    world.state.replies.extend(replies)
    world.state.drop_old_replies(world.clock.now())
    if world.switches.reply_form == "object":
        for reply in replies:
            entry = structs.replace(_entry_of(reply), message=_old_original_of(reply))
            world.webhooks.post(request.webhook_url, ReplyObjectBody(entry))
        return replies
    size = world.switches.statuses_per_body
    for start in range(0, len(replies), size):
        entries = [_entry_of(reply) for reply in replies[start : start + size]]
        world.webhooks.post(request.webhook_url, ReplyBody(request.id, request.reference, entries))
    return replies


def _reply_to(world: World, request: Request, index: int, text: str) -> Reply:
    item = request.items[index]
    return Reply(
        id=str(uuid4()),
        text=text,
        received=world.clock.now(),
        message_id=world.state.ids.message(request.serial, index),
        phone=item.number,
        original=item.message,
        reference=item.reference,
        request_id=request.id,
        request_reference=request.reference,
    )


def _entry_of(reply: Reply) -> ReplyEntry:
    original = Original(reply.message_id, reply.reference, reply.phone, message=reply.original)
    return ReplyEntry(reply.id, reply.text, stamp(reply.received), original)


def _old_original_of(reply: Reply) -> Original:
    return Original(reply.message_id, reply.reference, str(reply.phone), content=reply.original)


def reject(world: World, request: Request) -> None:
    """Let a request fail Kolmeya's review: what is not final yet is lost, and a webhook tells."""
    request.rejected = True
    for index, code in enumerate(request.codes):
        if code and code not in FINAL:
            request.codes[index] = REJECTED
    world.webhooks.post(request.webhook_url, RejectionBody(request.id, request.reference))


def set_status(world: World, request: Request, index: int, code: int) -> None:
    """Put one message into a status, whatever it was before, and tell of it."""
    request.codes[index] = code
    if code in FINAL:
        finals = bytearray(request.finals)
        finals[index] = code
        request.finals = bytes(finals)
    tell_statuses(world, request, [index])
