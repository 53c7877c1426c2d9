"""SQLite's writer in a process of its own: as the thread does it, and what is when it goes away."""

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
import time

import pytest
from recado_core.engine.failures import UnavailableError
from recado_core.engine.store.database import Database
from recado_core.engine.store.steps import ChangedError, Exactly, Guard
from recado_core.engine.store.writer import process, program
from recado_core.engine.store.writer.frames import Answer, Frames, Request, frame

from .resilience.troubles import DEADLINE, locked, until, writers

pytestmark = pytest.mark.whole

ADD = "INSERT INTO numbers VALUES (?, ?)"
CHANGE = "UPDATE numbers SET what = ? WHERE n >= ?"
COUNT = "SELECT count(*) FROM numbers"


@pytest.fixture
def path(sqlite_url):
    """An SQLite file with a table of numbers."""
    path = sqlite_url.partition("///")[2]
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, what)")
    connection.close()
    return path


async def database(url, *, apart):
    made = Database(url)
    if apart:
        made.write_apart()
        await until(lambda: made._process.is_ready)  # noqa: SLF001  # nobody else may know
    return made


@pytest.fixture
async def written(sqlite_url, path):  # noqa: ARG001  # the file is made first
    """A database that a process writes to."""
    made = await database(sqlite_url, apart=True)
    yield made
    await made.close()


