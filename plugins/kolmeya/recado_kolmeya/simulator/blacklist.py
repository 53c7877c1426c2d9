"""The blacklist: ``blacklist/store`` and ``blacklist/destroy``; nothing lists it."""

from collections.abc import Iterator

from recado_kolmeya.simulator.answers import Answer
from recado_kolmeya.simulator.calls import Call, Fields
from recado_kolmeya.simulator.phones import digits_of, national
from recado_kolmeya.simulator.world import World

MOST_PHONES = 1000


def add_phones(world: World, call: Call) -> Answer:
    """Block phones, each for every message or for one CPF; the answer has no body."""
    for phone, document in _read(call):
        world.state.blacklist.add(phone, document)
    return Answer(201)


def remove_phones(world: World, call: Call) -> Answer:
    """Release phones; the answer has no body."""
    for phone, document in _read(call):
        world.state.blacklist.remove(phone, document)
    return Answer(204)


def _read(call: Call) -> list[tuple[int, str | None]]:
    fields = call.fields()
    rows = fields.rows("phones", MOST_PHONES)
    entries = list(_entries(fields, rows))
    fields.check()
    return entries


def _entries(fields: Fields, rows: list[object]) -> Iterator[tuple[int, str | None]]:
    for index, row in enumerate(rows):
        values: dict[str, object] = row if isinstance(row, dict) else {}
        phone, document = values.get("phone"), values.get("document")
        if not isinstance(phone, str) or not phone:
            kind = "is required" if phone is None or phone == "" else "must be a string"
            fields.fail(f"phones.{index}.phone", f"The {{name}} field {kind}.")
        elif not isinstance(document, str | None):
            fields.fail(f"phones.{index}.document", "The {name} field must be a string.")
        else:
            yield national(phone) or digits_of(phone), document or None
