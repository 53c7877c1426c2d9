"""What a sink's table holds for ChatRoom."""

import re
from enum import StrEnum

import httpx
import msgspec
from recado_core import Secret

_is_uuid = re.compile(r"[A-Za-z0-9._~-]{8,}").fullmatch
_is_token = re.compile(r"[!-~]{8,}").fullmatch


class Notes(StrEnum):
    """What agents are told of the messages that they wrote."""

    NONE = "none"  # nothing
    FAILURES = "failures"  # that one did not arrive, and why
    ALL = "all"  # with `rpc`, that one was delivered or read as well


class PartnerNote(StrEnum):
    """What is noted on the partner whose number it is, whoever sent the message."""

    SENT = "sent"  # the provider took a message to them
    DELIVERED = "delivered"  # it arrived
    RECEIVED = "received"  # they wrote


class MediaRule(StrEnum):
    """What becomes of a file that an agent sends through a channel that carries text alone."""

    LINK = "link"  # its address goes in the text, short where the gateway shortens
    REFUSE = "refuse"  # the agent is told that it can't go


class Language(StrEnum):
    """What agents are spoken to in."""

    PORTUGUESE = "pt"
    ENGLISH = "en"


class Rpc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The login for Odoo's RPC, and what it is used for beside looking before a repeat.

    ``password`` may be an API key. With ``fallback``, messages go by RPC where Odoo has no webhook
    of ChatRoom's to take them.
    """

    database: str
    login: str
    password: Secret
    partner_notes: bool | tuple[PartnerNote, ...] = False
    fallback: bool = False

    def notes_on(self, note: PartnerNote) -> bool:
        """Tell whether this is to be noted on the partner."""
        if isinstance(self.partner_notes, bool):
            return self.partner_notes
        return note in self.partner_notes


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connector of ChatRoom, and the account whose conversations it shows.

    ``connector_uuid`` is a secret: whoever knows it can write into the conversations. Without
    ``media``, files of agents go as links where the gateway shortens addresses, and are refused
    where it does not.
    """

    odoo_url: str
    connector_uuid: Secret
    connector_token: Secret
    account: str
    channel: str = "sms"
    notes: Notes = Notes.FAILURES
    media: MediaRule | None = None
    language: Language = Language.PORTUGUESE
    rpc: Rpc | None = None

    def __post_init__(self) -> None:
        """Refuse an address that can't be called, and what no connector has as id and token."""
        try:
            url = httpx.URL(self.odoo_url)
        except httpx.InvalidURL as error:
            raise ValueError(f"`odoo_url` is no address: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("`odoo_url` must start with https:// or http:// and name a host")
        if url.query or url.fragment or url.userinfo:
            raise ValueError("`odoo_url` is the base address alone: no login, no query")
        if not _is_uuid(self.connector_uuid.reveal()):
            raise ValueError(
                "`connector_uuid` is 8 or more letters, digits, hyphens, dots, `_` or `~`: "
                "the connector's Account ID"
            )
        if not _is_token(self.connector_token.reveal()):
            raise ValueError(
                "`connector_token` is 8 or more characters of ASCII without spaces: "
                "the connector's Token"
            )
