"""``recado import``: a campaign made of a file of recipients, and sent where that is asked for."""

import argparse
import asyncio
import hashlib
from pathlib import Path

import msgspec
from recado_core.engine.campaigns.audiences import AudienceReport
from recado_core.engine.campaigns.views import (
    CampaignFilter,
    CampaignStatus,
    CampaignView,
    Rehearsal,
)
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.failures import ConflictError, DraftError
from recado_core.engine.runtime import Engine
from recado_core.errors import RecadoError

from recado_gateway.cli.audience import print_report, rehearse, take
from recado_gateway.cli.campaign_options import (
    add_request_options,
    check_same,
    name_for,
    request_of,
)
from recado_gateway.cli.campaign_words import in_words, print_rehearsal
from recado_gateway.cli.commands import DONE, FAILED, Commands, add_json_option
from recado_gateway.cli.configuration import open_engine, read_settings
from recado_gateway.cli.file_imports import find_file
from recado_gateway.cli.following import explaining, follow, tell_end
from recado_gateway.cli.output import explain, print_json, say
from recado_gateway.settings import Settings

OWNER = "recado import"
"""Whose idempotency keys keep two commands at once from making two campaigns of one file."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What the command answers: the campaign, what came of the file, what a dry run tells."""

    campaign: CampaignView
    report: AudienceReport | None
    dry_run: Rehearsal | None = None


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado import``."""
    parser = command.parser
    parser.add_argument("file", metavar="FILE", help="CSV, or a JSON object on every line")
    parser.add_argument("--name", help="the campaign's (default: made of the file's)")
    add_request_options(parser)
    then = parser.add_mutually_exclusive_group()
    then.add_argument("--start", action="store_true", help="send it, and watch it to its end")
    then.add_argument(
        "--dry-run", action="store_true", help="tell what it would come to; send nothing"
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make or find the campaign of a file, import the file, and do what else is asked for."""
    settings = read_settings(args.config)
    path = find_file(args.file)
    try:
        imported = asyncio.run(_import(settings, path, args))
    except KeyboardInterrupt:
        explain(
            f"recado: {path.name}: interrupted; the same command goes on where it stopped, and "
            "nobody gets anything twice"
        )
        raise
    if args.json and not args.start:
        print_json(imported)
    elif not args.json:
        _print(imported)
    if not imported.campaign.recipients.valid:
        explain("recado: there is nobody to send to")
        return FAILED
    if not args.start:
        return DONE
    with explaining(imported.campaign.id):
        return tell_end(asyncio.run(_send(settings, imported.campaign.id)), args)


async def _import(settings: Settings, path: Path, args: argparse.Namespace) -> Imported:
    digest = await asyncio.to_thread(digest_of, path)
    name = name_for(path, digest) if args.name is None else args.name
    async with open_engine(settings) as engine:
        try:
            campaign = await find(engine, name, args, settings.engine.timezone)
            if campaign is None:
                campaign = await create(engine, name, args, settings.engine.timezone)
            report = await take(engine, campaign.id, path)
        except DraftError as error:
            raise RecadoError(in_words(error)) from error
        except ConflictError as error:
            over = campaign is not None and campaign.status is CampaignStatus.FINISHED
            hint = "; --name makes a new one" if over else ""
            raise RecadoError(f"{name}: {error}{hint}") from error
        return Imported(
            campaign=await engine.campaigns.get(campaign.id),
            report=report,
            dry_run=await rehearse(engine, campaign.id) if args.dry_run else None,
        )


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def find(
    engine: Engine, name: str, args: argparse.Namespace, zone: str
) -> CampaignView | None:
    """Return the campaign of this name, if there is one; runs of schedules have that of theirs.

    Raises:
        RecadoError: It is another one than that of the options, or canceled.
    """
    page = await engine.campaigns.list(CampaignFilter(name=name, schedule_id=""), 1)
    if not page.items:
        return None
    (campaign,) = page.items
    check_same(campaign, args, zone)
    if campaign.status is CampaignStatus.CANCELED:
        raise RecadoError(
            f"the campaign {name!r} ({campaign.id}) was canceled; --name makes a new one"
        )
    return campaign


async def create(engine: Engine, name: str, args: argparse.Namespace, zone: str) -> CampaignView:
    """Make the campaign of this name, once, whoever else does at the same time."""
    request = request_of(args, name, zone)
    fingerprint = hashlib.sha256(msgspec.json.encode(request)).hexdigest()
    key = IdempotencyKey(owner=OWNER, key=name, fingerprint=fingerprint)
    answer = await engine.campaigns.create(request, key)
    return msgspec.json.decode(answer.body, type=CampaignView)


async def _send(settings: Settings, campaign_id: str) -> CampaignView:
    async with open_engine(settings) as engine:
        standing = await engine.campaigns.get(campaign_id)
        if standing.status is CampaignStatus.DRAFT:  # else this command was there before
            await engine.campaigns.start(campaign_id)
    return await follow(settings, campaign_id)


def _print(imported: Imported) -> None:
    say(f"campaign {imported.campaign.id} {imported.campaign.name}")
    if imported.report is not None:
        print_report(imported.report, imported.campaign.id)
    if imported.dry_run is not None:
        print_rehearsal(imported.dry_run)
