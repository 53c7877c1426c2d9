import asyncio
from datetime import timedelta

import pytest
from recado_core.engine.accept.accepting import IdempotencyKey
from recado_core.engine.clients.keys import SCOPES
from recado_core.engine.failures import (
    DraftError,
    IdempotencyMismatchError,
    NotFoundError,
)
from recado_core.engine.store.statements import keys as store

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)


async def test_a_new_key_is_shown_once_and_recognised(house):
    made = await house.engine.keys.create(
        " crm ", ["messages:read", "messages:send", "messages:read"]
    )
    assert made.token.startswith("rcd_")
    assert len(made.token) > 40
    assert (made.name, made.scopes) == ("crm", ["messages:send", "messages:read"])
    found = await house.engine.keys.authenticate(made.token)
    assert (found.id, found.name, found.scopes) == (made.id, made.name, made.scopes)
    (listed,) = await house.engine.keys.list()
    assert (listed.id, listed.created_at) == (made.id, house.clock.now())
    assert made.token.startswith(listed.prefix)
    assert len(listed.prefix) <= 12
    assert not hasattr(listed, "token")


@on_sqlite
async def test_no_two_keys_are_alike(house):
    made = [await house.engine.keys.create("crm", ["admin"]) for _ in range(5)]
    assert len({key.token for key in made}) == 5
    listed = await house.engine.keys.list()
    assert [key.id for key in listed] == [key.id for key in made]
    assert not any(key.token in repr(listed) for key in made)


@on_sqlite
async def test_another_token_is_nobodys(house):
    made = await house.engine.keys.create("crm", ["admin"])
    for token in ("", "rcd_", "é", "x" * 10_000, made.token[:-1], made.token + "A"):
        assert await house.engine.keys.authenticate(token) is None


@on_sqlite
@pytest.mark.parametrize("keyed", [False, True])
async def test_the_store_holds_no_token(house, database_url, keyed):
    creator = await house.engine.keys.create("boss", ["admin"])
    key = IdempotencyKey(owner="boss", key="k1", fingerprint="f") if keyed else None
    made = await house.engine.keys.create("crm", ["admin"], key, creator.token)
    await house.engine.keys.authenticate(made.token)
    await house.settle()
    path = database_url.partition("///")[2]
    stored = b""
    for suffix in ("", "-wal"):
        with open(path + suffix, "rb") as file:  # noqa: ASYNC230, PTH123  # a small file
            stored += file.read()
    assert made.id.encode() in stored
    for token in (creator.token, made.token):
        assert token.encode() not in stored
        assert token[4:].encode() not in stored


@on_sqlite
async def test_a_wrong_name_or_scope_is_told_and_nothing_stored(house):
    for name, scopes, pointers in (
        ("", ["admin"], ["/name"]),
        ("  ", ["admin"], ["/name"]),
        ("x" * 121, ["admin"], ["/name"]),
        ("a\0b", ["admin"], ["/name"]),
        ("crm", [], ["/scopes"]),
        ("crm", ["admin", "root", "manage", "*"], ["/scopes/1", "/scopes/3"]),
        ("", ["root"], ["/name", "/scopes/0"]),
    ):
        with pytest.raises(DraftError) as caught:
            await house.engine.keys.create(name, scopes)
        assert [fault.pointer for fault in caught.value.faults] == pointers
    assert await house.engine.keys.list() == []


async def test_a_long_name_is_taken_as_both_databases_can_keep_it(house):
    made = await house.engine.keys.create(" " * 50 + "é" * 120 + " " * 50, SCOPES)
    assert made.name == "é" * 120
    assert made.scopes == list(SCOPES)


async def test_a_revoked_key_is_nobodys_at_once(house):
    made = await house.engine.keys.create("crm", ["admin"])
    assert await house.engine.keys.authenticate(made.token)
    await house.engine.keys.revoke(made.id)
    assert await house.engine.keys.authenticate(made.token) is None
    assert await house.engine.keys.list() == []
    with pytest.raises(NotFoundError):
        await house.engine.keys.revoke(made.id)


async def test_a_look_that_began_before_a_key_was_revoked_does_not_bring_it_back(
    house, monkeypatch
):
    made = await house.engine.keys.create("crm", ["admin"])
    find, found, go = store.api_key_by_hash, asyncio.Event(), asyncio.Event()

    async def find_slowly(connection, digest):
        row = await find(connection, digest)
        found.set()
        await go.wait()
        return row

    monkeypatch.setattr(store, "api_key_by_hash", find_slowly)
    asked = asyncio.create_task(house.engine.keys.authenticate(made.token))
    async with asyncio.timeout(20):
        await found.wait()
        await house.engine.keys.revoke(made.id)
        go.set()
        assert await asked is None
    assert await house.engine.keys.authenticate(made.token) is None


