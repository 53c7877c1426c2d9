"""Taking messages: ``sms/store`` and ``sms/store-token``."""

import re
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from recado_kolmeya.simulator.answers import (
    Answer,
    RefusedError,
    error_list,
    invalid,
    json_answer,
    message,
)
from recado_kolmeya.simulator.calls import Call, Fields, is_url
from recado_kolmeya.simulator.delivery import begin
from recado_kolmeya.simulator.sorting import Sorting, sort_messages
from recado_kolmeya.simulator.state import Item, RefusalKind, Refused, Request
from recado_kolmeya.simulator.world import World

MOST_MESSAGES = 1000
LINK = re.compile(
    r"\b(?:https?://|www\.)|\b[\w-]+\.(?:com|net|org|br|io|me|ly|gl|app|link|site|info)\b",
    re.IGNORECASE,
)
TOLL_FREE = re.compile(r"\b0800(?:[\s.-]*\d){6,7}\b")  # not every code that begins with 0800
BALANCE_ERROR = "Saldo insuficiente"
FORBIDDEN_ERROR = "A mensagem não pode conter links ou telefones 0800."


class StoreBody(Struct, gc=False):
    """The body of a store call; fields we do not know are passed over."""

    messages: list[Item]
    reference: str | None = None
    webhook_url: str | None = None
    tenant_segment_id: int | None = None
    sms_api_id: int | None = None


class Valid(Struct, gc=False):
    """One message that was taken."""

    id: str
    phone: int | str  # as it is kept: the national number by now
    reference: str | None


class InvalidItem(Struct, gc=False):
    """One message that was not taken because of itself."""

    phone: int
    message: str
    reference: str | None
    error: str | int


class ListedItem(Struct, gc=False):
    """One phone of ``duplicates``, ``blacklist`` or ``not_disturb``."""

    phone: int
    reference: str | UnsetType | None = UNSET


Listed = list[ListedItem] | ListedItem | None


class StoreAnswer(Struct):
    """What became of each message."""

    id: str
    reference: str | None
    valids: list[Valid]
    invalids: list[InvalidItem]
    duplicates: list[ListedItem] | UnsetType
    blacklist: Listed
    not_disturb: Listed


_decode = msgspec.json.Decoder(StoreBody).decode


def store(world: World, call: Call) -> Answer:
    """Take 1 to 1000 messages."""
    _refuse_blocked_tenant(world)
    body = _read(world, call)
    if not 1 <= len(body.messages) <= MOST_MESSAGES or not _has_good_url(body):
        body = _read_slowly(world, call)  # which tells what is wrong
    return _take(world, body, sort_messages(world, body.messages, token=False))


def store_token(world: World, call: Call) -> Answer:
    """Take one message with a code in it, which may go where others may not."""
    _refuse_blocked_tenant(world)
    body = _read(world, call)
    if not _has_good_url(body):
        body = _read_slowly(world, call)
    if len(body.messages) != 1:
        raise invalid({"messages": ["The messages field must contain 1 items."]})
    text = body.messages[0].message
    forbidden = LINK.search(text) or TOLL_FREE.search(text)
    if forbidden and world.switches.forbidden_text == "status":
        raise invalid({"messages.0.message": [FORBIDDEN_ERROR]})
    sorting = sort_messages(world, body.messages, token=True)
    if forbidden:
        sorting.refuse(0, body.messages[0], RefusalKind.INVALID, FORBIDDEN_ERROR)
    return _take(world, body, sorting)


def _refuse_blocked_tenant(world: World) -> None:
    if world.switches.tenant_blocked:
        form = error_list if world.switches.error_form == "errors" else message
        raise RefusedError(form("Tenant blocked.", 403))


def _has_good_url(body: StoreBody) -> bool:
    return body.webhook_url is None or is_url(body.webhook_url)


def _read(world: World, call: Call) -> StoreBody:
    try:
        return _decode(call.body)
    except msgspec.DecodeError:
        return _read_slowly(world, call)


