import asyncio
import re
import sys
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from recado_core import ConfigurationError
from recado_core.engine.failures import SchemaError
from recado_core.engine.store.database import Database
from recado_core.engine.store.engines import parse_url
from recado_core.engine.store.revisions import MIGRATIONS, head
from recado_core.engine.store.schema import metadata

# What a database says of its own schema, one line for each thing.
SQLITE_CATALOGUE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
POSTGRES_CATALOGUE = """
    SELECT concat_ws(' ', table_name, column_name, data_type, character_maximum_length,
                     is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
"""

REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]

MIGRATE = """
import sys
from recado_core.engine.store.database import upgrade_database
print("ready", flush=True)
for url in sys.stdin.readline().split():
    print(upgrade_database(url), flush=True)
"""


@pytest.fixture
def connect(database_url):
    """Open a connection that commits, beside the engine's own."""

    @asynccontextmanager
    async def connected():
        engine = sa.ext.asyncio.create_async_engine(database_url)
        async with engine.begin() as connection:
            yield connection
        await engine.dispose()

    return connected


async def catalogue(connection):
    """Return what the database says of its schema, without alembic's own table."""
    sqlite = connection.dialect.name == "sqlite"
    found = await connection.execute(sa.text(SQLITE_CATALOGUE if sqlite else POSTGRES_CATALOGUE))
    lines = {re.sub(r"\s+", " ", line).strip() for line in found.scalars()}
    lines = {line for line in lines if "alembic_version" not in line}
    # SQLite keeps a table's text, in which a column that was added later stands at the end.
    return {part for line in lines for part in parts(line)} if sqlite else lines


def parts(line):
    """Return a table's columns and constraints one by one, and anything else as it is."""
    found = re.fullmatch(r"CREATE TABLE (\S+) \( ?(.*?) ?\)( WITHOUT ROWID)?", line)
    if found is None:
        return [line]
    table, body, kind = found.groups()
    columns = re.split(r", (?![^(]*\))", body)
    return [f"{table}{kind or ''}: {column.strip()}" for column in columns]


def run_alembic(connection, step, revision):
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["applied"] = []
    step(config, revision)


async def upgrade(url):
    database = Database(url)
    try:
        return await database.upgrade()
    finally:
        await database.close()


async def test_the_migrations_make_the_schema_that_the_code_states(database_url, connect):
    assert (await upgrade(database_url))[-1] == head()
    async with connect() as connection:
        migrated = await catalogue(connection)
        await connection.run_sync(metadata.drop_all)
        assert await catalogue(connection) == set()
        await connection.run_sync(metadata.create_all)
        stated = await catalogue(connection)
    assert migrated == stated
    assert sum("WHERE" in line for line in stated) >= 12  # the partial indexes are among them
    assert any("priority DESC" in line for line in stated)


async def test_a_schema_can_be_taken_down_and_made_again(database_url, connect):
    await upgrade(database_url)
    async with connect() as connection:
        before = await catalogue(connection)
        await connection.run_sync(run_alembic, command.downgrade, "base")
        assert await catalogue(connection) == set()
    assert (await upgrade(database_url))[-1] == head()
    assert await upgrade(database_url) == []
    async with connect() as connection:
        assert await catalogue(connection) == before


async def test_each_step_down_leaves_the_schema_of_the_revision_before(connect):
    made = {}
    async with connect() as connection:
        for revision in REVISIONS:
            await connection.run_sync(run_alembic, command.upgrade, revision)
            made[revision] = await catalogue(connection)
        for revision in REVISIONS[-2::-1]:
            await connection.run_sync(run_alembic, command.downgrade, revision)
            assert await catalogue(connection) == made[revision]
        await connection.run_sync(run_alembic, command.upgrade, "head")
        assert await catalogue(connection) == made[head()]


async def test_an_empty_database_is_made_ready_at_start(database_url):
    database = Database(database_url)
    try:
        await database.prepare()
        assert await database.revision() == head()
    finally:
        await database.close()


async def test_another_versions_database_is_refused_and_left_alone(database_url, connect):
    await upgrade(database_url)
    async with connect() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database = Database(database_url)
    for attempt in (database.prepare, database.upgrade):
        with pytest.raises(SchemaError, match=r"revision 9999.*a newer version of Recado made"):
            await attempt()
    await database.close()
    async with connect() as connection:
        found = await connection.execute(sa.text("SELECT version_num FROM alembic_version"))
        assert found.scalars().all() == ["9999"]


async def test_two_processes_that_start_together_migrate_once(sqlite_url, postgres_url):
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            MIGRATE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert await process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(f"{sqlite_url} {postgres_url}\n".encode())
    told = [(await process.communicate())[0].decode().splitlines() for process in processes]
    for on_one_database in zip(*told, strict=True):
        assert sorted(on_one_database) == [str(REVISIONS), "[]"]


@pytest.mark.parametrize(
    "url",
    [
        "recado.db",
        "sqlite:///recado.db",
        "postgresql://localhost/recado",
        "mysql+aiomysql://localhost/recado",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
    ],
)
def test_an_address_of_another_kind_is_refused_by_its_key(url):
    with pytest.raises(ConfigurationError, match=r"gateway\.database: "):
        parse_url(url)


def test_an_address_that_is_refused_shows_no_password():
    for url in ("mysql://me:s3cret@localhost/recado", "://me:s3cret@"):
        with pytest.raises(ConfigurationError) as caught:
            parse_url(url)
        assert "s3cret" not in str(caught.value)
