"""What goes wrong on our side of a call: nothing lost, nothing sent twice, no loop that dies."""

import asyncio

import pytest
import sqlalchemy as sa
from recado_core import LookupResult, Outcome, SendResult
from recado_core.engine.dispatch import endings
from recado_core.engine.failures import UnavailableError
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import RouteMatch, RouteSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import accounts, dispatches, outbox
from recado_core.engine.store.statements.due import Work

from ..conftest import accept_all
from .troubles import (
    Silence,
    Statements,
    cancel_at,
    impatient,
    locked,
    stopped,
    until,
    until_status,
    works,
)

pytestmark = pytest.mark.usefixtures("hurried")
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
on_postgres = pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)
ONE_AT_A_TIME = {"main": {"concurrency": 1, "batch_size": 1}}


def node(name, clock):
    at = clock.now()
    return {"id": name, "host": "h", "pid": 1, "started_at": at, "heartbeat_at": at}


async def test_a_cancelled_write_is_done_whole_and_leaves_the_database_usable(house):
    async def write(name):
        async def work(connection):
            await accounts.insert_node(connection, node(name, house.clock))
            await accounts.list_nodes(connection)
            await accounts.insert_node(connection, node(f"{name} too", house.clock))
            await accounts.delete_node(connection, name)

        await house.database.write(work)

    number = 1
    while await cancel_at(number, write(str(number))):
        number += 1
    assert number > 4
    async with asyncio.timeout(10), house.database.read() as connection:
        found = {row["id"] for row in await accounts.list_nodes(connection)}
    assert found == {f"{name} too" for name in range(1, number + 1)}


async def test_cancelled_requests_leave_the_database_usable(house):
    ids = await house.accept_many(20)
    for call in (house.engine.messages.get, house.engine.messages.cancel):
        number = 1
        while await cancel_at(number, call(ids[number])):
            number += 1
        assert number > 2
    async with asyncio.timeout(10):
        ids.append(await house.accept())
        await house.settle()
    ended = dict(zip(ids, await house.statuses(ids), strict=True))
    assert set(ended.values()) == {"canceled", "sent"}
    assert {message.id for message in house.vendor.sent} == {
        key for key, status in ended.items() if status == "sent"
    }


@pytest.mark.parametrize("taken", [True, False])
async def test_an_outcome_that_cannot_be_recorded_is_in_doubt_and_settles(
    house, monkeypatch, taken
):
    ways = {name: getattr(endings.Endings, name) for name in ("foresee", "foresee_taken")}

    def fail(*_):
        for name, way in ways.items():
            monkeypatch.setattr(endings.Endings, name, way)
        if not taken:
            house.vendor.known.clear()
        raise ZeroDivisionError

    for name in ways:
        monkeypatch.setattr(endings.Endings, name, fail)
    message_id = await house.accept()
    await house.engine.start()
    await until(lambda: house.vendor.lookups)
    house.clock.advance(120)
    await until_status(house, [message_id], "sent")
    shown = await house.show(message_id)
    expected = ["found"] if taken else ["missing", "accepted"]
    assert [attempt.outcome for attempt in shown.attempts] == expected
    assert await works(house)


@on_postgres
async def test_an_outcome_that_the_database_refuses_is_in_doubt_and_settles(house):
    async def alter(change):
        async with house.database.transaction() as connection:
            await connection.execute(sa.text(f"ALTER TABLE messages {change}"))

    async def lookup(batch):
        await alter("DROP CONSTRAINT refuse")
        return LookupResult(found=True, results=tuple(accept_all(batch)))

    await alter("ADD CONSTRAINT refuse CHECK (status != 'sent')")
    house.vendor.lookup = lookup
    ids = await house.accept_many(3)
    await house.engine.start()
    await until_status(house, ids, "sent")
    assert house.vendor.sizes == [3]
    assert [attempt.outcome for attempt in (await house.show(ids[0])).attempts] == ["found"]
    assert await works(house)


async def see_all_kinds(engine):
    """See that work of every kind is due, without a look."""
    engine._due = frozenset(Work)  # noqa: SLF001  # no test can make all of it due


