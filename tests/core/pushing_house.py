"""A house whose accounts tell their providers of suppressions, and what its tests share."""

import asyncio
import json
from inspect import isawaitable

import msgspec
from recado_core import PermanentSendError, SuppressionReason
from recado_core.engine.store.statements import pushes
from recado_core.engine.suppressions.suppressing import Entry, Suppressing
from recado_core.engine.suppressions.suppressions import NewSuppression, SuppressionFilter

ANA, BIA, CAIO = (f"+551190000000{number}" for number in (1, 2, 3))
EVERY_REASON = {"push_suppressions": [str(reason) for reason in SuppressionReason]}
SILENT = "provider can't be told of suppressions now"
BACK = "provider can be told of suppressions again"
REFUSED = "provider refuses an address for its suppression list, and is not told of it"


def open_for_pushing(open_house, accounts=None, *, max_suppress=3, **settings):
    """Open a house whose account ``main`` tells its provider of every reason, 3 a call."""
    return open_house(
        accounts={"main": EVERY_REASON} if accounts is None else accounts,
        capabilities={"suppress": True, "max_suppress": max_suppress},
        **settings,
    )


def numbers(count):
    return [f"+55119{number:08d}" for number in range(1, count + 1)]


async def add(house, address=ANA, **fields):
    """Put an address on the list, and return the entry's id."""
    new = msgspec.convert({"address": address} | fields, NewSuppression)
    return json.loads((await house.engine.suppressions.add(new)).body)["id"]


async def add_all(house, addresses):
    """Put many addresses on the list, as an import does."""
    suppressing = Suppressing(house.engine.settings, house.engine.plugins.provider_types)
    entries = [
        Entry(address=address, reason=SuppressionReason.MANUAL, source="import")
        for address in addresses
    ]
    now = house.clock.now()
    await house.database.write(lambda connection: suppressing.put(connection, entries, now))


async def remove_all(house, address):
    for entry in await entries_of(house, address):
        await house.engine.suppressions.remove(entry.id)


async def entries_of(house, address=ANA):
    return (await house.engine.suppressions.list(SuppressionFilter(address=address))).items


async def waiting(house):
    """Count the addresses of which the account ``main`` is still to be told."""
    async with house.database.read() as connection:
        return (await pushes.count(connection)).get("main", 0)


async def until(condition):
    """Wait until a condition, which may be awaited, is true."""
    async with asyncio.timeout(60):
        while True:
            found = condition()
            if await found if isawaitable(found) else found:
                return
            await asyncio.sleep(0.01)


def refusing(bad):
    """Refuse every call that has one of these addresses in it."""

    async def before_change(_, addresses):
        if set(addresses) & set(bad):
            raise PermanentSendError("telefone inválido", code="422")

    return before_change


def failing(error):
    """Fail every call."""

    async def before_change(_name, _addresses):
        raise error

    return before_change


async def say_nothing(_name, _addresses):
    """Never answer."""
    await asyncio.Event().wait()


def records(caplog, message):
    return [record for record in caplog.records if record.getMessage() == message]


def sizes(vendor):
    return [len(addresses) for _, addresses in vendor.changes]
