"""Asking for statuses: ``sms/status/request`` and ``sms/status/message``."""

from msgspec import Struct

from recado_kolmeya.simulator.answers import Answer, RefusedError, invalid, json_answer, message
from recado_kolmeya.simulator.calls import Call
from recado_kolmeya.simulator.state import STATUS_TEXTS, Request
from recado_kolmeya.simulator.world import World

REQUEST_MISSING = "Requisição não encontrada"
MESSAGE_MISSING = "Mensagem não encontrada"

# The request's own status is another enumeration, of which one value has been seen.
VALID = (2, "Válido")
REJECTED = (4, "Rejeitado")


class MessageStatus(Struct):
    """One message of a request."""

    id: str
    reference: str | None
    status: str
    status_code: int


class RequestStatus(Struct):
    """A request with its messages."""

    id: str
    reference: str | None
    status: str
    status_code: int
    messages: list[MessageStatus]


class FlatStatus(Struct):
    """One message by itself; here the code is a text."""

    id: str
    reference: str | None
    status: str
    status_code: str


def request_status(world: World, call: Call) -> Answer:
    """Tell how a request and its messages stand."""
    id_, reference = _read_key(call)
    state = world.state
    request = state.request_by_id(id_) if id_ else state.request_by_reference(reference)
    if request is None:
        return _unknown_request(world, id_, reference)
    code, text = status_of(request)
    messages = [
        MessageStatus(
            state.ids.message(request.serial, index),
            request.items[index].reference,
            STATUS_TEXTS[each],
            each,
        )
        for index, each in enumerate(request.codes)
        if each
    ]
    return json_answer(RequestStatus(request.id, request.reference, text, code, messages))


def message_status(world: World, call: Call) -> Answer:
    """Tell how one message stands."""
    id_, reference = _read_key(call)
    state = world.state
    found = state.message_by_id(id_) if id_ else state.message_by_reference(reference)
    if found is None:
        return message(MESSAGE_MISSING, 404)
    request, index = found
    code = request.codes[index]
    return json_answer(
        FlatStatus(
            state.ids.message(request.serial, index),
            request.items[index].reference,
            STATUS_TEXTS[code],
            str(code),
        )
    )


def status_of(request: Request) -> tuple[int, str]:
    """Give the request's own status."""
    return REJECTED if request.rejected else VALID


def _read_key(call: Call) -> tuple[str, str]:
    """Read the id or the reference: exactly one of them."""
    fields = call.fields()
    id_, reference = fields.text("id"), fields.text("reference")
    if id_ and reference:
        fields.fail("id", "The {name} field prohibits reference from being present.")
    elif not id_ and not reference and not fields.errors:
        fields.fail("id", "The {name} field is required when reference is not present.")
        fields.fail("reference", "The {name} field is required when id is not present.")
    fields.check()
    return id_ or "", reference or ""


def _unknown_request(world: World, id_: str, reference: str) -> Answer:
    match world.switches.unknown_request:
        case "empty":
            code, text = VALID
            return json_answer(RequestStatus(id_, reference or None, text, code, []))
        case "invalid":
            key = "id" if id_ else "reference"
            raise invalid({key: [f"The selected {key} is invalid."]})
        case _:
            raise RefusedError(message(REQUEST_MISSING, 404))
