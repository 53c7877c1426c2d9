import asyncio
import json

import msgspec
import pytest
import sqlalchemy as sa
from recado_core import TransientSendError
from recado_core.checks import OnFailure
from recado_core.engine.accept.accepting import BatchRequest, Draft, IdempotencyKey
from recado_core.engine.failures import (
    DraftError,
    IdempotencyMismatchError,
    IdempotencyRunningError,
)
from recado_core.engine.messages.messages import MessageFilter
from recado_core.engine.store.database import Database
from recado_core.engine.store.schema import idempotency_keys

DAY = 24 * 3600
DRAFT = Draft(to="+5511900000001", text="oi")
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


def key(name="k1", *, owner="client", fingerprint="body"):
    return IdempotencyKey(owner=owner, key=name, fingerprint=fingerprint)


async def count(house):
    return len((await house.engine.messages.list(MessageFilter(), limit=100)).items)


class Gate:
    """A check that lets everyone pass, when it opens."""

    id = "gate"
    on_failure = OnFailure.HOLD
    time_limit = 20.0

    def __init__(self, wait):
        self._wait = wait

    async def check(self, recipients):
        await self._wait()
        return [None] * len(recipients)


async def test_the_same_call_again_is_answered_with_the_same_bytes(house):
    first = await house.engine.accept.message(DRAFT, key())
    house.clock.advance(60)
    again = await house.engine.accept.message(DRAFT, key())
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.body, again.status) == (first.body, first.status)
    assert await count(house) == 1


@on_sqlite
async def test_an_answer_is_the_one_of_then_whatever_became_of_the_message(house):
    first = await house.engine.accept.message(DRAFT, key())
    await house.settle()
    again = await house.engine.accept.message(DRAFT, key())
    assert again.body == first.body
    assert json.loads(again.body)["status"] == "queued"


@on_sqlite
async def test_another_body_under_the_same_key_is_an_error(house):
    await house.engine.accept.message(DRAFT, key())
    with pytest.raises(IdempotencyMismatchError):
        await house.engine.accept.message(DRAFT, key(fingerprint="another body"))
    assert await count(house) == 1


@on_sqlite
async def test_keys_of_different_clients_are_different_keys(house):
    answers = [await house.engine.accept.message(DRAFT, key(owner=owner)) for owner in ("a", "b")]
    assert [answer.replayed for answer in answers] == [False, False]
    assert await count(house) == 2


@on_sqlite
async def test_a_batch_with_a_key_is_accepted_once(house):
    raw = msgspec.Raw(msgspec.json.encode({"to": "+5511900000001", "text": "oi"}))
    request = BatchRequest(messages=[raw, raw])
    first = await house.engine.accept.batch(request, key())
    assert (await house.engine.accept.batch(request, key())).body == first.body
    assert await count(house) == 2


@on_sqlite
async def test_a_resend_with_a_key_is_done_once(open_house):
    async with open_house(retry_delays=()) as house:
        house.vendor.answers = [TransientSendError("down", code="503")]
        old = await house.accept()
        await house.settle()
        first = await house.engine.accept.resend(old, key())
        again = await house.engine.accept.resend(old, key())
        assert (again.replayed, again.body) == (True, first.body)
        assert await count(house) == 2


@on_sqlite
async def test_the_first_call_must_be_finished(open_house):
    opened = asyncio.Event()
    async with open_house(checks=[Gate(opened.wait)]) as house:
        first = asyncio.create_task(house.engine.accept.message(DRAFT, key()))
        await asyncio.sleep(0)
        with pytest.raises(IdempotencyRunningError):
            await house.engine.accept.message(DRAFT, key())
        other = asyncio.create_task(house.engine.accept.message(DRAFT, key("k2")))
        opened.set()
        assert not (await first).replayed
        assert not (await other).replayed
        assert (await house.engine.accept.message(DRAFT, key())).replayed


@on_sqlite
async def test_a_call_that_was_given_up_leaves_its_key_free(open_house):
    opened = asyncio.Event()
    async with open_house(checks=[Gate(opened.wait)]) as house:
        first = asyncio.create_task(house.engine.accept.message(DRAFT, key()))
        await asyncio.sleep(0)
        first.cancel()
        opened.set()
        await asyncio.wait([first])
        assert not (await house.engine.accept.message(DRAFT, key())).replayed


