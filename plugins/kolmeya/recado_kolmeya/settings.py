"""The settings of a Kolmeya account."""

import re
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct
from recado_core import Secret

VendorId = Annotated[int, Meta(ge=1)]
"""A number that Kolmeya gives to a thing of this account; 0 names nothing."""


_is_path = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*").fullmatch


class PhoneStyle(StrEnum):
    """How phones are written to Kolmeya; what it answers is national either way."""

    INTERNATIONAL = "international"  # 5511900000001
    NATIONAL = "national"  # 11900000001


class KolmeyaSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account's table holds beside the common keys; README.md has a line on each."""

    token: Secret
    base_url: str = "https://kolmeya.com.br/api"
    segment: VendorId | None = None
    sms_api_id: VendorId | None = None
    phone_style: PhoneStyle = PhoneStyle.INTERNATIONAL
    timezone: str = "America/Sao_Paulo"
    tenant_id: VendorId | None = None
    replies_path: str = "sms/replys"
    campaign_replies: bool = True
    campaign_replies_path: str = "sms/replys-web"
    blacklist_path: str = "blacklist"

    def __post_init__(self) -> None:
        """Refuse what would fail later and less clearly."""
        token = bare_token(self.token)
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("token: it is empty, or holds characters that no token has")
        if not self.base_url.startswith(("https://", "http://")):
            raise ValueError("base_url: it starts with https:// or http://")
        for name in ("replies_path", "campaign_replies_path", "blacklist_path"):
            if _is_path(getattr(self, name)) is None:
                raise ValueError(f"{name}: it is a path below /v1, such as sms/replys")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"timezone: there is no zone named {self.timezone!r}") from None


def bare_token(token: Secret) -> str:
    """Return the token's text without the ``Bearer`` that people paste along with it."""
    text = token.reveal().strip()
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text
