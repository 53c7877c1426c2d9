import asyncio
import weakref
from contextlib import suppress

import pytest
import sqlalchemy as sa
from recado_core.engine.accept.accepting import Draft, IdempotencyKey
from recado_core.engine.grouping import LATER, Grouping
from recado_core.engine.messages.messages import MessageFilter
from sqlalchemy.exc import DBAPIError


class Store:
    """Commits groups: remembers them, fails where it meets ``bad``, and waits while it is shut."""

    def __init__(self):
        self.begun = []
        self.groups = []
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, items):
        self.begun.append(list(items))
        await self.open.wait()
        if "bad" in items:
            raise ValueError("bad")
        self.groups.append(list(items))
        return [f"{item} done" for item in items]


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def submit_all(group, items):
    return await asyncio.gather(*(group.submit(item) for item in items), return_exceptions=True)


async def test_everyone_gets_the_result_of_what_they_submitted():
    group = Grouping(Store().commit)
    items = [str(index) for index in range(64)]
    assert await submit_all(group, items) == [f"{item} done" for item in items]


async def test_what_comes_during_a_commit_shares_the_next_one():
    store = Store()
    group = Grouping(store.commit)
    store.open.clear()
    first = asyncio.create_task(group.submit("first"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = asyncio.create_task(submit_all(group, [str(index) for index in range(63)]))
    await asyncio.sleep(0)
    store.open.set()
    await asyncio.gather(first, others)
    assert [len(items) for items in store.groups] == [1, 63]


async def test_a_bad_item_fails_alone():
    store = Store()
    results = await submit_all(Grouping(store.commit), ["a", "bad", "b"])
    assert (results[0], results[2]) == ("a done", "b done")
    assert isinstance(results[1], ValueError)
    assert store.groups == [["a"], ["b"]]


async def test_a_failure_that_would_meet_each_alone_too_is_met_once():
    tried = []

    async def commit(items):
        tried.append(list(items))
        raise ConnectionError("down")

    group = Grouping(commit, is_fatal=lambda error: isinstance(error, ConnectionError))
    results = await submit_all(group, ["a", "b", "c"])
    assert [type(result) for result in results] == [ConnectionError] * 3
    assert tried == [["a", "b", "c"]]


async def test_it_goes_on_after_a_failure():
    group = Grouping(Store().commit)
    with pytest.raises(ValueError, match="bad"):
        await group.submit("bad")
    assert await group.submit("a") == "a done"


async def test_a_group_is_no_heavier_than_the_limit():
    store = Store()
    group = Grouping(store.commit, weigh=len, limit=5)
    await submit_all(group, ["aa", "bb", "cc", "d" * 9, "e", "ffff", "g"])
    assert store.groups == [["aa", "bb"], ["cc"], ["d" * 9], ["e", "ffff"], ["g"]]


async def test_a_full_group_waits_for_no_other_where_several_may_be_worked_on():
    store = Store()
    group = Grouping(store.commit, weigh=len, limit=2, at_once=2)
    store.open.clear()
    items = ["a", "bb", "cc", "d"]
    results = [asyncio.create_task(group.submit(item)) for item in items]
    await turns()
    assert store.begun == [["a"], ["bb"]]
    store.open.set()
    assert await asyncio.gather(*results) == [f"{item} done" for item in items]
    assert sorted(store.groups) == [["a"], ["bb"], ["cc"], ["d"]]
    assert await group.submit("e") == "e done"


async def test_less_than_a_full_group_waits_to_share_the_next_one():
    store = Store()
    group = Grouping(store.commit, weigh=len, limit=3, at_once=2)
    store.open.clear()
    first = asyncio.create_task(group.submit("aaa"))
    await turns()
    others = [asyncio.create_task(group.submit(item)) for item in ("b", "c")]
    await turns()
    assert store.begun == [["aaa"]]
    store.open.set()
    await asyncio.gather(first, *others)
    assert store.groups == [["aaa"], ["b", "c"]]


async def test_who_no_longer_waits_keeps_nobody_else_waiting():
    store = Store()
    group = Grouping(store.commit)
    store.open.clear()
    waiting = [asyncio.create_task(group.submit(item)) for item in ("a", "b")]
    await asyncio.sleep(0)
    waiting[0].cancel()
    store.open.set()
    assert await waiting[1] == "b done"
    assert store.groups == [["a", "b"]]


class Commits:
    """Counts the inserts into ``messages``: one for each transaction that stores some."""

    def __enter__(self):
        self.count = 0
        sa.event.listen(sa.Engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_):
        sa.event.remove(sa.Engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, *_):
        self.count += statement.startswith("INSERT INTO messages")


async def test_64_clients_at_once_share_the_commits(house):
    with Commits() as commits:
        ids = await asyncio.gather(*(house.accept() for _ in range(64)))
    assert len(set(ids)) == 64
    stored = await house.engine.messages.list(MessageFilter(), limit=100)
    assert {message.id for message in stored.items} == set(ids)
    assert 1 <= commits.count <= 4


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_one_client_waits_for_nobody(house):
    with Commits() as commits:
        for _ in range(3):
            await house.accept()
    assert commits.count == 3


@pytest.mark.parametrize("database_url", ["postgres_url"], indirect=True)  # SQLite takes any length
async def test_a_call_that_the_database_refuses_fails_alone(house):
    keys = [None] * 10
    keys[4] = IdempotencyKey(owner="o", key="k" * 256, fingerprint="f")
    draft = Draft(to="+5511900000001", text="oi")
    results = await asyncio.gather(
        *(house.engine.accept.message(draft, key) for key in keys), return_exceptions=True
    )
    assert [index for index, it in enumerate(results) if isinstance(it, DBAPIError)] == [4]
    assert len((await house.engine.messages.list(MessageFilter())).items) == 9


@pytest.mark.usefixtures("no_collector")
async def test_what_failed_is_not_kept_by_its_own_error():
    class Body:
        """Stands for what a request brought along."""

    async def fail(_group):
        raise ValueError("no")

    group = Grouping(fail)
    kept = weakref.WeakSet()

    async def ask():
        body = Body()
        kept.add(body)
        with suppress(ValueError):
            await group.submit(body)

    await asyncio.gather(*(ask() for _ in range(3)))
    assert not kept


async def test_who_is_to_wait_for_somebody_else_waits_on():
    async def work(items):
        return [LATER if item == "later" else item for item in items]

    group = Grouping(work)
    later = asyncio.create_task(group.submit("later"))
    assert await group.submit("now") == "now"
    await turns()
    assert not later.done()
    later.cancel()


async def test_work_that_is_broken_off_fails_none_that_waits_for_somebody_else():
    loop, begun, hold = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def work(items):
        begun.set()
        await hold.wait()
        return [LATER] * len(items)

    group = Grouping(work)
    later, next_one = loop.create_future(), loop.create_future()
    before = asyncio.all_tasks()
    group.put("later", later)
    (worker,) = asyncio.all_tasks() - before
    await begun.wait()
    group.put("next", next_one)
    hold.set()
    await asyncio.sleep(0)  # the worker is done with the first, and looks whether more come
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert not later.done()
    assert isinstance(next_one.exception(), RuntimeError)
