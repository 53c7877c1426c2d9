"""A list that is shown page by page: how much of it, and from where on."""

import argparse

from recado_core.engine.messages.messages import MAX_PAGE

from recado_gateway.cli.commands import UsageError, add_json_option
from recado_gateway.cli.output import explain

LIMIT = 50


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of such a list."""
    parser.add_argument(
        "--limit", type=int, default=LIMIT, help=f"how many at the most (default: {LIMIT})"
    )
    parser.add_argument("--cursor", help="go on where the list before this one ended")
    add_json_option(parser)


def check_limit(command: str, limit: int) -> None:
    """Refuse a page that is too large, or none."""
    if not 1 <= limit <= MAX_PAGE:
        raise UsageError(f"{command}: --limit must be from 1 to {MAX_PAGE}")


def tell_more(cursor: str | None) -> None:
    """Say how to see what follows, if anything does."""
    if cursor:
        explain(f"There are more: --cursor {cursor}")
