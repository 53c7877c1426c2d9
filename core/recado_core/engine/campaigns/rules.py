"""What a campaign must be to be made, and the messages that it is made of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from recado_core.contract import Channel
from recado_core.engine.accounts.account import Account
from recado_core.engine.accounts.limits import Rate, parse_rate
from recado_core.engine.campaigns.views import CampaignRequest, CampaignStatus
from recado_core.engine.failures import ConflictError, DraftError, Fault
from recado_core.engine.messages.drafts import Draft, check_times, compose
from recado_core.engine.store.identifiers import new_id
from recado_core.engine.store.statements import recipients, templates
from recado_core.engine.templates.contents import NOT_STORABLE, is_storable
from recado_core.engine.templates.variants import Template, is_name, read_template
from recado_core.errors import ConfigurationError

Row = dict[str, Any]

LONGEST_NAME = 120
LONGEST_THROTTLE = 32
LONGEST_JOB = 64
UNFINISHED = (
    "an import of the campaign's audience is under way or was broken off; let it end, or import "
    "the same file again: it goes on where it stopped"
)

MISSING = "a variable is missing"
"""How the fault of a message begins whose recipient has not what its text asks for."""

_OF_RECIPIENTS = ("to", "variables", "text", "document")


def draft_of(request: CampaignRequest, address: str, variables: Mapping[str, Any] | None) -> Draft:
    """Return the message to one recipient, whose variables go before the campaign's."""
    return Draft(
        to=address,
        channel=request.channel,
        text=request.text,
        template=request.template,
        language=request.language,
        variables={**request.variables, **(variables or {})},
        transliterate=request.transliterate or None,
        account=request.account,
        sender_id=request.sender_id,
        reference=request.reference,
        category=request.category,
        priority=request.priority,
        expires_at=request.expires_at,
        metadata=request.metadata,
        media=request.media,
        cost_centre=request.cost_centre,
    )


def messages_to(campaign: Row, rows: Sequence[Row]) -> tuple[list[Draft], list[Row]]:
    """Return the messages to these recipients, and what each one's row has besides."""
    request = msgspec.convert(campaign["request"], CampaignRequest)
    drafts = [draft_of(request, row["address"], row["variables"]) for row in rows]
    marks = [
        {
            "campaign_id": campaign["id"],
            "recipient": row["position"],
            "document_hash": row["document_hash"],
        }
        for row in rows
    ]
    return drafts, marks


async def templates_of(
    connection: AsyncConnection, request: CampaignRequest
) -> dict[str, Template]:
    """Return the template that a campaign names as it is now, by its name, if it is there."""
    if not (request.template and is_name(request.template)):
        return {}
    rows = await templates.named(connection, {request.template})
    return {row["name"]: read_template(row) for row in rows}


def new_campaign(request: CampaignRequest, now: datetime) -> Row:
    """Return the row of a campaign that is a draft."""
    campaign_id = new_id()
    return {
        "id": campaign_id,
        "name": request.name.strip(),
        "status": CampaignStatus.DRAFT,
        "request": msgspec.to_builtins(request),
        "audience_id": campaign_id,
        "position": 0,
        "throttle": request.throttle,
        "fed_at": None,
        "credit": 0.0,
        "reason": None,
        "schedule_id": None,
        "occurrence": None,
        "created_at": now,
        "scheduled_at": request.scheduled_at,
        "started_at": None,
        "finished_at": None,
    }


def request_of_run(campaign: Row, occurrence: datetime) -> CampaignRequest:
    """Return what is asked for at an occurrence of a schedule that repeats a campaign.

    It has as much time as the campaign had; the job at the provider was for one time.
    """
    request = msgspec.convert(campaign["request"], CampaignRequest)
    expires_at = request.expires_at
    if expires_at is not None:
        begun = max(campaign["created_at"], request.scheduled_at or campaign["created_at"])
        expires_at = occurrence + (expires_at - begun)
    return msgspec.structs.replace(request, job=None, expires_at=expires_at)


async def is_unfinished(connection: AsyncConnection, campaign: Row) -> bool:
    """Tell whether a file of a campaign's audience has not been read to its end."""
    counts = await recipients.counts(connection, [campaign["audience_id"]])
    return any(row["unfinished"] for row in counts.values())


async def refuse_without_audience(connection: AsyncConnection, campaign: Row) -> None:
    """Raise ``ConflictError`` if a campaign has no audience, or not yet all of it."""
    counts = await recipients.counts(connection, [campaign["audience_id"]])
    if not any(row["accepted"] > 0 for row in counts.values()):
        raise ConflictError("the campaign has no recipients; import an audience first")
    await refuse_unfinished(connection, campaign)


