"""``recado check``: everything that must be right before messages can flow, in one table."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
from recado_core.engine.accounts.account import AccountView
from recado_core.engine.accounts.accounts import Verification
from recado_core.engine.failures import UnsupportedError
from recado_core.engine.runtime import Engine
from recado_core.engine.store.database import Database
from recado_core.engine.store.engines import parse_url
from recado_core.engine.store.revisions import head
from recado_core.errors import RecadoError

from recado_gateway.cli.commands import DONE, FAILED, Commands, add_json_option
from recado_gateway.cli.configuration import read_settings, start_log
from recado_gateway.cli.output import print_json, print_table

PROBE_SECONDS = 10.0
PROBE_PATH = "/webhooks/recado-check/reachable"
"""A webhook address that no gateway has: only a gateway says so in problem details."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    ok: bool
    detail: str


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado check``."""
    add_json_option(command.parser)
    command.parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at everything; fail when one thing is not right."""
    findings = asyncio.run(_collect(args.config))
    ok = all(finding.ok for finding in findings)
    if args.json:
        print_json({"ok": ok, "checks": findings})
    else:
        print_table(
            ("check", "", "detail"),
            ((it.name, "ok" if it.ok else "not ok", it.detail) for it in findings),
        )
    return DONE if ok else FAILED


async def _collect(config: str | None) -> list[Finding]:
    try:
        settings = read_settings(config)
        start_log(settings)
        engine = Engine(settings.engine, settings.plugins)
    except RecadoError as error:
        return [Finding(name="configuration", ok=False, detail=str(error))]
    file = str(settings.path or "defaults and the environment")
    enabled = ", ".join(f"{it.id} {it.version}" for it in settings.plugins.installed)
    findings = [
        Finding(name="configuration", ok=True, detail=file),
        Finding(name="plugins", ok=True, detail=enabled or "none is enabled"),
    ]
    database = await check_database(settings.engine.database)
    findings.extend(database)
    if all(finding.ok for finding in database):
        await engine.open()
        try:
            findings.extend([finding async for finding in check_accounts(engine)])
            findings.extend([finding async for finding in check_sinks(engine)])
        finally:
            await engine.close()
    if settings.engine.public_url:
        findings.append(await check_webhooks(settings.engine.public_url))
    return findings


async def check_database(url: str) -> list[Finding]:
    """Say whether the database answers, and whether its schema is this version's."""
    parsed = parse_url(url)
    file = parsed.database if parsed.drivername.startswith("sqlite") else None
    if file and not exists(file):  # connecting would make it
        detail = f"{file} is not there; `recado db upgrade` makes it"
        return [Finding(name="database", ok=False, detail=detail)]
    database = Database(url)
    try:
        revision = await database.revision()
    except Exception as error:  # noqa: BLE001 # each database and its driver fail in their own ways
        return [Finding(name="database", ok=False, detail=first_line(error))]
    finally:
        await database.close()
    here = file or f"{parsed.database} at {parsed.host}"
    return [Finding(name="database", ok=True, detail=here), check_schema(revision)]


def exists(file: str) -> bool:
    """Say whether there is such a file."""
    return Path(file).exists()


def check_schema(revision: str | None) -> Finding:
    """Say whether a database's schema is the one that this version needs."""
    needed = head()
    if revision == needed:
        return Finding(name="schema", ok=True, detail=f"revision {revision}")
    there = "the database is empty" if revision is None else f"revision {revision}"
    detail = f"{there}, this version needs {needed}: `recado db upgrade`"
    return Finding(name="schema", ok=False, detail=detail)


async def check_accounts(engine: Engine) -> AsyncIterator[Finding]:
    """Ask every account's provider whether it knows the credentials."""
    accounts = await engine.accounts.list()
    if not accounts:
        yield Finding(name="accounts", ok=False, detail="none is configured")
    for account in accounts:
        yield await check_account(engine, account)


async def check_account(engine: Engine, account: AccountView) -> Finding:
    """Ask one account's provider; a paused account is not right either."""
    name = f"account {account.name}"
    try:
        verified = await engine.accounts.verify(account.name)
    except UnsupportedError:
        verified = Verification(ok=True, detail=f"{account.provider} can't verify credentials")
    except Exception as error:  # noqa: BLE001 # a plugin's code: its failure is the finding
        verified = Verification(ok=False, detail=first_line(error))
    if verified.ok and account.status != "active":
        return Finding(name=name, ok=False, detail=f"{account.status}: {account.reason}")
    return Finding(name=name, ok=verified.ok, detail=verified.detail)


async def check_sinks(engine: Engine) -> AsyncIterator[Finding]:
    """Let every sink look at its business system, and tell what has not reached it."""
    for sink in await engine.sinks.list():
        name = f"sink {sink.name}"
        for found in await engine.sinks.probe(sink.name):
            yield Finding(name=f"{name}: {found.what}", ok=found.ok, detail=found.detail)
        waits = f"{sink.pending} waiting, {sink.dead} given up"
        hint = f": `recado sinks deliveries {sink.name} --state dead`" if sink.dead else ""
        yield Finding(name=name, ok=sink.dead == 0, detail=waits + hint)


async def check_webhooks(public_url: str) -> Finding:
    """Call the gateway's webhook address as a provider would, but for a name it can't know."""
    try:
        async with httpx.AsyncClient(timeout=PROBE_SECONDS) as client:
            answer = await client.post(public_url + PROBE_PATH, content=b"{}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{public_url} does not answer ({first_line(error)}); does `recado serve` run?"
        return Finding(name="webhooks", ok=False, detail=detail)
    if answer.status_code == httpx.codes.NOT_FOUND and "problem+json" in answer.headers.get(
        "content-type", ""
    ):
        return Finding(name="webhooks", ok=True, detail=f"{public_url} answers from here")
    detail = f"{public_url}/webhooks is answered by something else (HTTP {answer.status_code})"
    return Finding(name="webhooks", ok=False, detail=detail)


def first_line(error: Exception) -> str:
    """Return an error in one line."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, RecadoError) else f"{type(error).__name__}: {text}".strip(": ")
