"""Two processes that share a database: neither takes up what the other still carries."""

import asyncio

import pytest
from recado_core import PermanentSendError
from recado_core.engine.dispatch import nodes
from recado_core.engine.store.statements import accounts
from recado_core.testing import Clock

from .troubles import Silence, until, until_status

pytestmark = pytest.mark.usefixtures("hurried")


async def test_a_node_whose_clock_differs_keeps_off_the_calls_of_another(open_house, monkeypatch):
    async with open_house() as one:
        monkeypatch.setattr(nodes, "host_name", lambda: "elsewhere")
        clock = Clock()
        clock.advance(600)
        async with open_house(clock=clock) as other:
            silence = Silence(one.vendor)
            message_id = await one.accept()
            await one.engine.start()
            await silence.begins()

            async def has_beaten():
                async with one.database.read() as connection:
                    beats = [row["heartbeat_at"] for row in await accounts.list_nodes(connection)]
                return one.clock.now() in beats

            for _ in range(4):
                one.clock.advance(20)
                other.clock.advance(20)
                await until(has_beaten)
                await other.settle()
                await other.settle()
            assert other.vendor.lookups == other.vendor.batches == []
            silence.answer.set()
            await until_status(one, [message_id], "sent")
            shown = await one.show(message_id)
            assert [attempt.outcome for attempt in shown.attempts] == ["accepted"]


async def test_a_call_of_a_silent_node_is_believed_lost_only_when_it_has_surely_ended(
    open_house, monkeypatch
):
    quick = {"main": {"timeout": 5.0, "lookup_settles": 30.0}}
    async with open_house(accounts=quick) as silent:
        monkeypatch.setattr(nodes, "host_name", lambda: "elsewhere")
        async with open_house(accounts=quick, clock=silent.clock) as other:
            silence = Silence(silent.vendor)
            silent.vendor.answers = [PermanentSendError("one of them is wrong", code="422")]
            ids = await silent.accept_many(2)
            round_of_its_own = asyncio.create_task(silent.engine.run_once())
            await silence.begins()
            await other.settle()
            await other.advance(31)  # dead, for all that can be seen; its call may take 20 more
            assert other.vendor.lookups
            await other.advance(49)
            assert other.vendor.batches == []
            await other.advance(2)
            assert other.vendor.sizes == [2]
            assert await other.statuses(ids) == ["sent"] * 2
            silence.answer.set()
            await round_of_its_own
            assert silent.vendor.sizes == [2], "it halved a batch that was no longer its own"
            assert await other.statuses(ids) == ["sent"] * 2