def numbers(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT n, what FROM numbers ORDER BY n").fetchall()


def pids():
    """Return the processes that write."""
    return [child.pid for child in writers()]


class Word(str):
    __slots__ = ()


class Number(int):
    pass


class Odd:
    pass


TRANSACTIONS = {
    "one row": [(ADD, (1, "a"))],
    "no row": [(CHANGE, ("b", 9))],
    "many": [(ADD, [(1, "a"), (2, None), (3, b"\x00\xff")]), (CHANGE, ("c", 2))],
    "values": [(ADD, [(1, 2**62), (2, -(2**63)), (3, 0.5), (4, "é\N{GRINNING FACE}"), (5, "")])],
    "nothing": [],
    "guard": [(ADD, (1, "a")), Guard(COUNT, (), 1), (ADD, (2, "b"))],
    "guard's no": [(ADD, (1, "a")), Guard(COUNT, (), 2), (ADD, (2, "b"))],
    "guard's values": [Guard("SELECT ? || 'b'", ("a",), "ab"), (ADD, (2, "b"))],
    "exactly": [(ADD, [(1, "a"), (2, "b")]), Exactly(CHANGE, ("c", 1), 2)],
    "exactly none": [(ADD, (1, "a")), Exactly(CHANGE, ("c", 2), 0)],
    "exactly's no": [(ADD, [(1, "a"), (2, "b")]), Exactly(CHANGE, ("c", 1), 1)],
    "exactly many": [Exactly(ADD, [(1, "a"), (2, "b")], 2)],
    "exactly many's no": [Exactly(ADD, [(1, "a"), (2, "b")], 1)],
    "twice": [(ADD, (1, "a")), (ADD, (1, "b"))],
    "wrong": [(ADD, (1, "a")), ("INSERT INTO nothing VALUES (?)", (1,))],
    "too few": [(ADD, (1,))],
    "subclasses": [(ADD, [(Number(1), Word("a")), (Number(2), True)])],
    "no value": [(ADD, (1, Odd()))],
    "too large": [(ADD, (1, 2**63))],
    "much too large": [(ADD, (1, 2**70))],
    "a guard that says nothing": [Guard("SELECT n FROM numbers", (), 1)],
    "half a character": [(ADD, (1, "\ud800"))],
}


@pytest.mark.parametrize("steps", TRANSACTIONS.values(), ids=TRANSACTIONS)
async def test_a_process_writes_as_a_thread_does(sqlite_url, path, steps):
    ends = []
    for apart in (False, True):
        made = await database(sqlite_url, apart=apart)
        try:
            end = await made.count_at_once(steps)
        except Exception as error:  # noqa: BLE001  # to be compared
            end = (type(error), type(error.__cause__))
        await made.close()
        ends.append((end, numbers(path)))
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM numbers")
    assert ends[0] == ends[1]


async def test_what_comes_together_is_committed_together_and_told_one_by_one(path, written):
    steps = [[(ADD, (n, "a"))] for n in (1, 2, 1, 3, 4, 2, *range(5, 30))]
    ends = await asyncio.gather(*map(written.count_at_once, steps))
    assert ends == [None if at in {2, 5} else [1] for at in range(len(steps))]
    assert [n for n, _ in numbers(path)] == [*range(1, 30)]


async def test_more_than_a_pipe_holds_goes_through(path, written):
    text = "x" * 3 * process.CAPACITY
    ends = await asyncio.gather(*(written.write_at_once([(ADD, (n, text))]) for n in range(4)))
    assert ends == [True] * 4
    assert numbers(path) == [(n, text) for n in range(4)]


async def test_other_transactions_wait_for_those_of_the_process(path, written):
    async def add(connection):
        for n in (100, 101):
            await connection.exec_driver_sql(ADD, (n, "b"))

    works = [written.write_at_once([(ADD, (n, "a"))]) for n in range(10)]
    await asyncio.gather(*works[:5], written.write(add), *works[5:])
    assert len(numbers(path)) == 12


async def test_a_file_that_others_keep_is_waited_for(sqlite_url, path, written):
    async with locked(sqlite_url):
        writing = asyncio.create_task(written.write_at_once([(ADD, (1, "a"))]))
        await asyncio.sleep(0.1)
        assert not writing.done()
    assert await writing
    assert numbers(path) == [(1, "a")]


async def test_a_process_that_is_killed_is_a_database_that_is_away_and_is_replaced(
    path, written, monkeypatch, caplog
):
    monkeypatch.setattr(process, "PAUSE", 0.01)
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    writing = [asyncio.create_task(written.write_at_once([(ADD, (n, "a"))])) for n in range(3)]
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    ends = await asyncio.gather(*writing, return_exceptions=True)
    assert [type(end) for end in ends] == [UnavailableError] * 3
    assert await written.write_at_once([(ADD, (7, "by the thread"))])
    await until(lambda: written._process.is_ready)  # noqa: SLF001  # as above
    assert pids() not in ([], [pid])
    assert await written.write_at_once([(ADD, (8, "by another"))])
    assert numbers(path) == [(7, "by the thread"), (8, "by another")]
    assert "the process that writes has ended, with code -9" in caplog.text


@pytest.mark.parametrize("is_stopping", [False, True])
async def test_a_process_that_says_nothing_is_killed(
    sqlite_url, path, monkeypatch, caplog, is_stopping
):
    monkeypatch.setattr(process, "LOOK", 0.01)
    monkeypatch.setattr(process, "HASTE" if is_stopping else "SILENCE", 0.05)
    written = await database(sqlite_url, apart=True)
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    writing = asyncio.create_task(written.write_at_once([(ADD, (1, "a"))]))
    if is_stopping:
        await asyncio.sleep(0)
        written.hasten()
    with pytest.raises(UnavailableError):
        async with asyncio.timeout(DEADLINE):
            await writing
    assert await written.write_at_once([(ADD, (2, "b"))])
    assert numbers(path) == [(2, "b")]
    assert "does not answer" in caplog.text
    await written.close()


async def test_a_process_that_can_not_be_killed_is_told_of_once(written, monkeypatch, caplog):
    monkeypatch.setattr(process, "LOOK", 0.01)
    monkeypatch.setattr(process, "HASTE", 0.02)
    monkeypatch.setattr(process, "_kill", lambda _: None)  # as while it waits for a disk
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    writing = asyncio.create_task(written.write_at_once([(ADD, (1, "a"))]))
    written.hasten()
    await until(lambda: "does not answer" in caplog.text)
    await asyncio.sleep(0.2)
    assert caplog.text.count("does not answer") == 1
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UnavailableError):
        await writing


