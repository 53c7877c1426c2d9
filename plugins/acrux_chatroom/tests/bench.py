"""Events of one person's messages, and a companion that only notes what it is asked."""

import asyncio

import httpx
from recado_core import (
    AccountError,
    Finding,
    InDoubtError,
    PermanentSendError,
    TransientSendError,
)
from recado_core.testing import make_event
from recado_core.testing.clock import MONDAY_NOON

PERSON = "+5511900000001"
NUMBER = "5511900000001"
MO = "01890000-0000-7000-8000-000000000001"
MT = "01890000-0000-7000-8000-000000000002"
MO_ID = f"false_{MO}_{NUMBER}@c.us"
MT_ID = f"true_{MT}_{NUMBER}@c.us"
RPC = {"database": "odoo", "login": "recado", "password": "a-password-of-nobody"}
PASSING = [TransientSendError("busy"), InDoubtError("no answer")]
LASTING = [AccountError("wrong password"), PermanentSendError("no such model")]


def received(**changes):
    given = {
        "id": MO,
        "account": "kolmeya_main",
        "sender": PERSON,
        "to": "",
        "text": "Sim, pode ser às 9h 👍",
        "media": None,
        "created_at": MONDAY_NOON,
    }
    return make_event("message.received", **{**given, **changes})


def left(status="undelivered", **changes):
    """Return an event of what became of an agent's message that was accepted a minute ago."""
    given = {
        "id": MT,
        "account": "kolmeya_main",
        "sender": None,
        "to": PERSON,
        "origin": "chatroom",
        "text": "Às 9h está ótimo",
        "code": "30003",
        "status_text": "Fora de área",
        "created_at": "2026-01-05T08:59:00-03:00",
    }
    return make_event(f"message.{status}", **{**given, **changes})


PATIENCE = 0.5
"""Seconds for one call; the engine waits twice as long for a delivery."""


async def deliver_in_time(sink, event, *, repeated=False):
    """Deliver as the engine does, which takes what it has to cut off for a call in doubt."""
    sink._http.timeout = httpx.Timeout(PATIENCE)  # noqa: SLF001  # as the gateway sets it
    async with asyncio.timeout(2 * PATIENCE):
        await sink.deliver(event, repeated=repeated)


class StubCompanion:
    """Has the messages that it is given; fails or hangs at the calls at which it is told to."""

    def __init__(self, *msgids):
        self.known = set(msgids)
        self.calls = []
        self.errors = {}
        self.silent = ()

    async def _meet(self, *call):
        self.calls.append(call)
        if call[0] in self.errors:
            raise self.errors[call[0]]
        if call[0] in self.silent:
            await asyncio.sleep(3600)

    def made(self, name):
        return [call[1:] for call in self.calls if call[0] == name]

    async def probe(self):
        await self._meet("probe")
        return [Finding(what="rpc", ok=True, detail="Odoo 15.0")]

    async def has_message(self, number, msgid):
        await self._meet("has_message", number, msgid)
        return msgid in self.known

    async def new_message(self, message):
        await self._meet("new_message", message)
        self.known.add(message.id)

    async def note(self, number, text):
        await self._meet("note", number, text)

    async def info(self, number, msgid, text):
        await self._meet("info", number, msgid, text)