def _read_slowly(world: World, call: Call) -> StoreBody:
    """Read a body that is not quite as described, with the framework's leniency and complaints."""
    fields = call.fields()
    rows = fields.rows("messages", MOST_MESSAGES)
    body = StoreBody(
        messages=[],
        reference=fields.text("reference"),
        webhook_url=fields.url("webhook_url"),
        tenant_segment_id=fields.integer("tenant_segment_id"),
        sms_api_id=fields.integer("sms_api_id"),
    )
    _check_references(fields, rows)
    fields.check()
    body.messages = [_read_item(world, row) for row in rows]
    return body


def _check_references(fields: Fields, rows: Sequence[object]) -> None:
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            fields.fail(f"messages.{index}", "The {name} field must be an array.")
        elif not isinstance(row.get("reference"), str | None):
            fields.fail(f"messages.{index}.reference", "The {name} field must be a string.")


def _read_item(world: World, row: object) -> Item:
    values: dict[str, object] = row if isinstance(row, dict) else {}
    for key in ("phone", "message"):
        if key not in values:  # what PHP says of a missing key; only seen for phone
            status = world.switches.missing_phone_status
            raise RefusedError(error_list(f'Undefined array key "{key}"', status))
    phone, text, reference = values["phone"], values["message"], values.get("reference")
    known = isinstance(phone, int | str) and not isinstance(phone, bool)
    return Item(
        phone=phone if known and isinstance(phone, int | str) else "",
        message="" if text is None else str(text),
        reference=reference if isinstance(reference, str) else None,
    )


def _take(world: World, body: StoreBody, sorting: Sorting) -> Answer:
    state = world.state
    _charge(world, body, sorting)
    serial = state.next_serial()
    request = Request(
        serial=serial,
        id=state.ids.request(serial),
        reference=body.reference,
        webhook_url=body.webhook_url,
        segment=body.tenant_segment_id,
        created=world.clock.now(),
        items=body.messages,
        codes=bytearray(map(bool, sorting.finals)),  # 1, trying, for each that was taken
        finals=bytes(sorting.finals),
        endings=sorting.endings,
        refused=sorting.refused,
    )
    state.add(request)
    begin(world, request)
    return json_answer(_answer(world, request))


def _charge(world: World, body: StoreBody, sorting: Sorting) -> None:
    switches, state = world.switches, world.state
    count = len(sorting.finals) - sorting.finals.count(0)
    cost = switches.unit_price * count
    if cost > state.balance and switches.empty_balance == "forbid":
        form = error_list if switches.error_form == "errors" else message
        raise RefusedError(form(BALANCE_ERROR, 403))
    if cost > state.balance and switches.empty_balance == "invalid":
        for index, item in enumerate(body.messages):
            if sorting.finals[index]:
                sorting.refuse(index, item, RefusalKind.INVALID, BALANCE_ERROR)
        return
    state.balance -= cost


def _answer(world: World, request: Request) -> StoreAnswer:
    refused = request.refused
    ids = world.state.ids.messages(request.serial, range(len(request.items)))
    columns = zip(ids, request.items, request.codes, strict=True)
    return StoreAnswer(
        id=request.id,
        reference=request.reference,
        valids=[Valid(id_, item.phone, item.reference) for id_, item, code in columns if code],
        invalids=[
            InvalidItem(each.phone, each.text, each.reference, each.error)
            for each in refused
            if each.kind is RefusalKind.INVALID
        ],
        duplicates=_listed(world, refused, RefusalKind.DUPLICATE)
        if world.switches.duplicates_key
        else UNSET,
        blacklist=_in_form(world, _listed(world, refused, RefusalKind.BLACKLIST)),
        not_disturb=_in_form(world, _listed(world, refused, RefusalKind.NOT_DISTURB)),
    )


def _listed(world: World, refused: list[Refused], kind: RefusalKind) -> list[ListedItem]:
    full = world.switches.list_items == "reference"
    return [
        ListedItem(each.phone, each.reference if full else UNSET)
        for each in refused
        if each.kind is kind
    ]


def _in_form(world: World, items: list[ListedItem]) -> Listed:
    """Give the list, or the one object of the documented form; PHP writes an empty one as []."""
    match world.switches.lists:
        case "object" if items:
            return items[0]
        case "null":
            return items or None
        case _:
            return items
