"""The configured accounts: their providers, their state, and what an operator does with them."""

import hmac
import logging
import secrets
import ssl
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
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
from recado_core.engine.account import Account, AccountView
from recado_core.engine.database import Database
from recado_core.engine.failures import NotFoundError, UnsupportedError
from recado_core.engine.limits import Purpose
from recado_core.engine.pacing import calling, hooks_for
from recado_core.engine.plugins import Plugins
from recado_core.engine.settings import AccountSettings, EngineSettings
from recado_core.engine.store import accounts as store
from recado_core.engine.store import events, outbox
from recado_core.engine.vendor_words import clip_text
from recado_core.errors import ConfigurationError, SendError

log = logging.getLogger(__name__)

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
            rows = await store.list_all(connection)
        for name, account in self.by_name.items():
            if name in rows:
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
        queued = await self._queued()
        return [
            account.view(queued.get(account.name, 0), self._monotonic())
            for account in self.by_name.values()
        ]

    async def get(self, name: str) -> AccountView:
        """Return one account, or raise ``NotFoundError``."""
        account = self.find(name)
        return account.view((await self._queued()).get(name, 0), self._monotonic())

    async def pause(self, name: str, reason: str = "paused by an operator") -> AccountView:
        """Stop sending by an account; its messages wait."""
        account = self.find(name)
        now, reason = self._now(), clip_text(reason) or ""

        async def work(connection: AsyncConnection) -> None:
            if await store.pause(connection, name, reason, now):
                event = events.new_event("account.paused", now, account=name, text=reason)
                await events.append(connection, [event])

        await self._database.write(work)
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
        account.paused_at = account.reason = None
        account.wake.set()
        return await self.get(name)

    async def verify(self, name: str) -> Verification:
        """Ask the provider whether it knows the credentials; sends nothing.

        Raises:
            UnsupportedError: The provider can't tell.
        """
        account = self._offering(name, "verify_credentials")
        try:
            provider: SupportsVerifyCredentials = account.provider  # type: ignore[assignment]  # declared
            with calling(Purpose.ASK):
                detail = await provider.verify_credentials()
        except SendError as error:
            return Verification(ok=False, detail=str(error))
        return Verification(ok=True, detail=detail)

    async def balance(self, name: str) -> BalanceView:
        """Ask the provider for the balance, and keep it.

        Raises:
            UnsupportedError: The provider can't tell.
            SendError: It could not be asked now.
        """
        account = self._offering(name, "balance")
        provider: SupportsBalance = account.provider  # type: ignore[assignment]  # declared
        with calling(Purpose.ASK):
            balance = await provider.balance()
        await self.note_balance(account, balance)
        return BalanceView(account=name, balance=balance)

    async def note_balance(self, account: Account, balance: Decimal) -> None:
        """Write an account's balance; the first time that it is too low, say so in an event."""
        now, threshold = self._now(), account.settings.balance_threshold
        low = threshold is not None and balance < threshold

        async def work(connection: AsyncConnection) -> bool:
            told = await store.note_balance(connection, account.name, str(balance), now, low=low)
            if told and low:
                data = {"balance": balance, "threshold": threshold}
                event = events.new_event(
                    "account.balance_low", now, account=account.name, data=data
                )
                await events.append(connection, [event])
            return told

        told = await self._database.write(work)
        account.balance, account.balance_at, account.balance_low = balance, now, low
        if told:
            level, text = (
                (logging.WARNING, "balance is low") if low else (logging.INFO, "balance is enough")
            )
            log.log(level, text, extra={"account": account.name, "balance": str(balance)})

    def _offering(self, name: str, capability: str) -> Account:
        account = self.find(name)
        if not getattr(account.kind.capabilities, capability):
            raise UnsupportedError(
                f"the provider {account.kind.id} of account {name} offers no {capability}"
            )
        return account

    async def _queued(self) -> dict[str, int]:
        async with self._database.read() as connection:
            return await outbox.count_queued(connection)

    def _make_provider(self, account: Account) -> None:
        client = httpx.AsyncClient(
            verify=_trusted(),
            timeout=httpx.Timeout(account.settings.timeout, connect=CONNECT_TIMEOUT),
            limits=httpx.Limits(max_connections=account.concurrency + 2),
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


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificate authorities takes tens of milliseconds: once for all accounts.
    return httpx.create_ssl_context()


def _kind(name: str, settings: AccountSettings, plugins: Plugins) -> ProviderType:
    kind = plugins.provider_types.get(settings.provider)
    if kind is None:
        known = ", ".join(sorted(plugins.provider_types)) or "none"
        raise ConfigurationError(
            f"accounts.{name}.provider: no enabled plugin offers {settings.provider!r}; "
            f"there is {known}"
        )
    return kind
