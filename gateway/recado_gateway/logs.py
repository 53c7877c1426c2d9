"""The log: plain lines on standard error, without secrets, tokens or whole phone numbers."""

import logging
import re
import sys
from typing import TextIO

from recado_core.addresses import mask

OURS = "recado"
"""How the loggers of Recado and of its plugins' packages begin; others speak up to warn only."""

# Found in other packages' lines and in tracebacks; our own lines are written without them.
_NUMBERS = re.compile(r"\+[1-9][0-9]{7,14}(?![0-9])")
_TOKENS_IN_ADDRESSES = re.compile(r"(/webhooks/[^/\s]+/)[^/?\s\"']+")
_KEYS_OF_A_RECORD = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)) | {"message": "", "asctime": ""}
)


class PlainFormatter(logging.Formatter):
    """Writes ``time LEVEL logger: message key=value …``, whatever is private masked."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        """Return the line, with what came by ``extra=`` at its end."""
        extras = (
            f" {key}={value}" for key, value in vars(record).items() if key not in _KEYS_OF_A_RECORD
        )
        return super().formatMessage(record) + "".join(extras)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its traceback, numbers and tokens masked."""
        return hide_private(super().format(record))


def hide_private(text: str) -> str:
    """Mask every phone number, and every token in the address of a webhook."""
    text = _NUMBERS.sub(lambda found: mask(found[0]), text)
    return _TOKENS_IN_ADDRESSES.sub(r"\1***", text)


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log to standard error.

    Other packages are heard from warnings upwards alone: httpx logs every address that it calls
    at INFO, aiosqlite and SQLAlchemy every value that they store at DEBUG.

    Args:
        level: From which level Recado's own modules and plugins are heard.
        stream: Where to write instead of standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(PlainFormatter())
    handler.addFilter(
        lambda record: record.levelno >= logging.WARNING or record.name.startswith(OURS)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "aiosqlite", "sqlalchemy", "uvicorn", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