@on_sqlite
async def test_a_client_that_gives_up_and_calls_again_gets_one_message(house, database_url):
    other_process = Database(database_url)
    async with other_process.transaction():  # until it ends, whatever comes waits for one commit
        waiting = asyncio.create_task(house.accept())
        given_up = asyncio.create_task(house.engine.accept.message(DRAFT, key()))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.wait([given_up])
        again = asyncio.create_task(house.engine.accept.message(DRAFT, key()))
        await asyncio.sleep(0.05)
    await other_process.close()
    answer = await again
    assert await count(house) == 2
    assert await house.status(await waiting) == "queued"
    assert await house.status(json.loads(answer.body)["id"]) == "queued"


@on_sqlite
async def test_a_call_that_was_refused_leaves_its_key_free(house):
    with pytest.raises(DraftError):
        await house.engine.accept.message(Draft(to="x", text="oi"), key(fingerprint="bad"))
    assert not (await house.engine.accept.message(DRAFT, key())).replayed


async def test_a_key_is_forgotten_after_a_day(house):
    first = await house.engine.accept.message(DRAFT, key())
    house.clock.advance(DAY - 1)
    assert (await house.engine.accept.message(DRAFT, key())).replayed
    house.clock.advance(1)
    later = await house.engine.accept.message(DRAFT, key(fingerprint="another body"))
    assert not later.replayed
    assert json.loads(later.body)["id"] != json.loads(first.body)["id"]
    assert await count(house) == 2


@on_sqlite
async def test_forgotten_keys_leave_the_store(house, database_url):
    await house.engine.accept.message(DRAFT, key("old"))
    house.clock.advance(DAY)
    await house.engine.accept.message(DRAFT, key("new"))
    database = Database(database_url)
    async with database.read() as connection:
        left = (await connection.execute(sa.select(idempotency_keys.c.key))).scalars().all()
    await database.close()
    assert left == ["new"]


@on_sqlite
async def test_a_key_outlives_the_engine(open_house):
    async with open_house() as house:
        first = await house.engine.accept.message(DRAFT, key())
    async with open_house(clock=house.clock) as house:
        again = await house.engine.accept.message(DRAFT, key())
    assert (again.replayed, again.body) == (True, first.body)


async def test_two_processes_that_get_one_call_at_once_do_it_once(open_house):
    # Neither looks for the key again before both have found it free.
    checks = [Gate(asyncio.Barrier(2).wait)]
    async with open_house(checks=checks) as one, open_house(checks=checks) as other:
        answers = await asyncio.gather(
            *(house.engine.accept.message(DRAFT, key()) for house in (one, other))
        )
        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].body == answers[1].body
        message_id = json.loads(answers[0].body)["id"]
        assert await count(one) == 1
        assert len((await one.show(message_id)).events) == 1


async def test_two_processes_that_get_two_bodies_at_once_take_one(open_house):
    checks = [Gate(asyncio.Barrier(2).wait)]
    async with open_house(checks=checks) as one, open_house(checks=checks) as other:
        results = await asyncio.gather(
            one.engine.accept.message(DRAFT, key(fingerprint="one")),
            other.engine.accept.message(DRAFT, key(fingerprint="other")),
            return_exceptions=True,
        )
        assert sum(isinstance(it, IdempotencyMismatchError) for it in results) == 1
        assert await count(one) == 1


async def test_two_processes_that_get_many_calls_crosswise_do_each_once(open_house):
    names = [f"k{index}" for index in range(20)]
    async with open_house() as one, open_house() as other:
        answers = await asyncio.gather(
            *(one.engine.accept.message(DRAFT, key(name)) for name in names),
            *(other.engine.accept.message(DRAFT, key(name)) for name in reversed(names)),
        )
        bodies = [answer.body for answer in answers]
        assert bodies[:20] == bodies[:19:-1]
        assert sum(answer.replayed for answer in answers) == 20
        assert await count(one) == 20
