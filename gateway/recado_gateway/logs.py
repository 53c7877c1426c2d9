"""The log: plain lines on standard error, without secrets, tokens or whole phone numbers."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import TextIO
from urllib.parse import quote, quote_plus

from recado_core.addresses import mask
from recado_core.contract import Secret

OURS = "recado"
"""How the loggers of Recado and of its plugins' packages begin; others speak up to warn only."""

SHORTEST_SECRET = 6
"""Characters below which a secret stays unmasked: it would blank out ordinary words."""

# Found in other packages' lines and in tracebacks; our own lines are written without them.
_NUMBERS = re.compile(r"\+[1-9][0-9]{7,14}(?![0-9])")
_TOKENS_IN_ADDRESSES = re.compile(r"(/webhooks/[^/\s]+/)[^/?\s\"']+")
_API_KEYS = re.compile(r"\b(rcd_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+")  # its beginning tells which it is
_NOTHING = re.compile(r"(?!)")
_KEYS_OF_A_RECORD = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)) | {"message": "", "asctime": ""}
)


class PlainFormatter(logging.Formatter):
    """Writes ``time LEVEL logger: message key=value …``, whatever is private masked.

    Secrets of fewer than ``SHORTEST_SECRET`` characters are not masked.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = _find_any(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        """Return the line, with what came by ``extra=`` at its end."""
        extras = (
            f" {key}={value}" for key, value in vars(record).items() if key not in _KEYS_OF_A_RECORD
        )
        return super().formatMessage(record) + "".join(extras)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its traceback, secrets, numbers and tokens masked."""
        return hide_private(self._secrets.sub("***", super().format(record)))


def hide_private(text: str) -> str:
    """Mask every phone number, every token in the address of a webhook, and every API key."""
    text = _NUMBERS.sub(lambda found: mask(found[0]), text)
    text = _TOKENS_IN_ADDRESSES.sub(r"\1***", text)
    return _API_KEYS.sub(r"\1***", text)


def _find_any(secrets: Iterable[Secret]) -> re.Pattern[str]:
    texts = {text for each in secrets if len(text := each.reveal()) >= SHORTEST_SECRET}
    dressed = {form for text in texts for form in _dress(text)}
    longest_first = sorted(dressed, key=len, reverse=True)  # one may be the beginning of another
    return re.compile("|".join(map(re.escape, longest_first))) if dressed else _NOTHING


def _dress(secret: str) -> set[str]:
    """Return how a text reads by itself, in a ``repr``, in JSON and in an address."""
    quoted = (repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False))
    in_addresses = (quote(secret), quote(secret, safe=""), quote_plus(secret))
    return {secret, *(text[1:-1] for text in quoted), *in_addresses}


def configure_logging(
    level: str = "info", stream: TextIO | None = None, secrets: Iterable[Secret] = ()
) -> None:
    """Send the log to standard error.

    Other packages are heard from warnings upwards alone: httpx logs every address that it calls
    at INFO, aiosqlite and SQLAlchemy every value that they store at DEBUG.

    Args:
        level: From which level Recado's own modules and plugins are heard.
        stream: Where to write instead of standard error.
        secrets: What is masked wherever it occurs, but for what has fewer than
            ``SHORTEST_SECRET`` characters: that would blank out ordinary words.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(PlainFormatter(secrets))
    handler.addFilter(
        lambda record: record.levelno >= logging.WARNING or record.name.startswith(OURS)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "aiosqlite", "sqlalchemy", "uvicorn", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