@pytest.mark.parametrize(
    ("stand_in", "loops"),
    [
        # the look, sign of life, campaigns, sums, webhooks and the account's
        (Engine._look, 6),  # noqa: SLF001  # as it is
        # the same, and clock, schedules, doubts and polling instead of the look
        (see_all_kinds, 9),
    ],
)
async def test_whatever_fails_in_a_round_ends_no_loop(house, caplog, monkeypatch, stand_in, loops):
    def fail(_):
        raise ZeroDivisionError

    await house.engine.start()
    with Statements(fail) as statements, monkeypatch.context() as patch:
        patch.setattr(Engine, "_look", stand_in)
        await until(lambda: statements.count >= 10 * loops)
        complaints = [record for record in caplog.records if record.exc_info]
    assert len(complaints) == loops  # one for each, however often it fails
    message_id = await house.accept()
    await until_status(house, [message_id], "sent")
    await house.webhook(["status", {"message_id": message_id, "status": "delivered"}])
    await until_status(house, [message_id], "delivered")
    assert await works(house)


@on_sqlite
async def test_a_lock_of_another_process_delays_and_loses_nothing(house, database_url):
    silence = Silence(house.vendor)
    ids = [await house.accept()]
    await house.engine.start()
    await silence.begins()
    async with locked(database_url):
        silence.answer.set()
        accepting = [asyncio.create_task(house.accept()) for _ in range(10)]
        done, _ = await asyncio.wait(accepting, timeout=0.1)
        assert not done
    ids += await asyncio.gather(*accepting)
    await until_status(house, ids, "sent")
    assert sorted(message.id for message in house.vendor.sent) == sorted(ids)
    assert house.vendor.lookups == []
    assert await works(house)


@on_sqlite
async def test_a_lock_that_stays_fails_new_calls_together_and_loses_no_old_one(
    open_house, database_url, caplog
):
    async with open_house(accounts=ONE_AT_A_TIME) as house:
        silence = Silence(house.vendor)
        ids = [await house.accept() for _ in range(3)]
        await house.engine.start()
        await silence.begins()
        with impatient():
            async with locked(database_url):
                silence.answer.set()
                with Statements(lambda _: None, "INSERT INTO messages") as statements:
                    results = await asyncio.gather(
                        *(house.accept() for _ in range(50)), return_exceptions=True
                    )
                await until(lambda: "the outcome of a call waits" in caplog.text)
        assert {type(result) for result in results} == {UnavailableError}
        assert 0 < statements.count < 10, "each call waited for the lock on its own"
        await until_status(house, ids, "sent")
        assert [message.id for message in house.vendor.sent] == ids
        assert house.vendor.lookups == []
        assert await works(house)


@on_postgres
async def test_a_server_that_is_restarted_delays_and_loses_nothing(
    open_house, database_folder, caplog
):
    async with open_house(accounts=ONE_AT_A_TIME, capabilities={"lookup": False}) as house:
        silence = Silence(house.vendor)
        ids = [await house.accept() for _ in range(3)]
        await house.engine.start()
        await silence.begins()
        async with stopped(database_folder / "postgres"):
            silence.answer.set()
            for _ in range(3):
                with pytest.raises(UnavailableError):
                    await house.accept()
            await until(lambda: "the outcome of a call waits" in caplog.text)
        await until_status(house, ids, "sent")
        assert [message.id for message in house.vendor.sent] == ids
        later = await house.accept()
        await until_status(house, [later], "sent")
        assert await works(house)


@pytest.mark.parametrize("state", ["57P03", "57P01", "53300"])  # starting, stopping, full
async def test_a_server_that_takes_no_connection_now_is_away(tmp_path, state):
    async def refuse(reader, writer):
        await reader.read(1000)
        said = f"SFATAL\0VFATAL\0C{state}\0Mnot now\0\0".encode()
        writer.write(b"E" + (len(said) + 4).to_bytes(4, "big") + said)
        await writer.drain()
        writer.close()

    database = Database(f"postgresql+asyncpg://recado@/recado?host={tmp_path}&port=5432")
    async with await asyncio.start_unix_server(refuse, tmp_path / ".s.PGSQL.5432"):
        with pytest.raises(UnavailableError):
            await database.revision()
    await database.close()


@on_postgres
async def test_a_call_survives_that_every_connection_is_cut(house):
    silence = Silence(house.vendor)
    message_id = await house.accept()
    await house.engine.start()
    await silence.begins()
    async with house.database.transaction() as connection:
        await connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid != pg_backend_pid() AND datname = current_database()"
            )
        )
    silence.answer.set()
    await until_status(house, [message_id], "sent")
    assert house.vendor.lookups == []
    assert await works(house)


