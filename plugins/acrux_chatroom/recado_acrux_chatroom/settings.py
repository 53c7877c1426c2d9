"""What a sink's table holds for ChatRoom."""

import re
from enum import StrEnum

import httpx
import msgspec
from recado_core import Secret

_is_uuid = re.compile(r"[A-Za-z0-9._~-]{8,}").fullmatch


class Notes(StrEnum):
    """What agents are told of the messages that left."""

    NONE = "none"  # nothing
    FAILURES = "failures"  # that one did not arrive, and why
    ALL = "all"  # every status that ChatRoom can show: in this version, the failures


class Rpc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The login for Odoo's RPC; nothing uses it in this version."""

    database: str
    login: str
    password: Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connector of ChatRoom, and the account whose conversations it shows.

    ``connector_uuid`` is a secret: whoever knows it can write into the conversations. Nothing uses
    ``connector_token`` and ``rpc`` in this version.
    """

    odoo_url: str
    connector_uuid: Secret
    account: str
    connector_token: Secret | None = None
    notes: Notes = Notes.FAILURES
    rpc: Rpc | None = None

    def __post_init__(self) -> None:
        """Refuse an address that can't be called and an account id that can't stand in it."""
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
