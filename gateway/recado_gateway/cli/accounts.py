"""``recado accounts``: how the accounts stand, and what their providers offer."""

import argparse
import asyncio
from decimal import Decimal

import msgspec
from recado_core.contract import Capabilities
from recado_core.engine.accounts.account import AccountView
from recado_core.engine.accounts.accounts import BalanceView, Verification
from recado_core.engine.failures import UnsupportedError
from recado_core.engine.runtime import Engine
from recado_core.errors import ConfigurationError, SendError

from recado_gateway.cli import operations
from recado_gateway.cli.commands import DONE, FAILED, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.output import explain, print_json, print_table, say
from recado_gateway.cli.structs import cell, fields_of
from recado_gateway.settings import Settings

SHOWN_OTHERWISE = frozenset({"capabilities", "calls_limit", "calls_left"})
"""The first in short; the others each process has for itself, and this one has made no calls."""
LOW = " (low)"


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One account's balance, or why there is none."""

    account: str
    balance: Decimal | None = None
    balance_low: bool = False
    error: str | None = None


def add_to(command: Commands) -> None:
    """Add the commands of ``recado accounts``."""
    for name, summary, run in (
        ("list", "list the accounts and how they stand", run_list),
        ("show", "show one account", run_show),
        ("pause", "stop sending by an account; its messages wait", run_pause),
        ("resume", "send by an account again", run_resume),
        ("verify", "ask the provider whether it knows the account's credentials", run_verify),
        ("balance", "ask the providers for the balance", run_balance),
        ("webhook", "print the address that the provider calls: a secret", run_webhook),
    ):
        parser = command.add(name, summary).parser
        if name != "list":
            every = name == "balance"
            parser.add_argument("name", nargs="?" if every else None, help="the account's name")
        if name == "pause":
            parser.add_argument(
                "--reason", default="paused by an operator", help="for whoever looks at it next"
            )
        if name != "webhook":
            add_json_option(parser)
        parser.set_defaults(run=run)
    operations.add_to(command)


def run_list(args: argparse.Namespace) -> int:
    """List the accounts."""
    settings = read_settings(args.config)
    accounts = asyncio.run(_list(settings))
    if args.json:
        print_json({"items": accounts})
        return DONE
    zone = settings.engine.timezone
    print_table(
        ("account", "provider", "status", "queued", "balance", "asked", "reason"),
        (
            (
                account.name,
                account.provider,
                account.status,
                account.queued,
                cell(account.balance, zone) + (LOW if account.balance_low else ""),
                cell(account.balance_at, zone),
                account.reason,
            )
            for account in accounts
        ),
    )
    return DONE


async def _list(settings: Settings) -> list[AccountView]:
    async with open_engine(settings) as engine:
        return await engine.accounts.list()


def run_show(args: argparse.Namespace) -> int:
    """Show one account."""
    settings = read_settings(args.config)
    account = asyncio.run(_get(settings, args.name))
    if args.json:
        print_json(account)
    else:
        fields = list(fields_of(account, settings.engine.timezone, without=SHOWN_OTHERWISE))
        if offered := offers(account.capabilities):
            fields.append(("offers", offered))
        print_table(("", ""), fields)
    return DONE


def offers(capabilities: Capabilities) -> str:
    """Return what a provider can do, less its limits."""
    return ", ".join(
        name for name in capabilities.__struct_fields__ if getattr(capabilities, name) is True
    )


async def _get(settings: Settings, name: str) -> AccountView:
    async with open_engine(settings) as engine:
        return await engine.accounts.get(name)


def run_pause(args: argparse.Namespace) -> int:
    """Pause one account."""
    return _tell(asyncio.run(_pause(read_settings(args.config), args.name, args.reason)), args)


async def _pause(settings: Settings, name: str, reason: str) -> AccountView:
    async with open_engine(settings) as engine:
        return await engine.accounts.pause(name, reason)


def run_resume(args: argparse.Namespace) -> int:
    """Resume one account."""
    return _tell(asyncio.run(_resume(read_settings(args.config), args.name)), args)


async def _resume(settings: Settings, name: str) -> AccountView:
    async with open_engine(settings) as engine:
        return await engine.accounts.resume(name)


def _tell(account: AccountView, args: argparse.Namespace) -> int:
    if args.json:
        print_json(account)
    else:
        say(f"{account.name} {account.status}")
    return DONE


def run_verify(args: argparse.Namespace) -> int:
    """Ask the provider about the credentials; fail when it says no."""
    verified = asyncio.run(_verify(read_settings(args.config), args.name))
    if args.json:
        print_json(verified)
    elif verified.ok:
        say(verified.detail)
    else:
        explain(f"recado: {args.name}: {verified.detail}")
    return DONE if verified.ok else FAILED


async def _verify(settings: Settings, name: str) -> Verification:
    async with open_engine(settings) as engine:
        return await engine.accounts.verify(name)


def run_webhook(args: argparse.Namespace) -> int:
    """Print the address at which the provider calls an account."""
    settings = read_settings(args.config)
    path = asyncio.run(_webhook_path(settings, args.name))
    if settings.engine.public_url is None:
        raise ConfigurationError("gateway.public_url: missing; webhook addresses lie below it")
    say(settings.engine.public_url + path)
    return DONE


async def _webhook_path(settings: Settings, name: str) -> str:
    async with open_engine(settings) as engine:
        kind = engine.accounts.find(name).kind
        if kind.create_receiver is None:
            raise UnsupportedError(f"the provider {kind.id} of account {name} takes no webhooks")
        return engine.accounts.webhook_path(name)


# ---------------------------------------------------------------- balances


def run_balance(args: argparse.Namespace) -> int:
    """Ask for one account's balance, or for those of all that have one."""
    settings = read_settings(args.config)
    if args.name is None:
        return _tell_balances(asyncio.run(_ask_all(settings)), args)
    found, account = asyncio.run(_ask(settings, args.name))
    if args.json:
        print_json(found)
    else:
        say(str(found.balance))
        if account.balance_low:  # not beside the figure, which a program may read
            explain(f"recado: {args.name}: low: below {account.balance_threshold}")
    return DONE


async def _ask(settings: Settings, name: str) -> tuple[BalanceView, AccountView]:
    async with open_engine(settings) as engine:
        return await engine.accounts.balance(name), await engine.accounts.get(name)


def _tell_balances(lines: list[BalanceLine], args: argparse.Namespace) -> int:
    if args.json:
        print_json({"items": lines})
    else:
        print_table(
            ("account", "balance", ""),
            (
                (
                    line.account,
                    f"{line.balance}{LOW}" if line.balance_low else line.balance,
                    line.error,
                )
                for line in lines
            ),
        )
    return FAILED if any(line.error for line in lines) else DONE


async def _ask_all(settings: Settings) -> list[BalanceLine]:
    async with open_engine(settings) as engine:
        telling = [
            account.name for account in await engine.accounts.list() if account.capabilities.balance
        ]
        return await asyncio.gather(*(_ask_for_line(engine, name) for name in telling))


async def _ask_for_line(engine: Engine, name: str) -> BalanceLine:
    try:
        found = await engine.accounts.balance(name)
    except SendError as error:
        return BalanceLine(account=name, error=str(error))
    low = (await engine.accounts.get(name)).balance_low
    return BalanceLine(account=name, balance=found.balance, balance_low=low)