@pytest.mark.parametrize("taken", [True, False])
async def test_a_stop_that_runs_out_of_time_ends_the_calls_and_leaves_them_in_doubt(
    open_house, taken
):
    async with open_house() as house:
        silence = Silence(house.vendor)
        ids = await house.accept_many(3)
        before = asyncio.all_tasks()
        await house.engine.start()
        await silence.begins()
        await house.engine.stop(timeout=0.02)
        silence.answer.set()
        assert asyncio.all_tasks() == before
        assert house.vendor.batches == []
        assert await house.statuses(ids) == ["sending"] * 3
        attempt = (await house.show(ids[0])).attempts[-1]
    async with open_house(clock=house.clock) as heir:
        if taken:
            heir.vendor.known[attempt.id] = [
                SendResult(message_id=key, outcome=Outcome.ACCEPTED) for key in ids
            ]
        await heir.settle()
        await heir.advance(120)
        assert await heir.statuses(ids) == ["sent"] * 3
        assert heir.vendor.sizes == ([] if taken else [3])


@pytest.mark.parametrize("patience", [30.0, 0.02])
async def test_a_stop_during_a_claim_leaves_nothing_behind(open_house, monkeypatch, patience):
    entered, go = asyncio.Event(), asyncio.Event()

    async with open_house() as house:
        silence = Silence(house.vendor)
        message_id = await house.accept()
        # SQLite reads what it has claimed after the claim.
        name = "rows_of_claim" if house.database.sqlite else "claim"
        claim = getattr(outbox, name)

        async def slowly(*arguments, **options):
            entered.set()
            await go.wait()
            return await claim(*arguments, **options)

        monkeypatch.setattr(outbox, name, slowly)
        before = asyncio.all_tasks()
        await house.engine.start()
        await entered.wait()
        stopping = asyncio.create_task(house.engine.stop(patience))
        await asyncio.sleep(0.05)
        go.set()
        if patience > 1:
            await silence.begins()
            assert not stopping.done()
            silence.answer.set()
        await stopping
        assert asyncio.all_tasks() == before
        assert await house.status(message_id) == ("sent" if patience > 1 else "queued")
        assert len(house.vendor.batches) == (1 if patience > 1 else 0)
    async with open_house(clock=house.clock) as heir:
        heir.vendor.known = house.vendor.known
        await heir.settle()
        await heir.advance(120)
        assert await heir.status(message_id) == "sent"
        assert len(house.vendor.batches) + len(heir.vendor.batches) == 1


@on_sqlite
async def test_a_pause_during_a_call_lets_it_end_and_begins_no_other(open_house):
    async with open_house(accounts=ONE_AT_A_TIME) as house:
        silence = Silence(house.vendor)
        ids = [await house.accept() for _ in range(3)]
        await house.engine.start()
        await silence.begins()
        await house.engine.accounts.pause("main")
        silence.answer.set()
        await until_status(house, ids[:1], "sent")
        await house.engine.stop()
        assert await house.statuses(ids) == ["sent", "queued", "queued"]
        await house.engine.accounts.resume("main")
        await house.settle()
        assert await house.statuses(ids) == ["sent"] * 3
        assert [message.id for message in house.vendor.sent] == ids


@on_postgres  # SQLite lets nobody claim meanwhile
async def test_a_claim_during_a_sign_of_life_is_not_taken_for_dropped(house, monkeypatch):
    silence, ids, rounds = Silence(house.vendor), [], []
    doubt_dropped = dispatches.doubt_dropped

    async def late(*arguments):
        if not rounds:
            ids.append(await house.accept())
            await asyncio.wait([asyncio.create_task(silence.begins())], timeout=0.2)
        rounds.append(arguments)
        return await doubt_dropped(*arguments)

    await house.engine.start()
    monkeypatch.setattr(dispatches, "doubt_dropped", late)
    await until(lambda: len(rounds) > 1)
    await silence.begins()
    assert [attempt.outcome for attempt in (await house.show(ids[0])).attempts] == ["open"]
    silence.answer.set()
    await until_status(house, ids, "sent")


@on_sqlite
async def test_messages_that_can_be_carried_elsewhere_do_not_wait_for_those_that_cannot(open_house):
    routes = [
        RouteSettings(accounts=["main", "second"], match=RouteMatch(category="marketing")),
        RouteSettings(accounts=["main", "third"]),
    ]
    names = ("main", "second", "third")
    async with open_house(accounts={name: {} for name in names}, routes=routes) as house:
        await house.accept_many(1000, category="marketing")  # as many as are moved at once
        message_id = await house.accept()
        for name in names[:2]:
            await house.engine.accounts.pause(name)
        await house.settle()
        assert await house.status(message_id) == "sent"
