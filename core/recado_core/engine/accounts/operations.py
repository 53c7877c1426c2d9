"""What a vendor offers beside messages, called by name for an account."""

import asyncio
from typing import Any

import msgspec

from recado_core.contract import Operation, Progress
from recado_core.engine.accounts.accounts import Accounts
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.accounts.pacing import calling
from recado_core.engine.failures import NotFoundError
from recado_core.errors import InDoubtError, TransientSendError

PATIENCE = 30.0
"""Seconds that an operation waits for others of its account to end."""


class OperationView(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as the API shows it; ``request`` and ``reply`` are JSON Schemas."""

    name: str
    summary: str
    changes: bool
    request: dict[str, Any]
    reply: dict[str, Any]


class Operations:
    """The operations of every account's provider."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def list(self, account: str) -> list[OperationView]:
        """Return what an account's provider offers, or raise ``NotFoundError``."""
        return [
            OperationView(
                name=operation.name,
                summary=operation.summary,
                changes=operation.changes,
                request=msgspec.json.schema(operation.request),
                reply=msgspec.json.schema(operation.reply),
            )
            for operation in self._accounts.find(account).kind.operations
        ]

    def find(self, account: str, operation: str) -> Operation:
        """Return one operation of an account, or raise ``NotFoundError``."""
        kind = self._accounts.find(account).kind
        for offered in kind.operations:
            if offered.name == operation:
                return offered
        names = ", ".join(offered.name for offered in kind.operations) or "none"
        raise NotFoundError(f"account {account} has no operation {operation!r}; there is {names}")

    async def run(
        self,
        account: str,
        operation: str,
        request: msgspec.Struct,
        progress: Progress | None = None,
    ) -> msgspec.Struct:
        """Carry out an operation; its calls wait while the account's budget is kept for sending.

        Args:
            account: Whose provider is called.
            operation: The operation's name.
            request: Of the type that the operation takes.
            progress: Is told how many steps are done, and of how many.

        Raises:
            NotFoundError: There is no such account or operation.
            SendError: The vendor refuses it, or can't be asked now.
        """
        offered, found = self.find(account, operation), self._accounts.find(account)
        try:
            async with asyncio.timeout(PATIENCE):
                await found.operations.acquire()
        except TimeoutError:
            text = f"account {account} is busy with other operations"
            raise TransientSendError(text, retry_after=PATIENCE) from None
        try:
            with calling(found.budget, Purpose.REPORT):
                return await offered.call(found.provider, request, progress or _tell_nobody)
        except TransientSendError as error:
            if offered.changes and error.possibly_taken:
                raise InDoubtError(error.text, code=error.code, raw=error.raw) from error
            raise
        finally:
            found.operations.release()


def _tell_nobody(done: int, total: int) -> None:
    """Take the progress that nobody wants to know."""
