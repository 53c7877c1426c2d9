"""What an account's table holds for this provider."""

from typing import Annotated

import msgspec
from recado_core import Secret

Sid = Annotated[str, msgspec.Meta(pattern=r"\A\w+\Z")]
"""Twilio's name of a resource, which stands in paths: letters and digits alone."""


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}
):
    """One Twilio account, or subaccount, and who its messages come from.

    ``sender`` is the key ``from``: a number of the account in E.164, a short code or an
    alphanumeric sender ID. With ``messaging_service_sid`` beside it, it must be one of the
    service's senders; without it, the service chooses.
    """

    account_sid: Sid
    auth_token: Secret
    sender: str | None = None
    messaging_service_sid: Sid | None = None
    base_url: str = "https://api.twilio.com"

    def __post_init__(self) -> None:
        """Refuse a table that names nobody to send from."""
        if not (self.sender or self.messaging_service_sid):
            raise ValueError("`from` or `messaging_service_sid` is needed")
