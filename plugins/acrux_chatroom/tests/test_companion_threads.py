import asyncio
import threading

import pytest
from recado_acrux_chatroom.companion.threads import Threads
from recado_core import InDoubtError, TransientSendError, UnreachableError


class OwnError(Exception):
    pass


@pytest.fixture
def gate():
    """What keeps a thread until the test lets it go."""
    gate = threading.Event()
    yield gate
    gate.set()


def write_and_wait(gate):
    def work(permit):
        permit.begin(writes=True)
        assert gate.wait(30)
        return "done"

    return work


async def test_what_the_work_returns_or_raises_comes_back_as_it_is():
    threads = Threads(1, 10)

    def fail(_):
        raise OwnError

    assert await threads.run(lambda _: 7) == 7
    with pytest.raises(OwnError):
        await threads.run(fail)
    assert await threads.run(lambda _: None) is None


async def test_work_runs_in_threads_that_never_keep_the_program_from_ending():
    found = await Threads(1, 10).run(lambda _: threading.current_thread())
    assert found is not threading.main_thread()
    assert found.daemon


async def test_no_more_work_than_the_limit_runs_at_once():
    threads, now, most = Threads(2, 20), [], []

    def work(_):
        now.append(1)
        most.append(len(now))
        threading.Event().wait(0.02)
        now.pop()

    await asyncio.gather(*(threads.run(work) for _ in range(10)))
    assert max(most) == 2


async def test_work_that_outlives_its_deadline_keeps_its_place_until_it_ends(gate):
    threads = Threads(1, 0.05)
    with pytest.raises(InDoubtError):
        await threads.run(write_and_wait(gate))
    with pytest.raises(UnreachableError):
        await threads.run(lambda _: 7)
    gate.set()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await threads.run(lambda _: 7) == 7
            except UnreachableError:
                continue
            break


async def test_work_waits_until_there_is_a_place_for_it(gate):
    threads = Threads(1, 20)
    first = asyncio.ensure_future(threads.run(write_and_wait(gate)))
    second = asyncio.ensure_future(threads.run(lambda _: 7))
    await asyncio.wait([second], timeout=0.05)
    assert not second.done()
    gate.set()
    assert await first == "done"
    assert await second == 7


async def test_work_that_has_been_given_up_begins_nothing_more(gate):
    refused = threading.Event()

    def work(permit):
        permit.begin(writes=False)
        gate.wait(30)
        try:
            permit.begin(writes=True)
        except TransientSendError:
            refused.set()

    with pytest.raises(TransientSendError):
        await Threads(1, 0.05).run(work)
    gate.set()
    assert await asyncio.to_thread(refused.wait, 20)


async def test_system_without_threads_leaves_the_place_free(monkeypatch):
    threads = Threads(1, 10)

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            await threads.run(lambda _: 7)
    assert await threads.run(lambda _: 7) == 7


def test_thread_that_outlives_its_loop_ends_in_silence(gate):
    async def give_up():
        with pytest.raises(InDoubtError):
            await Threads(1, 0.05).run(write_and_wait(gate))

    asyncio.run(give_up())
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "odoo-rpc":
            thread.join(20)
            assert not thread.is_alive()
