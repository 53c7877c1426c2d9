"""What a campaign is on the command line: its options, and the request that they make."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from recado_core.engine.campaigns.views import CampaignRequest, CampaignView
from recado_core.errors import RecadoError
from recado_core.messages import Category

from recado_gateway.cli.arguments import words_of
from recado_gateway.cli.commands import UsageError
from recado_gateway.cli.send import read_variable
from recado_gateway.cli.times import in_zone

OPTIONS = {"variables": "--set"}
"""What is not called on the command line as it is in a request."""
LONGEST_FILE_NAME = 100
"""What is taken of it into a campaign's name, which has 120 characters at the most."""
DIGITS = 12


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a campaign, but for its name."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--text", help="the text, with {{ NAME }} where a column's value goes")
    what.add_argument("--template", metavar="NAME", help="a stored template instead of a text")
    parser.add_argument("--language", help="of the template's variants, the one in this language")
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        type=read_variable,
        help="fills {{ NAME }} for recipients who have no such column; may be given several times",
    )
    parser.add_argument("--channel", help="sms (the default) or another channel")
    parser.add_argument("--account", help="send by this account instead of by the routes")
    parser.add_argument("--sender-id", help="what the recipients see as origin")
    parser.add_argument(
        "--category", choices=words_of(Category), help="marketing unless told otherwise"
    )
    parser.add_argument("--priority", type=int, help="0 to 9; 9 goes first (default: 3)")
    parser.add_argument("--throttle", metavar="RATE", help="no faster than this: 100/1s, 5000/1h")
    parser.add_argument("--cost-centre", metavar="NAME", help="where the cost is counted")
    parser.add_argument("--reference", help="your own name for the messages")
    parser.add_argument("--job", help="of the account's provider; it is paused and resumed too")
    for name, meaning in (
        ("--scheduled-at", "do not start before; without offset it is the gateway's local time"),
        ("--expires-at", "give up then what has not gone"),
    ):
        parser.add_argument(name, type=datetime.fromisoformat, metavar="TIME", help=meaning)
    parser.add_argument(
        "--transliterate",
        action="store_true",
        help="replace characters that would double the number of segments",
    )


def request_of(args: argparse.Namespace, name: str, zone: str) -> CampaignRequest:
    """Make a request of the options.

    Raises:
        UsageError: They say nothing to send.
    """
    if args.text is None and args.template is None:
        raise UsageError("give the --text to send, or a --template")
    return CampaignRequest(name=name, **given(args, zone))


def given(args: argparse.Namespace, zone: str) -> dict[str, Any]:
    """Return the fields of a request that the options give."""
    said = {
        "text": args.text,
        "template": args.template,
        "language": args.language,
        "variables": dict(args.set) if args.set else None,
        "channel": args.channel,
        "account": args.account,
        "sender_id": args.sender_id,
        "category": args.category and Category(args.category),
        "priority": args.priority,
        "throttle": args.throttle,
        "cost_centre": args.cost_centre,
        "reference": args.reference,
        "job": args.job,
        "scheduled_at": in_zone(args.scheduled_at, zone),
        "expires_at": in_zone(args.expires_at, zone),
        "transliterate": args.transliterate or None,
    }
    return {field: value for field, value in said.items() if value is not None}


def check_same(campaign: CampaignView, args: argparse.Namespace, zone: str) -> None:
    """Raise ``RecadoError`` if the options say something else than a campaign that is there."""
    other = [
        option_of(field)
        for field, value in given(args, zone).items()
        if getattr(campaign, field) != value
    ]
    if other:
        raise RecadoError(
            f"the campaign {campaign.name!r} ({campaign.id}) is there already, with another "
            f"{' and '.join(other)}; --name makes a new one"
        )


def option_of(field: str) -> str:
    """Return what a field of a request is called on the command line."""
    return OPTIONS.get(field, f"--{field.replace('_', '-')}")


def name_for(path: Path, digest: bytes) -> str:
    """Return what the campaign of a file is called, if nobody names it.

    It tells files of one name apart, so that tomorrow's is another campaign and the same one is
    found again.
    """
    return f"{path.name[:LONGEST_FILE_NAME]} {digest.hex()[:DIGITS]}"
