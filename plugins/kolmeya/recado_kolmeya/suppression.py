"""Kolmeya's blacklist: phones are put on it and taken off; nothing lists it."""

from collections.abc import Sequence

import httpx
import msgspec
from recado_core import AddressError, PermanentSendError, Suppressed, TransientSendError
from recado_core.addresses import national_digits

from recado_kolmeya.connection import Connection
from recado_kolmeya.masking import make_fit
from recado_kolmeya.refusals import UNREADABLE
from recado_kolmeya.settings import KolmeyaSettings
from recado_kolmeya.wire import BlacklistPhone, BlacklistRequest


async def change_blacklist(
    connection: Connection, settings: KolmeyaSettings, action: str, entries: Sequence[Suppressed]
) -> None:
    """Carry out ``store`` or ``destroy``; what has no Brazilian number, Kolmeya never reaches.

    Done twice it changes nothing, so that without an answer it may be done again.
    """
    phones = list(_phones(entries))
    if not phones:
        return
    request = BlacklistRequest(phones, settings.tenant_id)
    response = await connection.ask(f"{settings.blacklist_path}/{action}", request)
    _check(connection, response)


def _phones(entries: Sequence[Suppressed]) -> list[BlacklistPhone]:
    # National whatever the account's style: the description's example and length are, and nothing
    # tells whether another form is stripped or listed as somebody else's.
    phones = []
    for entry in entries:
        try:
            phones.append(BlacklistPhone(national_digits(entry.address), entry.document))
        except AddressError:
            continue
    return phones


def _check(connection: Connection, response: httpx.Response) -> None:
    """Take a success with no body, or with no error in it, for done."""
    if not response.is_success:
        raise connection.error_for(response)
    if not response.content.strip():
        return
    code, raw = str(response.status_code), connection.raw_of(response)
    try:
        body = msgspec.json.decode(response.content)
    except UNREADABLE as error:
        text = connection.tell_unreadable(response)
        raise TransientSendError(text, code=code, raw=raw) from error
    if isinstance(body, dict) and (body.get("errors") or body.get("error")):
        said = make_fit(f"HTTP {code}: {connection.said_in(response)}", connection.secrets)
        raise PermanentSendError(said, code=code, raw=raw)