async def test_a_key_is_looked_up_once_for_all_who_wait_and_not_again_for_a_while(
    house, monkeypatch
):
    made = await house.engine.keys.create("crm", ["admin"])
    find, looks = store.api_key_by_hash, []

    async def count(connection, digest):
        looks.append(digest)
        return await find(connection, digest)

    monkeypatch.setattr(store, "api_key_by_hash", count)
    calls = [house.engine.keys.authenticate(made.token) for _ in range(50)]
    assert {key.id for key in await asyncio.gather(*calls)} == {made.id}
    assert len(looks) <= 2
    looks.clear()
    house.clock.advance(1.9)
    await house.engine.keys.authenticate(made.token)
    assert looks == []
    house.clock.advance(0.1)
    await house.engine.keys.authenticate(made.token)
    assert len(looks) == 1
    earlier = house.clock.now() - timedelta(hours=1)  # a clock that was put right
    monkeypatch.setattr(house.engine.keys, "_now", lambda: earlier)
    await house.engine.keys.authenticate(made.token)
    assert len(looks) == 2


async def test_a_key_revoked_in_another_process_soon_is_nobodys_here(open_house):
    async with open_house() as here, open_house() as there:
        made = await here.engine.keys.create("crm", ["admin"])
        assert await there.engine.keys.authenticate(made.token)
        await here.engine.keys.revoke(made.id)
        there.clock.advance(2)
        assert await there.engine.keys.authenticate(made.token) is None


@on_sqlite
async def test_a_revocation_holds_when_its_caller_is_gone(house):
    keys = house.engine.keys
    made = await keys.create("crm", ["admin"])
    assert await keys.authenticate(made.token)
    call = asyncio.create_task(keys.revoke(made.id))
    await asyncio.sleep(0)  # it is on its way to the store
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await keys.list() == []
    assert await keys.authenticate(made.token) is None


@on_sqlite
async def test_a_revocation_that_fails_leaves_the_key_good(house, monkeypatch):
    keys = house.engine.keys
    made = await keys.create("crm", ["admin"])

    async def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(store, "revoke_api_key", fail)
    with pytest.raises(Exception, match="can't be reached"):
        await keys.revoke(made.id)
    assert (await keys.authenticate(made.token)).id == made.id


@on_sqlite
async def test_the_last_use_is_noted(house):
    used = await house.engine.keys.create("used", ["admin"])
    await house.engine.keys.create("unused", ["admin"])
    house.clock.advance(60)
    at = house.clock.now()
    await house.engine.keys.authenticate(used.token)
    await house.settle()
    house.clock.advance(60)
    await house.settle()
    assert [key.last_used_at for key in await house.engine.keys.list()] == [at, None]


@on_sqlite
async def test_a_repeated_call_gets_the_same_token(open_house):
    key = IdempotencyKey(owner="boss", key="k1", fingerprint="f")
    async with open_house() as house:
        creator = await house.engine.keys.create("boss", ["admin"])
        first = await house.engine.keys.create("crm", ["manage"], key, creator.token)
        again = await house.engine.keys.create("crm", ["manage"], key, creator.token)
    async with open_house(clock=house.clock) as house:  # nothing of it was kept in memory
        later = await house.engine.keys.create("crm", ["manage"], key, creator.token)
        assert (first.replayed, again.replayed, later.replayed) == (False, True, True)
        assert first.token == again.token == later.token
        assert first.id == again.id == later.id
        assert (await house.engine.keys.authenticate(first.token)).id == first.id
        assert len(await house.engine.keys.list()) == 2
        with pytest.raises(IdempotencyMismatchError):
            await house.engine.keys.create(
                "other",
                ["manage"],
                IdempotencyKey(owner="boss", key="k1", fingerprint="other"),
                creator.token,
            )


@on_sqlite
async def test_tokens_made_under_different_keys_differ(house):
    creator = await house.engine.keys.create("boss", ["admin"])
    made = [
        await house.engine.keys.create(
            "crm",
            ["manage"],
            IdempotencyKey(owner="boss", key=name, fingerprint="f"),
            creator.token,
        )
        for name in ("k1", "k2")
    ]
    assert made[0].token != made[1].token
