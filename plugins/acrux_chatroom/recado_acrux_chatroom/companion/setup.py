"""The set-up of one sink's connector from beginning to end, each step a finding."""

from collections.abc import Callable

from recado_core import SendError
from recado_core.sinks import Finding

from recado_acrux_chatroom.companion import Companion
from recado_acrux_chatroom.companion.client import Connection, Odoo
from recado_acrux_chatroom.companion.directions import try_directions
from recado_acrux_chatroom.companion.provisioning import Wanted, ask_gateway, provide
from recado_acrux_chatroom.companion.redaction import redact_all
from recado_acrux_chatroom.redaction import redact
from recado_acrux_chatroom.settings import Rpc

DEADLINE = 90.0
"""Seconds that a step may take: Odoo itself waits for the gateway, 20 seconds twice."""


async def set_up(wanted: Wanted, sink: str, administrator: Rpc | None) -> list[Finding]:
    """Make or adjust the connector where there is an administrator, and try both directions.

    Args:
        wanted: What the connector is to be.
        sink: The sink's name.
        administrator: A login that may make connectors, used here and kept nowhere.
    """
    settings = wanted.settings
    if administrator is None:
        found = await try_directions(settings, wanted.url)
    else:
        odoo = _connect(wanted, administrator)
        made = await _step(odoo, "connector", lambda it: provide(it, wanted))
        found = [made, *await try_directions(settings, wanted.url)]
        if made.ok:
            found.append(await _step(odoo, "Odoo to gateway", lambda it: ask_gateway(it, wanted)))
    if settings.rpc is not None:
        found += await Companion(settings, sink, url=wanted.url).probe()
    return found


def _connect(wanted: Wanted, administrator: Rpc) -> Connection:
    settings, password = wanted.settings, administrator.password.reveal()
    return Connection(
        settings.odoo_url,
        administrator,
        lambda text: redact(redact_all(text, settings), password),
        deadline=DEADLINE,
    )


async def _step(odoo: Connection, what: str, work: Callable[[Odoo], Finding]) -> Finding:
    try:
        return await odoo.run(work)
    except SendError as error:
        return Finding(what=what, ok=False, detail=error.text)
