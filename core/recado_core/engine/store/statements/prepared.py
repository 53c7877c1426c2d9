"""Statements that are executed all the time: compiled once, and on SQLite's shortest way."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store import sqlite
from recado_core.engine.store.statements.many import rows_of

Row = dict[str, Any]
Values = Mapping[str, Any]
Processor = Callable[[Any], Any]

_DIALECT = sqlite_dialect(json_deserializer=msgspec.json.decode)


class Prepared:
    """A statement that takes its values by name, each by one parameter.

    SQLAlchemy takes 0.3 ms from a statement to SQLite and back, five times what is needed, which
    matters where a transaction is of one message. PostgreSQL is a process away in any case.

    Args:
        statement: A SELECT, or one that returns no rows.
    """

    def __init__(self, statement: sa.Select[Any] | sa.Update) -> None:
        self._statement = statement

    async def rows(self, connection: AsyncConnection, values: Values) -> list[Row]:
        """Return the rows that it selects."""
        if connection.dialect.name != "sqlite":
            return rows_of(await connection.execute(self._statement, values))
        spelled = self._spelled
        found = await sqlite.query(connection, spelled.text, spelled.order(values))
        names = spelled.names
        rows = [dict(zip(names, row, strict=True)) for row in found.rows]
        for name, read in spelled.readers.items():
            for row in rows:
                row[name] = read(row[name])
        return rows

    async def run(self, connection: AsyncConnection, values: Values) -> int:
        """Execute it; return how many rows it has changed."""
        if connection.dialect.name != "sqlite":
            result: sa.CursorResult[Any] = await connection.execute(self._statement, values)
            return result.rowcount
        spelled = self._spelled
        return (await sqlite.query(connection, spelled.text, spelled.order(values))).rowcount

    @cached_property
    def _spelled(self) -> "_Spelled":
        compiled = self._statement.compile(dialect=_DIALECT)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        selected = (
            self._statement.selected_columns if isinstance(self._statement, sa.Select) else ()
        )
        readers = {str(column.key): _reader(column.type) for column in selected}
        return _Spelled(
            text=str(compiled),
            binds=[(bind.key, bind.value, _writer(bind.type)) for bind in binds],
            names=tuple(readers),
            readers={name: read for name, read in readers.items() if read is not None},
        )


class _Spelled(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as SQLite's driver takes it, and how its values are written and read."""

    text: str
    binds: list[tuple[str, Any, Processor | None]]
    names: tuple[str, ...]
    readers: dict[str, Processor]

    def order(self, values: Values) -> tuple[Any, ...]:
        """Return the values in the order of the parameters; those that are not given are fixed."""
        given = ((values.get(name, fixed), write) for name, fixed, write in self.binds)
        return tuple(value if write is None else write(value) for value, write in given)


def _writer(kind: sa.types.TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _reader(kind: sa.types.TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
