"""Many rows by one statement, at little more than what the database itself takes for it.

SQLAlchemy spells each statement once; the values go to the driver column by column. PostgreSQL gets
a column as a list in JSON, or as one value where all rows have the same: its driver takes five
times as long for each value of an array, which the server reads no sooner. SQLite's driver looks
for an adapter for whatever is not plainly an int, a float or a str, an empty value and a member of
a StrEnum among them, which takes longer than to write it: so what is empty in all rows stands in
the statement, and texts are plain ones. What all of many rows have is bound once.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import chain, count
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.asyncpg import dialect as postgresql_dialect
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as sqlite_dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.engine.store.schema import Instant, encode_json, metadata, microseconds
from recado_core.engine.store.sqlite import run_steps
from recado_core.engine.store.statements.among import elements_of, json_of, within
from recado_core.engine.store.steps import Exactly, Step, asked

Row = dict[str, Any]
Columns = Mapping[str, Sequence[Any]]
_Read = tuple[Columns, tuple[str, ...], frozenset[str]]
"""What rows say, column by column; which columns say nothing, and which the same in all rows."""

_DIALECTS = {"sqlite": sqlite_dialect(), "postgresql": postgresql_dialect()}  # type: ignore[no-untyped-call]  # the library's
_PLAIN = {str, type(None)}

TOGETHER = (1000, 250, 25, 8, 4, 2, 1)
"""Rows that one step of SQLite's inserts: it takes half of the time of as many single ones, and
waits once for the interpreter's lock. Few sizes, so that all statements stay prepared."""
SHARED_FROM = 250
"""Rows from which on SQLite is given once what all of them have alike: as with ``ALIKE``."""
MOST_VALUES = 10_000
"""Values that one step takes of its rows' own: SQLite allows 32,766 in all (``sqlite.org/limits``),
and each statement stays in memory."""
BEFORE = "_before"
"""How the names end of values that a column is expected to have."""
ALIKE = 50
"""Rows from which on PostgreSQL is given once what all of them have alike: of few, almost each
statement would be one of its own, and none would stay prepared."""