async def refuse_unfinished(connection: AsyncConnection, campaign: Row) -> None:
    """Raise ``ConflictError`` if a file of a campaign's audience has not been read to its end."""
    if await is_unfinished(connection, campaign):
        raise ConflictError(UNFINISHED)


def let_go(campaign: Row, now: datetime) -> Row:
    """Return what becomes of a campaign that is let go: it runs, or waits for its time."""
    if campaign["started_at"] is not None:
        return {"status": CampaignStatus.RUNNING}
    if campaign["scheduled_at"] is not None and campaign["scheduled_at"] > now:
        return {"status": CampaignStatus.SCHEDULED}
    return {"status": CampaignStatus.RUNNING, "started_at": now}


def is_recipients(fault: Fault) -> bool:
    """Tell whether something is wrong with one recipient's message alone, not with all of them."""
    return fault.pointer.removeprefix("/").partition("/")[0] in _OF_RECIPIENTS


def check_request(  # noqa: PLR0913, PLR0917  # all that it is judged by
    request: CampaignRequest,
    channels: Mapping[str, Channel],
    accounts: Mapping[str, Account],
    region: str,
    now: datetime,
    known: Mapping[str, Template],
) -> None:
    """Raise ``DraftError`` for a campaign of which no message could be sent, with every fault."""
    faults: list[Fault] = []
    if not 1 <= len(request.name.strip()) <= LONGEST_NAME:
        faults.append(Fault(pointer="/name", detail=f"must have 1 to {LONGEST_NAME} characters"))
    elif not is_storable(request.name):
        faults.append(Fault(pointer="/name", detail=NOT_STORABLE))
    faults += check_times(request.scheduled_at, request.expires_at, now)
    if request.throttle is not None:
        try:
            read_throttle(request.throttle)
        except ConfigurationError as error:
            faults.append(Fault(pointer="/throttle", detail=str(error).partition(": ")[2]))
    faults += _account_at_fault(request, channels, accounts)
    faults += _job_at_fault(request, accounts)
    told = {fault.pointer for fault in faults}
    found = _draft_at_fault(request, channels, region, now, known)
    faults += [fault for fault in found if fault.pointer not in told]
    if faults:
        raise DraftError(faults)


def read_throttle(text: str) -> Rate:
    """Return so many messages in so many seconds, or raise ``ConfigurationError``."""
    if len(text) > LONGEST_THROTTLE:
        raise ConfigurationError("throttle: write messages/time, such as 100/1s")
    return parse_rate(text, "throttle")


def _account_at_fault(
    request: CampaignRequest, channels: Mapping[str, Channel], accounts: Mapping[str, Account]
) -> list[Fault]:
    if request.account is None:
        return []
    account = accounts.get(request.account)
    if account is None:
        return [Fault(pointer="/account", detail=f"there is no {request.account!r}")]
    if request.channel in channels and request.channel not in account.kind.channels:
        return [Fault(pointer="/account", detail=f"carries no {request.channel}")]
    return []


def _job_at_fault(request: CampaignRequest, accounts: Mapping[str, Account]) -> list[Fault]:
    if request.job is None:
        return []
    if not (1 <= len(request.job) <= LONGEST_JOB and request.job.isprintable()):
        return [Fault(pointer="/job", detail=f"must have 1 to {LONGEST_JOB} printable characters")]
    if request.account is None:
        return [Fault(pointer="/job", detail="needs the account at whose provider it is")]
    account = accounts.get(request.account)
    if account is not None and not account.kind.capabilities.jobs:
        return [Fault(pointer="/job", detail=f"the account {request.account} knows no jobs")]
    return []


def _draft_at_fault(
    request: CampaignRequest,
    channels: Mapping[str, Channel],
    region: str,
    now: datetime,
    known: Mapping[str, Template],
) -> list[Fault]:
    """Return what is wrong with every message; nobody's address is right in none of them."""
    draft = msgspec.structs.replace(draft_of(request, "", None), expires_at=None)
    found = _faults_of(draft, channels, region, now, known)
    missing = [fault for fault in found if fault.detail.startswith(MISSING)]
    found = [fault for fault in found if fault not in missing]
    if found or not missing or not request.media:
        return found
    # Whether the channel carries media does not depend on what recipients fill in.
    names = [fault.detail.removeprefix(MISSING).strip(": '") for fault in missing]
    filled = {**request.variables, **dict.fromkeys(names, "1")}
    draft = msgspec.structs.replace(draft, variables=filled)
    found = _faults_of(draft, channels, region, now, known)
    return [fault for fault in found if fault.pointer == "/media"]


def _faults_of(
    draft: Draft,
    channels: Mapping[str, Channel],
    region: str,
    now: datetime,
    known: Mapping[str, Template],
) -> list[Fault]:
    try:
        compose(draft, channels, region, now, known)
    except DraftError as error:
        return [fault for fault in error.faults if fault.pointer != "/to"]
    return []
