"""Statements that are executed all the time: compiled once, and on SQLite's shortest way."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store import sqlite
from recado_core.engine.store.schema import encode_json
from recado_core.engine.store.steps import Exactly, Guard, Step

Row = dict[str, Any]
Values = Mapping[str, Any]
Processor = Callable[[Any], Any]

_decode = msgspec.json.Decoder(list[list[Any]]).decode
_DIALECT = sqlite_dialect(json_serializer=encode_json, json_deserializer=msgspec.json.decode)
_POSTGRESQL = postgresql_dialect()  # type: ignore[no-untyped-call]  # the library's


class Prepared:
    """A statement that takes its values by name, each by one parameter.

    SQLAlchemy takes 0.3 ms from a statement to SQLite and back, five times what is needed, which
    matters where a transaction is of one message. PostgreSQL is a process away in any case.

    Args:
        statement: A SELECT, or one that returns no rows.
    """

    def __init__(self, statement: sa.Select[Any] | sa.UpdateBase) -> None:
        self._statement = statement

    async def rows(
        self, connection: AsyncConnection, values: Values, known: Row | None = None
    ) -> list[Row]:
        """Return the rows that it selects.

        Args:
            connection: The transaction's.
            values: Those of the parameters.
            known: What all rows have besides what is selected, such as what it asks for.
        """
        known = known or {}
        if connection.dialect.name != "sqlite":
            result: sa.CursorResult[Any] = await connection.execute(self._statement, values)
            # As the driver has them: SQLAlchemy would make an object of each, value by value.
            listed = result.cursor.fetchall() if result.cursor else []
            result.close()
            return _read(self._postgresql, [*zip(*listed, strict=True)], known)
        spelled = self._spelled
        found = await sqlite.query(connection, spelled.text, spelled.order(values))
        if spelled.is_one:
            return _read(spelled.columns, _decode(found.rows[0][0]), known)
        return _read(spelled.columns, [*zip(*found.rows, strict=True)], known)

    async def run(self, connection: AsyncConnection, values: Values) -> int:
        """Execute it; return how many rows it has changed."""
        if connection.dialect.name != "sqlite":
            result: sa.CursorResult[Any] = await connection.execute(self._statement, values)
            return result.rowcount
        spelled = self._spelled
        return (await sqlite.query(connection, spelled.text, spelled.order(values))).rowcount

    def step(self, values: Values) -> tuple[str, tuple[Any, ...]]:
        """Return it as a step of SQLite's."""
        return self._spelled.text, self._spelled.order(values)

    def exactly(self, values: Values, rows: int) -> Step:
        """Return it as a step of SQLite's that must change so many rows."""
        return Exactly(*self.step(values), rows)

    def guard(self, values: Values, expected: object) -> Guard:
        """Return the guard of SQLite's that the one value that it selects is this."""
        return Guard(*self.step(values), f"[[{expected}]]")

    @cached_property
    def _postgresql(self) -> "list[_Column]":
        columns = self._statement.selected_columns if isinstance(self._statement, sa.Select) else ()
        return [_Column(column, _POSTGRESQL) for column in columns]

    @cached_property
    def _spelled(self) -> "_Spelled":
        statement, columns, is_one = self._statement, [], False
        if isinstance(statement, sa.Select):
            columns = list(statement.selected_columns)
            is_one = not any(isinstance(column.type, sa.LargeBinary) for column in columns)
            statement = _as_one(statement) if is_one else statement
        compiled = statement.compile(dialect=_DIALECT)
        binds = [compiled.binds[name] for name in compiled.positiontup or ()]
        return _Spelled(
            text=str(compiled),
            binds=[
                _Bind(bind.key, bind.value, bind.required, _writer(bind.type)) for bind in binds
            ],
            columns=[_Column(column, _DIALECT) for column in columns],
            is_one=is_one,
        )


def _as_one(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Return a SELECT whose rows come as one value, column by column.

    SQLite's driver gives the interpreter's lock away and takes it back for each row. While other
    threads are busy, each time costs up to the switch interval: 1000 rows took 60 ms instead of 8.
    """
    rows = statement.subquery("rows")
    return sa.select(sa.func.json_array(*map(sa.func.json_group_array, rows.c)))


class _Bind(msgspec.Struct, frozen=True):
    """A parameter: one that is asked for by its name, or one that the statement fixes."""

    name: str
    fixed: Any
    is_asked: bool
    write: Processor | None

    def take(self, values: Values) -> Any:  # noqa: ANN401  # what drivers take
        value = values[self.name] if self.is_asked else self.fixed
        return value if self.write is None else self.write(value)


class _Column:
    """A column of the rows, and how its values are read."""

    def __init__(self, column: sa.ColumnElement[Any], dialect: Dialect) -> None:
        self.name = str(column.key)
        self.is_own = isinstance(column.type, sa.JSON)  # read, each is a value that may be changed
        self._read = column.type.dialect_impl(dialect).result_processor(dialect, None)

    def read(self, value: Any) -> Any:  # noqa: ANN401  # what drivers give
        """Return a value as the rows have it."""
        return value if value is None or self._read is None else self._read(value)

    def read_all(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return values as the rows have them."""
        return values if self._read is None else [self.read(value) for value in values]


class _Spelled(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as SQLite's driver takes it, and how its values are written and read.

    ``is_one`` is that the rows come as one, in JSON.
    """

    text: str
    binds: list[_Bind]
    columns: list[_Column]
    is_one: bool

    def order(self, values: Values) -> tuple[Any, ...]:
        """Return the values in the order of the parameters; those that are not given are fixed."""
        return tuple(bind.take(values) for bind in self.binds)


def _read(columns: Sequence[_Column], found: Sequence[Sequence[Any]], known: Row) -> list[Row]:
    """Return rows, of which the values are given column by column.

    What all of them have alike, as those of a batch have most, is read once; what they have
    besides is known.
    """
    if not found or not found[0]:
        return []
    count = len(found[0])
    like = known.copy()
    own: dict[str, Sequence[Any]] = {}
    for column, values in zip(columns, found, strict=True):
        first = values[0]
        is_alike = values[-1] == first and values.count(first) == count
        if is_alike and (first is None or not column.is_own):
            like[column.name] = column.read(first)
        else:
            like[column.name] = None  # a row is as large as it has to be from the beginning
            own[column.name] = column.read_all(values)
    rows = [like.copy() for _ in range(count)]
    for name, values in own.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


def _writer(kind: sa.types.TypeEngine[Any]) -> Processor | None:
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
