"""What may not be read by everyone, taken out of texts and of httpx's log."""

import logging
import re

import httpx

from recado_acrux_chatroom import wire

_most_of_a_number = re.compile(r"\d{4,}(?=\d{4})")
_uuid_in_address = re.compile(rf"(?<={re.escape(wire.WEBHOOK)})[^/?#\s\"']+")


def redact(text: str, secret: str) -> str:
    """Return the text without the secret and without any whole number."""
    return _most_of_a_number.sub("…", text.replace(secret, "***"))


def hide_connectors_in_log() -> None:
    """Keep every connector's uuid out of the log in which httpx writes whom it calls."""
    logging.getLogger("httpx").addFilter(_hide_connector)  # a second time changes nothing


def _hide_connector(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            _uuid_in_address.sub("***", str(value)) if isinstance(value, httpx.URL) else value
            for value in record.args
        )
    return True
