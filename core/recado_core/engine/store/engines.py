"""SQLAlchemy's engines for SQLite and PostgreSQL: addresses, and what connections begin with."""

from functools import partial
from time import monotonic
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from recado_core.engine.store import sqlite
from recado_core.engine.store.schema import encode_json
from recado_core.engine.store.writer.program import Opening
from recado_core.errors import ConfigurationError

WRITERS_CACHE = 65_536
"""Kibibytes of SQLite's pages that the connection keeps that writes."""
READERS_CACHE = 8192
"""Kibibytes that each of those keeps that read; behind it is the system's own cache."""
STATEMENTS = 256
"""Statements that each of SQLite's connections keeps prepared."""
IDLE = 5.0
"""Seconds without use after which a connection to PostgreSQL is asked whether it still works."""


def parse_url(url: str) -> sa.URL:
    """Read ``gateway.database``; raise ``ConfigurationError`` for one that can't be used."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("gateway.database: not a database address") from error
    if parsed.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise ConfigurationError(
            "gateway.database: must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://, "
            f"not {parsed.drivername}"
        )
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("gateway.database: SQLite needs a file, such as recado.db")
    return parsed


def postgres_engine(url: sa.URL, *, size: int) -> AsyncEngine:
    """Return the engine of a PostgreSQL database, with so many connections at the most."""
    engine = create_async_engine(url, pool_size=size, **_OPTIONS)

    @sa.event.listens_for(engine.sync_engine, "checkin")
    def note_use(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used"] = monotonic()

    # As ``pool_pre_ping`` does, whose question takes three round trips each time. A server that
    # ends says so: only what stands between can break a connection unnoticed, and it takes longer.
    @sa.event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401  # the driver's
        dialect = engine.dialect
        if connection.driver_connection.is_closed():
            raise sa.exc.InvalidatePoolError
        if monotonic() - record.info.get("used", monotonic()) > IDLE:
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error as error:
                if dialect.is_disconnect(error, connection, None):
                    raise sa.exc.InvalidatePoolError from error
                raise

    return engine


_OPTIONS: dict[str, Any] = {
    "json_serializer": encode_json,
    "json_deserializer": msgspec.json.decode,
    "hide_parameters": True,  # an error's text must show no number and no message
}


# Pages twice as large as SQLite's own choice, for a new file: fewer of them to look through and to
# write for rows that come in their order, which are most. The log is carried over into the file
# after 32 MB (16 with smaller pages) and not after 4: what has changed several times by then, as
# the pages of an index have, is written there once.
_PRAGMAS = """
PRAGMA page_size = 8192;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA busy_timeout = 30000;
PRAGMA foreign_keys = ON;
PRAGMA temp_store = MEMORY;
PRAGMA wal_autocheckpoint = 4000;
"""


def sqlite_engine(
    url: sa.URL, *, size: int, begin: str = "BEGIN", cache: int = READERS_CACHE
) -> AsyncEngine:
    """Return the engine of an SQLite file.

    Args:
        url: The file's.
        size: How many connections at the most.
        begin: How their transactions begin.
        cache: Kibibytes of pages that each of them keeps.
    """
    pragmas = _pragmas(cache)
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=60,
        connect_args={
            "async_creator_fn": partial(sqlite.connect, pragmas=pragmas),
            "cached_statements": STATEMENTS,
        },
        **_OPTIONS,
    )

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.begin(begin)

    return engine


def opening_of(url: sa.URL, cache: int) -> Opening:
    """Return how a process of its own opens an SQLite file, with so many kibibytes of cache."""
    arguments, options = sqlite_dialect().create_connect_args(url)
    return Opening(
        arguments=[*arguments],
        options={**options, "cached_statements": STATEMENTS},
        pragmas=_pragmas(cache),
    )


def _pragmas(cache: int) -> str:
    return f"{_PRAGMAS}PRAGMA cache_size = -{cache};"