async def test_time_in_which_the_gateway_stood_still_counts_little(path, written, monkeypatch):
    monkeypatch.setattr(process, "LOOK", 0.2)
    monkeypatch.setattr(process, "HASTE", 2.0)
    written.hasten()
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    writing = asyncio.create_task(written.write_at_once([(ADD, (1, "a"))]))
    await asyncio.sleep(0.05)
    time.sleep(2.5)  # noqa: ASYNC251  # as when both are suspended
    os.kill(pid, signal.SIGCONT)
    assert await writing
    assert pids() == [pid]
    assert numbers(path) == [(1, "a")]


async def test_the_end_of_a_process_is_told_also_after_one_that_could_not_start(
    sqlite_url, monkeypatch, caplog
):
    monkeypatch.setattr(process, "PAUSE", 0.01)
    start, tries = process._start, []  # noqa: SLF001  # fails as where there are no descriptors

    async def started(opening):
        tries.append(opening)
        if len(tries) == 1:
            raise OSError(24, "Too many open files")
        return await start(opening)

    monkeypatch.setattr(process, "_start", started)
    written = await database(sqlite_url, apart=True)
    (pid,) = pids()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: "has ended, with code -9" in caplog.text)
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    await written.close()


@pytest.mark.usefixtures("written")
async def test_a_process_that_has_nothing_to_say_is_left_alone(path, monkeypatch):
    monkeypatch.setattr(process, "LOOK", 0.01)
    monkeypatch.setattr(process, "SILENCE", 0.0)
    (pid,) = pids()
    await asyncio.sleep(0.1)
    assert pids() == [pid]
    assert numbers(path) == []


async def test_who_is_cancelled_while_closing_leaves_no_process(written, monkeypatch):
    monkeypatch.setattr(process, "LEAVE", 0.2)
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    closing = asyncio.create_task(written._process.close())  # noqa: SLF001  # as above
    await asyncio.sleep(0.05)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await until(lambda: pids() == [])


async def test_a_process_that_goes_just_before_it_is_killed_is_no_error(written, monkeypatch):
    monkeypatch.setattr(process, "LEAVE", 0.0)
    kill = asyncio.subprocess.Process.kill

    def killed(gone):
        kill(gone)
        raise ProcessLookupError

    monkeypatch.setattr(asyncio.subprocess.Process, "kill", killed)
    await written.close()
    await until(lambda: pids() == [])


@pytest.mark.parametrize("late", [1, 2])
async def test_no_descriptor_is_left_where_there_are_no_more(sqlite_url, monkeypatch, late, caplog):
    pipe, made = os.pipe, []

    def pipes():
        if len(made) == late - 1:
            raise OSError(24, "Too many open files")
        made.extend([pipe()])
        return made[-1]

    monkeypatch.setattr(process.os, "pipe", pipes)
    opened = Database(sqlite_url)
    opened.write_apart()
    await until(lambda: "Too many open files" in caplog.text)
    monkeypatch.undo()
    for end in itertools.chain.from_iterable(made):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
    await opened.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_stops_the_gateway_does_not_stop_the_process(path, written, number):
    (pid,) = pids()
    os.kill(pid, number)
    assert await written.write_at_once([(ADD, (1, "a"))])
    assert pids() == [pid]
    assert numbers(path) == [(1, "a")]


async def test_closing_ends_the_process_when_all_is_written(path, written):
    writing = [asyncio.create_task(written.write_at_once([(ADD, (n, "a"))])) for n in range(20)]
    await asyncio.sleep(0)
    await written.close()
    assert all(await asyncio.gather(*writing))
    assert len(numbers(path)) == 20
    assert pids() == []


async def test_what_came_before_the_end_is_carried_out_and_told(sqlite_url, path, written):
    async with locked(sqlite_url):
        writing = [asyncio.create_task(written.write_at_once([(ADD, (n, "a"))])) for n in range(20)]
        await asyncio.sleep(0.1)
        ending = asyncio.create_task(written._process.close())  # noqa: SLF001  # as above
        await asyncio.sleep(0.1)
    assert all(await asyncio.gather(*writing))
    await ending
    assert len(numbers(path)) == 20


async def test_a_process_that_does_not_end_is_killed(written, monkeypatch):
    monkeypatch.setattr(process, "LEAVE", 0.01)
    (pid,) = pids()
    os.kill(pid, signal.SIGSTOP)
    await written.close()
    await until(lambda: pids() == [])


