"""An agent's message: what ChatRoom hands over, read into what the gateway takes."""

import hashlib
import math
import mimetypes
from urllib.parse import urlsplit

from recado_core import AddressError, Media, SinkGateway, SinkMessage
from recado_core.addresses import normalise_number

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.phrases import PHRASES
from recado_acrux_chatroom.settings import MediaRule, Settings

TEXT_ONLY = "sms"  # the channel that carries no files
LONGEST_URL = 2000
LONGEST_ID = 40
MAP = "https://maps.google.com/?q="


class RefusedError(Exception):
    """What an agent or Odoo's administrator is told instead of an answer.

    Args:
        text: For the person.
        status: Of HTTP; ChatRoom shows the text for any but 200.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class AgentMessages:
    """Reads the messages of one connector's agents."""

    def __init__(self, settings: Settings, gateway: SinkGateway) -> None:
        self._settings = settings
        self._phrases = PHRASES[settings.language]
        self._gateway = gateway

    async def read(self, call: wire.Send) -> SinkMessage:
        """Return what the gateway shall send, or raise ``RefusedError``."""
        if call.chat_type == wire.GROUP:
            raise RefusedError(self._phrases.no_group)
        address = self.read_number(str(call.to))
        key = self._key(call)
        text, media = await self._content(call, key)
        if not text and not media:
            raise RefusedError(self._phrases.no_text)
        if len(text) > wire.LONGEST_TEXT:
            raise RefusedError(self._phrases.too_long)
        return SinkMessage(
            account=self._settings.account,
            channel=self._settings.channel,
            to=address,
            text=text,
            media=media,
            key=key,
            metadata={"odoo_message_id": str(call.id)[:LONGEST_ID]},
        )

    def read_number(self, text: str) -> str:
        """Return the address of a number as ChatRoom has it, country code first and no plus."""
        try:
            return normalise_number("+" + text.partition("@")[0].removeprefix("+"), "BR")
        except AddressError as error:
            raise RefusedError(self._phrases.no_number) from error

    def _key(self, call: wire.Send) -> str:
        """Return the message's name: ChatRoom's id of it, and what of it can't change.

        An Odoo that was set back to an older copy of its database gives its ids once more, to other
        messages.
        """
        own_id = str(call.id).strip()[:LONGEST_ID]
        if not own_id:
            raise RefusedError(self._phrases.no_id)
        client = self._settings.connector_uuid.reveal()
        parts = (client, str(call.id), str(call.to), call.type, _text(call.text))
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        return f"{own_id}-{digest}"

    async def _content(self, call: wire.Send, key: str) -> tuple[str, tuple[Media, ...]]:
        text = _text(call.text).strip()
        if call.type == wire.TEXT:
            return text, ()
        if call.type == wire.LOCATION:
            return _place(call), ()
        if call.type not in wire.FILES:
            raise RefusedError(self._phrases.no_such_type)
        url = _text(call.url)
        if not _is_public(url):
            raise RefusedError(self._phrases.no_file_address)
        if self._settings.channel == TEXT_ONLY:
            return "\n".join(filter(None, (text, await self._link(url, key)))), ()
        name = _text(call.filename) or None
        kind = mimetypes.guess_type(name)[0] if name else None
        return text, (Media(url=url, type=kind, filename=name),)

    async def _link(self, url: str, key: str) -> str:
        """Return the address that goes out instead of a file: the same for the same message."""
        rule = self._settings.media
        short = None if rule is MediaRule.REFUSE else await self._gateway.shorten(url, key)
        if short is None and rule is not MediaRule.LINK:
            raise RefusedError(self._phrases.no_files)
        return short or url


def _text(value: wire.Text) -> str:
    return value.replace("\0", "") if isinstance(value, str) else ""


def _place(call: wire.Send) -> str:
    """Return a location as text, with a map where its coordinates are some."""
    lines = [line.strip() for line in _text(call.address).split("\n")]
    try:
        spot = float(call.latitude or ""), float(call.longitude or "")
    except ValueError:
        spot = (math.nan, math.nan)
    if all(map(math.isfinite, spot)):
        lines.append(f"{MAP}{spot[0]:.6f},{spot[1]:.6f}")
    return "\n".join(filter(None, lines))


def _is_public(url: str) -> bool:
    """Tell whether a provider can be told to fetch this."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
    return named and len(url) <= LONGEST_URL and url.isprintable() and " " not in url
