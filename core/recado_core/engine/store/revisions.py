"""The schema's revisions: which one a database is at, and the way to this version's."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from recado_core.engine.failures import SchemaError

MIGRATIONS = Path(__file__).parent / "migrations"


def current(connection: sa.Connection) -> str | None:
    """Return the revision that a database is at, or None where it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def check_known(revision: str | None) -> None:
    """Raise ``SchemaError`` for a schema revision that this version has never heard of."""
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaError(
            f"the database is at schema revision {revision}, which a newer version of Recado made: "
            "install that version"
        )


@cache
def head() -> str:
    """Return the schema revision that this version needs."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def bring_up(connection: sa.Connection) -> list[str]:
    """Bring the schema to this version's revision; return the revisions applied, oldest first."""
    applied: list[str] = []
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["applied"] = applied
    command.upgrade(config, "head")
    return applied