async def test_a_process_that_is_of_no_use_is_done_without(sqlite_url, path, monkeypatch, caplog):
    pauses = []

    async def sleep(pause):
        pauses.append(pause)
        if len(pauses) == 8:
            await asyncio.Event().wait()

    monkeypatch.setattr(process.asyncio, "sleep", sleep)
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    made = Database(sqlite_url)
    made.write_apart()
    async with asyncio.timeout(DEADLINE):
        while len(pauses) < 8:  # sleep is another's here
            assert await made.write_at_once([])
    monkeypatch.setattr(process.sys, "executable", "/bin/nothing-there")
    assert await made.write_at_once([(ADD, (1, "a"))])
    await made.close()
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert numbers(path) == [(1, "a")]
    assert "the process that writes has ended, with code 1" in caplog.text


@pytest.mark.usefixtures("path")
async def test_a_process_that_can_not_be_started_is_done_without(sqlite_url, monkeypatch, caplog):
    monkeypatch.setattr(process.sys, "executable", "/bin/nothing-there")
    made = Database(sqlite_url)
    made.write_apart()
    await until(lambda: "can't be started" in caplog.text)
    assert await made.write_at_once([(ADD, (1, "a"))])
    await made.close()


CHILD = """
import asyncio, sys
from recado_core.engine.store.database import Database

async def main():
    database = Database(sys.argv[1])
    database.write_apart()
    while not database._process.is_ready:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.usefixtures("path")
async def test_the_process_ends_with_the_gateway(sqlite_url):
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, sqlite_url, stdout=asyncio.subprocess.PIPE
    )
    assert await gateway.stdout.readline() == b"ready\n"
    gateway.kill()
    # The process has the pipe to this one too, as it says what goes wrong to the same console.
    async with asyncio.timeout(DEADLINE):
        assert await gateway.stdout.read() == b""
        await gateway.wait()


def test_a_file_that_can_not_be_opened_is_told_in_a_line(tmp_path):
    requests, answers = os.pipe(), os.pipe()
    opening = program.Opening(arguments=[str(tmp_path)], options={}, pragmas="")
    settings = program.Settings(
        requests=requests[0], answers=answers[1], opening=opening, together=8
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program.signal, "signal", lambda *_: None)
        patch.setattr(program.gc, "freeze", lambda: None)
        said = program.main(program.msgspec.json.encode(settings).decode())
    for end in (*requests, *answers):
        os.close(end)
    told = "recado: the process that writes can't open the database: unable to open database file"
    assert said == told


def test_frames_are_put_together_from_any_pieces():
    said = [Request.of(n, [(ADD, (n, "x" * n))]) for n in (0, 1, 300, 2)]
    whole = b"".join(map(frame, said))
    for size in (1, 7, 100, len(whole)):
        frames = Frames()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        come = itertools.chain.from_iterable(map(frames.feed, pieces))
        read = [program._request(each) for each in come]  # noqa: SLF001  # as the process reads it
        assert [(each.number, each.steps()) for each in read] == [
            (n, [(ADD, (n, "x" * n))]) for n in (0, 1, 300, 2)
        ]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ChangedError(), ChangedError, ""),
        (sqlite3.IntegrityError("twice"), sqlite3.IntegrityError, "twice"),
        (sqlite3.ProgrammingError("no"), sqlite3.ProgrammingError, "no"),
        (OverflowError("too large"), OverflowError, "too large"),
        (MemoryError("full"), sqlite3.DatabaseError, "MemoryError: full"),
        (ValueError("no"), ValueError, "no"),
        (RuntimeError("no"), sqlite3.DatabaseError, "RuntimeError: no"),
    ],
)
def test_errors_are_told_as_they_were(error, kind, text):
    failure = Answer.of(1, (), error).failure()
    assert type(failure) is kind
    assert str(failure) == text


def test_an_error_keeps_sqlites_code():
    error = sqlite3.OperationalError("locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    failure = Answer.of(1, (), error).failure()
    assert failure.sqlite_errorcode == sqlite3.SQLITE_BUSY
    assert Answer.of(1, [2, 3], None).failure() is None
