"""API keys: made, shown once, kept as hashes, recognised."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from recado_core.engine.clients.idempotency import Answer, IdempotencyKey, Once
from recado_core.engine.failures import DraftError, Fault, NotFoundError
from recado_core.engine.grouping import Grouping
from recado_core.engine.store.database import Database, is_down
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import keys as store

SCOPES = ("messages:send", "messages:read", "manage", "admin")
"""What a key may do; ``manage`` includes both of messages, ``admin`` everything."""

RECOGNISED_FOR = timedelta(seconds=2)
"""How long a key is recognised without a look at the store: what a revocation elsewhere may lag."""

_MARK = "rcd_"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its secret; ``prefix`` is how a person recognises it."""

    id: str
    name: str
    scopes: list[str]
    prefix: str
    created_at: datetime
    last_used_at: datetime | None = None


class CreatedKey(ApiKey, frozen=True, kw_only=True):
    """A new API key with its token, which is shown this once."""

    token: str
    replayed: bool = False


class Keys:
    """Makes and recognises API keys."""

    def __init__(self, database: Database, once: Once, now: Callable[[], datetime]) -> None:
        self._database = database
        self._once = once
        self._now = now
        self._known: dict[str, tuple[ApiKey, datetime]] = {}  # by its hash, and when it was read
        self._revoked: set[str] = set()
        self._lookups = Grouping(partial(_find, database), is_fatal=is_down)
        self._used: dict[str, datetime] = {}

    async def create(
        self,
        name: str,
        scopes: Sequence[str],
        key: IdempotencyKey | None = None,
        creator_token: str | None = None,
    ) -> CreatedKey:
        """Make a key.

        Args:
            name: For people, 1 to 120 characters.
            scopes: Of ``SCOPES``, at least one.
            key: The call's idempotency key.
            creator_token: The token that made a call with an idempotency key. The new token is then
                derived from it, so that a repeated call is answered alike and no token is stored.

        Raises:
            DraftError: The name or a scope is wrong.
            IdempotencyMismatchError: The key came before, with another body.
            IdempotencyRunningError: The first call with this key is not finished.
        """
        name = name.strip()
        if key is not None and creator_token is None:
            raise TypeError("a call with an idempotency key needs the token that made it")
        _check(name, scopes)
        async with self._once.claimed(key) as answered:
            if answered:
                return _repeat(answered, creator_token)
            made = ApiKey(
                id=new_id(),
                name=name,
                scopes=sorted(set(scopes), key=SCOPES.index),
                prefix="",
                created_at=self._now(),
            )
            token = _derived(made.id, creator_token) if key and creator_token else _random()
            made = msgspec.structs.replace(made, prefix=token[:12])
            answer = Answer(body=msgspec.json.encode(made), status=201)
            row = msgspec.structs.asdict(made) | {"hash": _hash(token)}
            kept = await self._once.keep(key, answer, partial(store.insert_api_key, row=row))
            if kept.replayed:
                return _repeat(kept, creator_token)
        return CreatedKey(**msgspec.structs.asdict(made), token=token)

    async def list(self) -> list[ApiKey]:
        """Return the keys that are not revoked, the oldest first."""
        async with self._database.read() as connection:
            return [_view(row) for row in await store.list_api_keys(connection)]

    async def revoke(self, key_id: str) -> None:
        """Revoke a key, or raise ``NotFoundError``."""
        now, shown = self._now(), key_id.replace("\0", "")  # nothing stored has a zero byte
        # Before the write: a look at the store that began earlier must not bring the key back, and
        # who waits for the write may be cancelled.
        self._revoked.add(shown)
        self._known = {
            digest: entry for digest, entry in self._known.items() if entry[0].id != shown
        }
        revoked = False
        try:
            revoked = await self._database.write(
                lambda connection: store.revoke_api_key(connection, shown, now)
            )
        except asyncio.CancelledError:
            revoked = True  # as far as is known
            raise
        finally:
            if not revoked:
                self._revoked.discard(shown)
        if not revoked:
            raise NotFoundError(f"there is no API key {key_id!r}")

    async def authenticate(self, token: str) -> ApiKey | None:
        """Return the key that this token belongs to, or None.

        A key that this process has revoked is refused from then on, one that another has at the
        latest after ``RECOGNISED_FOR``.
        """
        now, digest = self._now(), _hash(token)
        known = self._known.get(digest)
        # a clock that was put back must not make it longer
        if known is None or not known[1] <= now < known[1] + RECOGNISED_FOR:
            found = await self._lookups.submit(digest)
            if found is None or found.id in self._revoked:
                self._known.pop(digest, None)
                return None
            known = self._known[digest] = (found, now)
        self._used[known[0].id] = now
        return known[0]

    async def note_uses(self) -> None:
        """Write down when keys were last used."""
        used, self._used = self._used, {}
        if used:
            uses = [{"id_": key_id, "used_at": at} for key_id, at in used.items()]
            await self._database.write(lambda connection: store.note_use(connection, uses))


async def _find(database: Database, digests: Sequence[str]) -> list[ApiKey | None]:
    """Look up every key once, of however many calls."""
    found: dict[str, ApiKey | None] = {}
    async with database.read() as connection:
        for digest in set(digests):
            row = await store.api_key_by_hash(connection, digest)
            found[digest] = _view(row) if row else None
    return [found[digest] for digest in digests]


def _check(name: str, scopes: Sequence[str]) -> None:
    faults = []
    if not 1 <= len(name) <= 120 or not name.isprintable():  # noqa: PLR2004
        faults.append(Fault(pointer="/name", detail="must have 1 to 120 printable characters"))
    if not scopes:
        faults.append(Fault(pointer="/scopes", detail=f"needs one of {', '.join(SCOPES)}"))
    for index, scope in enumerate(scopes):
        if scope not in SCOPES:
            detail = f"unknown; there is {', '.join(SCOPES)}"
            faults.append(Fault(pointer=f"/scopes/{index}", detail=detail))
    if faults:
        raise DraftError(faults)


def _random() -> str:
    return _MARK + secrets.token_urlsafe(32)


def _derived(key_id: str, creator_token: str) -> str:
    secret = hmac.digest(creator_token.encode(), b"api-key " + key_id.encode(), "sha256")
    return _MARK + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def _repeat(answer: Answer, creator_token: str | None) -> CreatedKey:
    made = msgspec.json.decode(answer.body, type=ApiKey)
    token = _derived(made.id, creator_token or "")
    return CreatedKey(**msgspec.structs.asdict(made), token=token, replayed=True)


def _hash(token: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()


def _view(row: dict[str, Any]) -> ApiKey:
    return ApiKey(**{name: row[name] for name in ApiKey.__struct_fields__})
