"""Sorting a request's messages: which are taken, which are not and why, and how each will end."""

from msgspec import Struct

from recado_kolmeya.simulator.phones import (
    FINAL_CODES,
    MAGIC_BLOCK,
    MAGIC_SPAN,
    Ending,
    digits_of,
    in_sao_paulo,
    magic_ending,
    national,
)
from recado_kolmeya.simulator.state import (
    DELIVERED,
    EXPIRED,
    REJECTED,
    UNDELIVERED,
    Item,
    RefusalKind,
    Refused,
)
from recado_kolmeya.simulator.world import World

EMPTY_TEXT_ERROR = "Mensagem inválida"
CODE_ERROR = 403  # a number where a text is documented: one client saw just this

MAGIC_REFUSALS = {
    Ending.INVALID: RefusalKind.INVALID,
    Ending.INVALID_CODE: RefusalKind.INVALID,
    Ending.BLACKLISTED: RefusalKind.BLACKLIST,
    Ending.NOT_DISTURB: RefusalKind.NOT_DISTURB,
    Ending.DUPLICATE: RefusalKind.DUPLICATE,
}


class Sorting(Struct):
    """The final status of each message (0: not taken), the magic endings, and the refusals."""

    finals: bytearray
    endings: dict[int, Ending]
    refused: list[Refused]

    def refuse(self, index: int, item: Item, kind: RefusalKind, error: str | int = "") -> None:
        """Leave one message out."""
        if not self.finals[index]:
            return
        self.finals[index] = 0
        self.endings.pop(index, None)
        phone = digits_of(item.phone)
        self.refused.append(Refused(kind, phone, item.message, item.reference, error))


def sort_messages(world: World, items: list[Item], *, token: bool) -> Sorting:
    """Sort the messages of one request, and turn their phones into national numbers.

    Args:
        world: What the vendor knows.
        items: The messages.
        token: Whether they came by store-token, which asks no do-not-disturb list.
    """
    sorting = Sorting(bytearray([DELIVERED]) * len(items), {}, [])
    state = world.state
    strict = world.switches.strict_phones
    unwanted = state.blacklist.phones
    undisturbed = set() if token else state.not_disturb
    for index, item in enumerate(items):
        phone = national(item.phone, strict=strict)
        if not phone or not item.message:
            error = EMPTY_TEXT_ERROR if phone else world.switches.invalid_error
            sorting.refuse(index, item, RefusalKind.INVALID, error)
            continue
        item.phone = phone
        if phone in unwanted:
            sorting.refuse(index, item, RefusalKind.BLACKLIST)
        elif phone in undisturbed:
            sorting.refuse(index, item, RefusalKind.NOT_DISTURB)
        elif phone % 10**9 // MAGIC_SPAN == MAGIC_BLOCK:
            _apply_magic(world, sorting, index, item, token=token)
    _refuse_duplicates(world, sorting, items)
    if world.switches.has_chance_endings:
        _leave_to_chance(world, sorting, items)
    return sorting


def _apply_magic(world: World, sorting: Sorting, index: int, item: Item, *, token: bool) -> None:
    ending = magic_ending(item.number)
    if ending is Ending.NOT_DISTURB and (token or not in_sao_paulo(item.number)):
        ending = Ending.DELIVERED
    kind = MAGIC_REFUSALS.get(ending)
    if kind is RefusalKind.INVALID:
        error = CODE_ERROR if ending is Ending.INVALID_CODE else world.switches.invalid_error
        sorting.refuse(index, item, kind, error)
    elif kind is not None:
        sorting.refuse(index, item, kind)
    elif ending is not Ending.DELIVERED:
        sorting.endings[index] = ending
        sorting.finals[index] = FINAL_CODES.get(ending, DELIVERED)


def _refuse_duplicates(world: World, sorting: Sorting, items: list[Item]) -> None:
    rule = world.switches.duplicate_rule
    if rule == "none" or len({item.phone for item in items}) == len(items):
        return
    seen: set[tuple[int, str]] = set()
    for index, item in enumerate(items):
        if sorting.finals[index]:
            key = (item.number, item.message if rule == "phone_and_text" else "")
            if key in seen:
                sorting.refuse(index, item, RefusalKind.DUPLICATE)
            seen.add(key)


def _leave_to_chance(world: World, sorting: Sorting, items: list[Item]) -> None:
    switches, random = world.switches, world.random
    for index, item in enumerate(items):
        if sorting.finals[index] != DELIVERED or index in sorting.endings:
            continue
        if random.random() < switches.invalid_rate:
            sorting.refuse(index, item, RefusalKind.INVALID, switches.invalid_error)
            continue
        drawn = random.random()
        for rate, code in (
            (switches.undelivered_rate, UNDELIVERED),
            (switches.rejected_rate, REJECTED),
            (switches.expired_rate, EXPIRED),
        ):
            if drawn < rate:
                sorting.finals[index] = code
                break
            drawn -= rate
