"""Whether the gateway reaches ChatRoom and answers at its own address, tried from here."""

import httpx
import msgspec
from recado_core import SendError, send_request
from recado_core.sinks import Finding

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.answers import read_answer
from recado_acrux_chatroom.companion.redaction import redact_all
from recado_acrux_chatroom.settings import Settings

SECONDS = 20.0
TEXT_SHOWN = 200

NOBODY = wire.Failed(msgid="true_recado-setup_0@c.us", txt="recado chatroom setup")
"""A failure of a message that no ChatRoom has: it is passed over, and tells that the uuid is known;
an empty call gets the answer of an unknown uuid."""


async def try_directions(settings: Settings, url: str) -> list[Finding]:
    """Call ChatRoom's test address, its webhook, and the gateway as Odoo will."""
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        return [
            await _call_odoo(http, settings),
            await _call_webhook(http, settings),
            await _call_gateway(http, settings, url),
        ]


async def _call_odoo(http: httpx.AsyncClient, settings: Settings) -> Finding:
    what = "gateway to Odoo"
    try:
        request = http.build_request("GET", settings.odoo_url.rstrip("/") + wire.ALIVE)
        status = (await send_request(http, request)).status_code
    except SendError as error:
        return Finding(what=what, ok=False, detail=error.text)
    if status == httpx.codes.OK:
        return Finding(what=what, ok=True, detail="ChatRoom answers")
    detail = (
        f"HTTP {status} from {wire.ALIVE}: the addon is not installed, or Odoo can't tell which "
        "database is meant (`dbfilter`)"
    )
    return Finding(what=what, ok=False, detail=detail)


async def _call_webhook(http: httpx.AsyncClient, settings: Settings) -> Finding:
    what = "ChatRoom's webhook"
    address = settings.odoo_url.rstrip("/") + wire.WEBHOOK + settings.connector_uuid.reveal()
    request = http.build_request(
        "POST",
        address,
        content=msgspec.json.encode(wire.Call(params=wire.Params(events=(NOBODY,)))),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    try:
        read_answer(await send_request(http, request), lambda text: redact_all(text, settings))
    except SendError as error:
        return Finding(what=what, ok=False, detail=error.text)
    return Finding(what=what, ok=True, detail="it knows the connector and takes calls")


async def _call_gateway(http: httpx.AsyncClient, settings: Settings, url: str) -> Finding:
    what = "gateway's endpoint"
    request = http.build_request(
        "GET",
        url,
        headers={
            wire.ACTION_HEADER: "status_get",
            wire.CLIENT_HEADER: settings.connector_uuid.reveal(),
            wire.TOKEN_HEADER: settings.connector_token.reveal(),
            "Accept": "application/json",
        },
    )
    try:
        response = await send_request(http, request)
    except SendError as error:
        detail = f"{url} does not answer ({error.text}); does `recado serve` run?"
        return Finding(what=what, ok=False, detail=detail)
    if response.status_code != httpx.codes.OK:
        said = redact_all(_first_line(response.text), settings)
        detail = f"{url} answers HTTP {response.status_code}: {said}"
        return Finding(what=what, ok=False, detail=detail)
    try:
        status = msgspec.json.decode(response.content, type=wire.ConnectorStatus).status
    except (ValueError, RecursionError):
        detail = f"{url} is answered by something else than the gateway"
        return Finding(what=what, ok=False, detail=detail)
    if status.acrux_ok is None:
        detail = f"it answers, and the account can't send: {status.acrux_er}"
        return Finding(what=what, ok=False, detail=detail)
    return Finding(what=what, ok=True, detail=f"{url} answers: {status.acrux_ok}")


def _first_line(text: str) -> str:
    return (text.strip() or "nothing").partition("\n")[0][:TEXT_SHOWN]
