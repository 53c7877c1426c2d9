"""The configured accounts: their providers, their state, and what an operator does with them."""

import hmac
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import (
    AccountContext,
    ProviderType,
    ReceiverContext,
    SupportsBalance,
    SupportsVerifyCredentials,
)
from recado_core.engine.accounts.account import OPERATIONS, QUESTIONS, Account, AccountView
from recado_core.engine.accounts.asking import Unanswered, ask_in_turn
from recado_core.engine.accounts.limits import Purpose
from recado_core.engine.accounts.pacing import hooks_for
from recado_core.engine.certificates import trusted
from recado_core.engine.failures import NotFoundError, UnsupportedError
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import AccountSettings, EngineSettings
from recado_core.engine.store.database import Database
from recado_core.engine.store.statements import accounts as store
from recado_core.engine.store.statements import events, outbox, pushes
from recado_core.engine.store.vendor_words import clip_text
from recado_core.errors import ConfigurationError, TransientSendError

log = logging.getLogger(__name__)

LONGEST_BALANCE = 64
"""Characters of a balance that the store takes."""
INQUIRIES = 2
"""Calls under way to settle dispatches: one for a doubt, one for DLRs."""
CONNECT_TIMEOUT = 10.0
"""Seconds in which a connection to a provider must be made."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking a provider whether it knows the account's credentials."""

    ok: bool
    detail: str


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balance, in its currency."""

    account: str
    balance: Decimal


class Accounts:
    """Every configured account, by name."""

    def __init__(
        self,
        settings: EngineSettings,
        plugins: Plugins,
        database: Database,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._database = database
        self._now = now
        self._said = 0  # how often an account was paused or resumed here
        self._monotonic = monotonic
        self.by_name = {
            name: Account(name, own, _kind(name, own, plugins))
            for name, own in settings.accounts.items()
        }
        self._clients: list[httpx.AsyncClient] = []

    async def open(self) -> None:
        """Make the providers, and the webhook tokens of accounts that have none yet."""

        async def work(connection: AsyncConnection) -> list[dict[str, Any]]:
            return [
                await store.ensure(connection, name, secrets.token_urlsafe(32), self._now())
                for name in self.by_name
            ]

        for row in await self._database.write(work):
            account = self.by_name[row["name"]]
            configured = account.settings.webhook_token
            account.webhook_token = configured.reveal() if configured else row["webhook_token"]
            account.take_state(row)
        for account in self.by_name.values():
            self._make_provider(account)

    async def close(self) -> None:
        """Close the providers' clients."""
        for client in self._clients:
            await client.aclose()
        self._clients.clear()

    async def refresh(self) -> None:
        """Take over what other processes changed."""
        async with self._database.read() as connection:
            await self.refresh_from(connection)

    async def refresh_from(self, connection: AsyncConnection) -> None:
        """Take over what other processes changed, in a transaction that reads more than that."""
        said = self._said
        rows = await store.list_all(connection)
        if said != self._said:  # a pause has been told here since: they may be older than it
            return
        for name, account in self.by_name.items():
            if name in rows:
                _tell_of_balance(account, rows[name])
                account.take_state(rows[name])

    def wake(self, names: set[str]) -> None:
        """Tell the accounts that there is something for them to send."""
        for name in names & self.by_name.keys():
            self.by_name[name].wake.set()

    def find(self, name: str) -> Account:
        """Return the account, or raise ``NotFoundError``."""
        if name not in self.by_name:
            raise NotFoundError(f"there is no account {name!r}")
        return self.by_name[name]

    def refused(self, monotonic: float) -> list[str]:
        """Return the names of the accounts whose provider may not be asked anything now."""
        return [
            name
            for name, account in self.by_name.items()
            if account.budget.refuses(monotonic, Purpose.ASK)
        ]

    def paused(self) -> set[str]:
        """Return the names of the accounts that are paused."""
        return {name for name, account in self.by_name.items() if account.paused_at is not None}

    def webhook_path(self, name: str) -> str:
        """Return the path of an account's webhook address, token included: a secret."""
        return f"/webhooks/{name}/{self.find(name).webhook_token}"

    def by_webhook(self, name: str, token: str) -> Account:
        """Return the account that this webhook address belongs to, or raise ``NotFoundError``."""
        account = self.by_name.get(name)
        expected = account.webhook_token if account else "-"
        if not hmac.compare_digest(token.encode(), expected.encode()) or account is None:
            raise NotFoundError("there is no such webhook address; its account or token is wrong")
        return account

    async def list(self) -> list[AccountView]:
        """Return every account."""
        return list(await self._view(self.by_name.values()))

    async def get(self, name: str) -> AccountView:
        """Return one account, or raise ``NotFoundError``."""
        return (await self._view([self.find(name)]))[0]

    async def pause(self, name: str, reason: str = "paused by an operator") -> AccountView:
        """Stop sending by an account; its messages wait."""
        account = self.find(name)
        now, reason = self._now(), clip_text(reason) or ""

        async def work(connection: AsyncConnection) -> None:
            if await store.pause(connection, name, reason, now):
                event = events.new_event("account.paused", now, account=name, text=reason)
                await events.append(connection, [event])

        await self._database.write(work)
        self._said += 1
        account.paused_at, account.reason = now, reason  # the next refresh tells what others said
        return await self.get(name)

    async def resume(self, name: str) -> AccountView:
        """Send by an account again."""
        account = self.find(name)

        async def work(connection: AsyncConnection) -> None:
            if await store.resume(connection, name):
                event = events.new_event("account.resumed", self._now(), account=name)
                await events.append(connection, [event])

        await self._database.write(work)
        self._said += 1
        account.paused_at = account.reason = None
        account.wake.set()
        return await self.get(name)

    async def verify(self, name: str) -> Verification:
        """Ask the provider whether it knows the credentials; sends nothing.

        Raises:
            UnsupportedError: The provider can't tell.
        """
        account = self._offering(name, "verify_credentials")
        provider: SupportsVerifyCredentials = account.provider  # type: ignore[assignment]  # declared
        question = provider.verify_credentials
        detail = await ask_in_turn(account, question, str, self._monotonic)
        if isinstance(detail, Unanswered):
            return Verification(ok=False, detail=detail.why)
        return Verification(ok=True, detail=detail)

    async def balance(self, name: str) -> BalanceView:
        """Ask the provider for the balance, and keep it.

        Raises:
            UnsupportedError: The provider can't tell.
            SendError: It could not be asked now.
        """
        account = self._offering(name, "balance")
        balance = await self.ask_balance(account)
        if isinstance(balance, Unanswered):
            raise balance.error or TransientSendError(balance.why)
        return BalanceView(account=name, balance=balance)

    async def ask_balance(self, account: Account) -> Decimal | Unanswered:
        """Ask an account's provider for the balance, and keep it."""
        provider: SupportsBalance = account.provider  # type: ignore[assignment]  # declared
        balance = await ask_in_turn(account, provider.balance, Decimal, self._monotonic)
        if isinstance(balance, Unanswered):
            return balance
        if not balance.is_finite() or len(str(balance)) > LONGEST_BALANCE:
            return Unanswered(f"the provider plugin tells a balance of {str(balance)[:20]}")
        await self._note_balance(account, balance)
        return balance

    async def _note_balance(self, account: Account, balance: Decimal) -> None:
        """Write an account's balance; the first time that it is too low, say so in an event."""
        now, threshold = self._now(), account.settings.balance_threshold
        low = threshold is not None and balance < threshold

        async def work(connection: AsyncConnection) -> None:
            told = await store.note_balance(connection, account.name, str(balance), now, low=low)
            if told and low:
                data = {"balance": balance, "threshold": threshold}
                event = events.new_event(
                    "account.balance_low", now, account=account.name, data=data
                )
                await events.append(connection, [event])

        await self._database.write(work)
        account.balance, account.balance_at = balance, now

    def _offering(self, name: str, capability: str) -> Account:
        account = self.find(name)
        if not getattr(account.kind.capabilities, capability):
            raise UnsupportedError(
                f"the provider {account.kind.id} of account {name} offers no {capability}"
            )
        return account

    async def _view(self, accounts: Iterable[Account]) -> Sequence[AccountView]:
        async with self._database.read() as connection:
            queued = await outbox.count_queued(connection)
            waiting = await pushes.count(connection)
        return [
            account.view(
                queued.get(account.name, 0), waiting.get(account.name, 0), self._monotonic()
            )
            for account in accounts
        ]

    def _make_provider(self, account: Account) -> None:
        client = httpx.AsyncClient(
            verify=trusted(),
            timeout=httpx.Timeout(account.settings.timeout, connect=CONNECT_TIMEOUT),
            # Whatever else is under way, sending never waits for a connection.
            limits=httpx.Limits(
                max_connections=account.concurrency + INQUIRIES + QUESTIONS + OPERATIONS
            ),
            follow_redirects=False,
            event_hooks=hooks_for(account.budget, self._monotonic),
        )
        self._clients.append(client)
        shared: dict[str, Any] = {
            "account": account.name,
            "settings": account.own,
            "region": self._settings.default_region,
            "timezone": self._settings.timezone,
        }
        public = self._settings.public_url
        account.provider = account.kind.create(
            AccountContext(
                **shared,
                http=client,
                now=self._now,
                webhook_url=public.rstrip("/") + self.webhook_path(account.name)
                if public
                else None,
            )
        )
        make_receiver = account.kind.create_receiver
        account.receiver = make_receiver(ReceiverContext(**shared)) if make_receiver else None


def _tell_of_balance(account: Account, row: dict[str, Any]) -> None:
    """Log that a balance has become low or enough, whichever process has asked for it."""
    extra = {"account": account.name, "balance": row["balance"]}
    if row["balance_low"] and not account.was_low:
        log.warning("balance is low", extra=extra)
    elif account.was_low and not row["balance_low"]:
        log.info("balance is enough", extra=extra)


def _kind(name: str, settings: AccountSettings, plugins: Plugins) -> ProviderType:
    kind = plugins.provider_types.get(settings.provider)
    if kind is None:
        known = ", ".join(sorted(plugins.provider_types)) or "none"
        raise ConfigurationError(
            f"accounts.{name}.provider: no enabled plugin offers {settings.provider!r}; "
            f"there is {known}"
        )
    return kind