async def insert_many(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows, which all name the same columns; what is not there is an error."""
    await take_steps(connection, inserting(connection.dialect.name, table, rows))


async def insert_new(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> set[str]:
    """Insert rows into PostgreSQL, but those that the table's one unique constraint rules out.

    Returns:
        The ids of those inserted.
    """
    columns, _, alike = _columns(table, rows)
    statement, values = _lists(_Shape("insert_new", table.name, tuple(columns)), columns, alike)
    return set((await connection.exec_driver_sql(statement, values)).scalars())


async def update_many(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Write rows over those with their ``id``, each once; each names the columns that it writes.

    Those that write the same columns share a statement.
    """
    await take_steps(connection, updating(connection.dialect.name, table, rows))


async def take_steps(connection: AsyncConnection, steps: Sequence[Step]) -> None:
    """Do what ``inserting`` and ``updating`` have made ready; SQLite all of it at one go."""
    if not steps:
        return
    if connection.dialect.name == "sqlite":
        await run_steps(connection, steps)
        return
    for statement, values in asked(steps):
        await connection.exec_driver_sql(statement, values)


def inserting(
    dialect: str, table: sa.Table, rows: Sequence[Row], on_conflict: str = ""
) -> list[Step]:
    """Return the steps of ``insert_many``: made before the transaction, they keep nobody waiting.

    Args:
        dialect: The database's (``Database.dialect``).
        table: Into which table.
        rows: They, of the same columns.
        on_conflict: What SQLite does with a row that is there already, as it is written in SQL.
    """
    if not rows:
        return []
    columns, _, alike = _columns(table, rows)
    shape = _Shape("insert", table.name, tuple(columns))
    if dialect == "postgresql":
        return [_lists(shape, columns, alike)]
    if len(rows) < SHARED_FROM or len(alike) == len(columns):
        alike = frozenset()  # of few rows, almost each insert would be a statement of its own
    return [
        (statement + on_conflict, values) for statement, values in _blocks(shape, columns, alike)
    ]


def inserting_alike(table: sa.Table, shared: Row, own: Mapping[str, Sequence[str]]) -> Step:
    """Return PostgreSQL's step that inserts rows which differ in nothing but some texts.

    Args:
        table: Into which table.
        shared: What all of them have, by column.
        own: What each has, by column, in one order.
    """
    columns, _, alike = _columns_of(table, shared, own)
    return _lists(_Shape("insert", table.name, tuple(columns)), columns, alike)


def updating(
    dialect: str, table: sa.Table, rows: Sequence[Row], expected: Row | None = None
) -> list[Step]:
    """Return the steps of ``update_many``, as ``inserting`` does.

    Args:
        dialect: The database's.
        table: The rows'.
        rows: They, as ``update_many`` takes them.
        expected: What all of them have before, by column, or SQLite's steps must not be: texts, or
            None. Who writes to PostgreSQL has locked them.
    """
    by_names: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        by_names.setdefault(tuple(row), []).append(row)
    return [
        _update_all(dialect, table, _columns(table, some), expected) for some in by_names.values()
    ]


def updating_alike(
    dialect: str,
    table: sa.Table,
    shared: Row,
    own: Mapping[str, Sequence[str]],
    expected: Row | None = None,
) -> Step:
    """Return the step that writes the same over many rows, but for some texts.

    Args:
        dialect: The database's.
        table: The rows'.
        shared: What is written over all of them, by column.
        own: What each has, by column: its ``id``, and what else is written over it.
        expected: As in ``updating``.
    """
    return _update_all(dialect, table, _columns_of(table, shared, own), expected)


def rows_of(result: sa.CursorResult[Any]) -> list[Row]:
    """Return a result's rows; ``mappings()`` looks each value up by its name."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


class _Shape(msgspec.Struct, frozen=True):
    """What makes one statement differ from another.

    ``own`` is the one column that rows differ in (SQLite), ``alike`` are those that they don't
    differ in (PostgreSQL); ``expected`` are those that must have a value before, and whether that
    is none (SQLite).
    """

    verb: str
    table: str
    names: tuple[str, ...]
    empty: tuple[str, ...] = ()
    own: str | None = None
    alike: frozenset[str] = frozenset()
    expected: tuple[tuple[str, bool], ...] = ()


def _lines(shape: _Shape, columns: Columns) -> tuple[str, list[tuple[Any, ...]]]:
    """Return SQLite's statement for one row, and what it takes for each."""
    statement, order = _spell("sqlite", shape)
    return statement, list(zip(*(columns[name] for name in order), strict=True))


def _blocks(shape: _Shape, columns: Columns, alike: AbstractSet[str]) -> list[tuple[str, Any]]:
    """Return the steps of SQLite's insert: blocks of rows, in each what is alike stands once."""
    statement, order = _spell("sqlite", shape)
    shared = tuple(columns[name][0] for name in order if name in alike)
    own = [columns[name] for name in order if name not in alike]
    lines = list(zip(*own, strict=True))
    is_shared = tuple(name in alike for name in order)
    steps: list[tuple[str, Any]] = []
    at = 0
    for size in TOGETHER:
        if size * len(own) > MOST_VALUES:
            continue
        ends = range(at + size, len(lines) + 1, size)
        if ends:
            blocks = [(*shared, *chain.from_iterable(lines[end - size : end])) for end in ends]
            text = _repeated(statement, is_shared, size)
            steps.append((text, blocks if len(blocks) > 1 else blocks[0]))
            at = ends[-1]
    return steps


def _lists(shape: _Shape, columns: Columns, alike: AbstractSet[str]) -> tuple[str, Any]:
    """Return PostgreSQL's statement for all rows: lists of values, and what is alike once."""
    rows = len(next(iter(columns.values())))
    if rows >= ALIKE and len(alike) < len(columns):  # else nothing tells how many rows there are
        shape = msgspec.structs.replace(shape, alike=frozenset(alike))
    statement, order = _spell("postgresql", shape)
    values = []
    for name in order:
        if name in shape.alike:
            values.append(columns[name][0])
        elif _is_binary(metadata.tables[shape.table].c[name]):
            values.append(columns[name])
        else:
            values.append(json_of(columns[name]))
    return statement, tuple(values)


def _update(
    table: sa.Table, shape: _Shape, columns: Columns, alike: AbstractSet[str]
) -> tuple[str, Any]:
    """Update by one step for all rows, where they differ in no more than one text."""
    unlike = [name for name in columns if name != "id" and name not in alike]
    differing = [name for name in unlike if len(set(columns[name])) > 1]  # JSON may be alike, too
    own = differing[0] if differing else None
    is_text = own is None or (isinstance(table.c[own].type, sa.String) and None not in columns[own])
    if len(columns["id"]) == 1 or len(differing) > 1 or not is_text:
        return _lines(shape, columns)
    shape = msgspec.structs.replace(shape, verb="update_alike", own=own)
    given = columns["id"] if own is None else dict(zip(columns["id"], columns[own], strict=True))
    values = {name: listed[0] for name, listed in columns.items()}
    values["id"] = msgspec.json.encode(given).decode()
    statement, order = _spell("sqlite", shape)
    return statement, tuple(values[name] for name in order)


def _update_all(dialect: str, table: sa.Table, read: _Read, expected: Row | None = None) -> Step:
    columns, empty, alike = read
    shape = _Shape("update", table.name, tuple(columns), empty)
    if dialect == "postgresql":
        return _lists(shape, columns, alike)
    if not expected:
        return _update(table, shape, columns, alike)
    rows = len(columns["id"])
    before = tuple((name, value is None) for name, value in expected.items())
    said = {f"{name}{BEFORE}": str(it) for name, it in expected.items() if it is not None}
    columns = {**columns, **{name: [value] * rows for name, value in said.items()}}
    shape = msgspec.structs.replace(shape, expected=before)
    return Exactly(*_update(table, shape, columns, alike | said.keys()), rows)


def _columns_of(table: sa.Table, shared: Row, own: Mapping[str, Sequence[str]]) -> _Read:
    """Return what rows say of which is known what they have alike, as drivers take it."""
    rows = len(next(iter(own.values())))
    columns = {name: _driven(table.c[name].type, values) for name, values in own.items()}
    said = {name: value for name, value in shared.items() if value is not None}
    for name, value in said.items():
        columns[name] = [*_driven(table.c[name].type, [value])] * rows
    return columns, tuple(name for name in shared if name not in said), frozenset(said)


def _columns(table: sa.Table, rows: Sequence[Row]) -> _Read:
    """Return what rows say, as drivers take it."""
    names = tuple(rows[0])
    columns: dict[str, Sequence[Any]] = {}
    empty: list[str] = []
    alike: list[str] = []
    listed = zip(*map(itemgetter(*names), rows), strict=True)
    for name, kind, values in zip(names, _kinds(table, names), listed, strict=True):
        # What is equal may be written otherwise in JSON: 1 and true.
        is_alike = _is_alike(values) and (values[0] is None or not isinstance(kind, sa.JSON))
        if is_alike and values[0] is None:
            empty.append(name)
        elif is_alike:
            columns[name] = [*_driven(kind, values[:1])] * len(values)
            alike.append(name)
        else:
            columns[name] = _driven(kind, values)
    return columns, tuple(empty), frozenset(alike)


@lru_cache(maxsize=1024)
def _kinds(table: sa.Table, names: tuple[str, ...]) -> list[sa.types.TypeEngine[Any]]:
    """Return the columns' types; SQLAlchemy's look for one takes as long as all else does."""
    return [table.c[name].type for name in names]


def _is_alike(values: Sequence[Any]) -> bool:
    first = values[0]
    # The last before all: mostly it tells already that they are not.
    return bool(values[-1] == first) and values.count(first) == len(values)


def _driven(kind: sa.types.TypeEngine[Any], values: Sequence[Any]) -> Sequence[Any]:
    """Return a column's values as drivers take them."""
    if isinstance(kind, Instant):
        known = {value: microseconds(value) for value in set(values)}  # few in many rows
        return [known[value] for value in values]
    if isinstance(kind, sa.JSON):
        return [None if each is None else encode_json(each) for each in values]
    if isinstance(kind, sa.String) and not _PLAIN.issuperset(map(type, values)):
        return [None if value is None else str(value) for value in values]
    return values


@lru_cache(maxsize=1024)
def _spell(dialect: str, shape: _Shape) -> tuple[str, list[str]]:
    """Return a statement's text, and the columns in the order in which it takes them."""
    table = metadata.tables[shape.table]
    given: dict[str, sa.ColumnElement[Any]] = {
        name: sa.bindparam(f"{name}_", type_=sa.String()) for name in shape.names
    }
    if dialect == "postgresql":
        given = _given(table, shape)
    if shape.verb == "insert":
        statement: sa.Insert | sa.Update = (
            sa.insert(table).from_select(list(given), sa.select(*given.values()))
            if dialect == "postgresql"
            else sa.insert(table).values(given)
        )
    elif shape.verb == "insert_new":
        selected = sa.select(*given.values())
        inserted = postgresql.insert(table).from_select(list(given), selected)
        (unique,) = (each for each in table.constraints if isinstance(each, sa.UniqueConstraint))
        # By its columns, or each row would be looked for by its new id, too.
        inserted = inserted.on_conflict_do_nothing(index_elements=[*unique.columns])
        statement = inserted.returning(table.c.id)
    else:
        which = _which(table, shape, given)
        written = {name: value for name, value in given.items() if name != "id"}
        statement = (
            sa.update(table)
            .where(which, *_before(table, shape))
            .values(written | dict.fromkeys(shape.empty, sa.null()))
        )
    compiled = statement.compile(dialect=_DIALECTS[dialect])
    return str(compiled), [name.removesuffix("_") for name in compiled.positiontup or ()]


def _which(
    table: sa.Table, shape: _Shape, given: dict[str, sa.ColumnElement[Any]]
) -> sa.ColumnElement[bool]:
    """Return which rows an update is of."""
    if shape.verb == "update_alike":
        return _alike(table, shape, given)
    if shape.alike and len(shape.alike) == len(shape.names) - 1:
        # PostgreSQL finds all ids on one way through the index; a join begins anew for each.
        ids = elements_of(sa.bindparam("id_", type_=sa.Text()))
        return within("postgresql", table.c.id, sa.select(ids))
    return table.c.id == given["id"]


def _before(table: sa.Table, shape: _Shape) -> Iterator[sa.ColumnElement[bool]]:
    """Yield SQLite's conditions that rows have what is expected of them."""
    for name, is_empty in shape.expected:
        # With a sign, so that it finds the rows by their ids and by nothing else.
        column = sa.literal_column(f"+{table.name}.{name}", table.c[name].type)
        value = sa.bindparam(f"{name}{BEFORE}_", type_=sa.String())
        yield column.is_(None) if is_empty else column == value


def _alike(
    table: sa.Table, shape: _Shape, given: dict[str, sa.ColumnElement[Any]]
) -> sa.ColumnElement[bool]:
    """Return which rows are meant by SQLite's list of ids, or its object of values by id."""
    each = sa.func.json_each(given["id"]).table_valued("key", "value", name="given")
    if shape.own is None:
        return table.c.id.in_(sa.select(each.c.value))
    given[shape.own] = each.c.value
    return table.c.id == each.c.key


@lru_cache(maxsize=128)
def _repeated(statement: str, is_shared: tuple[bool, ...], times: int) -> str:
    """Return the statement that inserts so many rows instead of one.

    Args:
        statement: That of one row.
        is_shared: Of each of its values whether it is that of all rows. By number they are bound
            once, before the others; binding takes longer than writing does.
        times: How many rows.
    """
    head, _ = statement.rsplit(" VALUES ", 1)
    own = count(sum(is_shared) + 1)
    lines = []
    for _ in range(times):
        shared = count(1)
        marks = (f"?{next(shared if each else own)}" for each in is_shared)
        lines.append(f"({', '.join(marks)})")
    return f"{head} VALUES {', '.join(lines)}"


def _given(table: sa.Table, shape: _Shape) -> dict[str, sa.ColumnElement[Any]]:
    """Return the values of PostgreSQL's parameters: of each row, or the same for all."""
    # Functions that return rows go through theirs in step.
    each = sa.select(
        *(_each(table.c[name]).label(name) for name in shape.names if name not in shape.alike)
    ).subquery("given")
    given: dict[str, sa.ColumnElement[Any]] = {}
    for name in shape.names:
        column = table.c[name]
        if name in shape.alike:
            value: sa.ColumnElement[Any] = sa.bindparam(f"{name}_", type_=_carried(column.type))
            given[name] = sa.cast(value, column.type) if isinstance(column.type, sa.JSON) else value
        elif isinstance(column.type, sa.String) or _is_binary(column):
            given[name] = each.c[name]
        else:
            given[name] = sa.cast(each.c[name], column.type)
    return given


def _each(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return PostgreSQL's function that yields a column's values from their parameter."""
    if _is_binary(column):  # which JSON does not know
        return sa.func.unnest(sa.bindparam(f"{column.name}_", type_=sa.ARRAY(column.type)))
    return elements_of(sa.bindparam(f"{column.name}_", type_=sa.Text()))


def _is_binary(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.LargeBinary)


def _carried(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type as which PostgreSQL is given a value of a type."""
    if isinstance(kind, Instant):
        return sa.BigInteger()
    return sa.Text() if isinstance(kind, sa.String | sa.JSON) else kind
