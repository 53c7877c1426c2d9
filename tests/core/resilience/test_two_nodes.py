"""Two processes that share a database: neither takes up what the other still carries."""

import asyncio

import pytest
import sqlalchemy as sa
from recado_core import PermanentSendError
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.dispatch import nodes
from recado_core.engine.receive import webhooks
from recado_core.engine.receive.arrivals import Arrivals
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.schema import inbox
from recado_core.engine.store.statements import accounts, messages, outbox
from recado_core.testing import Clock
from sqlalchemy.exc import DBAPIError

from .troubles import DEADLINE, Silence, until, until_status

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


# What PostgreSQL's many writers bring with them

on_postgres = pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)


@on_postgres
async def test_dlrs_that_two_nodes_take_crosswise_are_all_taken(open_house, monkeypatch, caplog):
    monkeypatch.setattr(webhooks, "AT_ONCE", 1)
    lock, meeting = messages.lock_reported, asyncio.Barrier(2)
    meets = [True, True]  # as a transaction that is repeated does not

    async def lock_in_time(connection, account, ids, references):
        found = await lock(connection, account, ids, references)
        if ids and meets:
            meets.pop()
            await meeting.wait()
        return found

    async with open_house() as one, open_house() as other:
        first, second = await one.accept_many(2)
        await one.settle()
        monkeypatch.setattr(messages, "lock_reported", lock_in_time)
        for named, referred in ((first, second), (second, first)):
            unnamed = {"message_id": "nobody", "provider_ref": f"ref-{referred}"}
            await one.webhook(
                ["status", {"message_id": named, "status": "delivered"}],
                ["status", unnamed | {"status": "delivered"}],
            )
        async with asyncio.timeout(DEADLINE):
            done = await asyncio.gather(*(each.engine.receive.process() for each in (one, other)))
        assert done == [1, 1]
        assert await one.statuses([first, second]) == ["delivered"] * 2
    assert not caplog.records


@on_postgres
@pytest.mark.parametrize("is_alone", [False, True])
async def test_a_webhook_whose_transaction_is_broken_off_each_time_just_waits(
    open_house, monkeypatch, is_alone
):
    takes = []
    broken_off = "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"

    async def take(_arrivals, connection, *_):
        takes.append(connection)
        if is_alone and len(takes) % 2:
            raise ZeroDivisionError  # and each of the group is tried alone
        await connection.execute(sa.text(broken_off))

    async with open_house() as house:
        message_id = await house.accept()
        await house.settle()
        await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
        with monkeypatch.context() as patch:
            patch.setattr(Arrivals, "take", take)
            with pytest.raises(DBAPIError):
                await house.engine.receive.process()
        assert await house.engine.receive.process() == 1  # at once: it has no attempt behind it
        assert await house.status(message_id) == "delivered"


@on_postgres
async def test_a_node_whose_webhooks_another_one_holds_does_not_ask_on_and_on(
    open_house, monkeypatch
):
    monkeypatch.setattr(webhooks, "AT_ONCE", 2)
    async with open_house() as one, open_house() as other:
        ids = await one.accept_many(2)
        await one.settle()
        for message_id in ids:
            await one.webhook(["status", {"message_id": message_id, "status": "delivered"}])
        process, rounds = other.engine.receive.process, []

        async def counted():
            rounds.append(await process())
            return rounds[-1]

        monkeypatch.setattr(other.engine.receive, "process", counted)
        async with one.database.transaction() as connection:
            await connection.execute(sa.select(inbox.c.id).with_for_update())
            working = asyncio.create_task(other.engine.receive.run())
            await until(lambda: rounds)
            await asyncio.sleep(0.2)
            assert rounds == [0]
        other.engine.receive.wake()  # as the next look does
        await until(lambda: 2 in rounds)
        other.engine.receive.stop()
        await working
        assert await one.statuses(ids) == ["delivered"] * 2


@on_postgres
async def test_an_agents_message_does_not_overtake_one_that_another_node_is_claiming(open_house):
    async with open_house() as one, open_house() as other:
        for text in ("first", "second"):
            draft = Draft(to="+5511900000001", text=text)
            await one.engine.accept.message(draft, reply=True, origin="desk")
        now = one.clock.now()
        async with one.database.transaction() as claiming:
            (first,) = await outbox.claim(claiming, "main", new_id(), 1, now)
            assert first["text"] == "first"
            async with other.database.transaction() as beside:
                assert await outbox.claim(beside, "main", new_id(), 10, now) == []
        async with other.database.transaction() as after:
            assert await outbox.claim(after, "main", new_id(), 10, now) == []  # it is on its way
