"""Odoo's calls: who may make them, and what each is answered."""

import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import msgspec
from recado_core import SinkAnswer, SinkContext, TransientSendError, WebhookReply, WebhookRequest
from recado_core.addresses import AddressKind, digits, kind_of

from recado_acrux_chatroom import wire
from recado_acrux_chatroom.agent import AgentMessages, RefusedError
from recado_acrux_chatroom.phrases import PHRASES
from recado_acrux_chatroom.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_DIALOGS = 200
FORBIDDEN, NOT_FOUND, BUSY = 403, 404, 503
UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or not of the wanted shape."""

Action = Callable[[WebhookRequest], Awaitable[object]]


class OdooCalls:
    """Answers the calls of one connector.

    Nothing here waits for anything but the gateway, nor for a ``deliver`` that is under way: Odoo
    calls in the midst of the call by which it is told of a message.

    Args:
        context: The sink's.
        webhook_url: The address at which we call Odoo.
    """

    def __init__(self, context: SinkContext, webhook_url: str) -> None:
        settings: Settings = context.settings
        self._name = context.name
        self._settings = settings
        self._gateway = context.gateway
        self._webhook_url = webhook_url
        self._phrases = PHRASES[settings.language]
        self._messages = AgentMessages(settings, context.gateway)
        self._is_refusing = False
        self._actions: dict[str, Action] = {
            "send": self._send,
            "status_get": self._tell_status,
            "config_set": self._compare_config,
            "msg_set_read": self._note_read,
            "contact_get_all": self._list_contacts,
            "whatsapp_number_get": self._check_numbers,
            "init_free_test": self._refuse_free_test,
            "template_get": self._answer_no_templates,
            **dict.fromkeys(wire.ANSWERED_WITH_NOTHING, self._answer_nothing),
        }

    async def answer(self, request: WebhookRequest) -> WebhookReply:
        """Answer one call; HTTP 200 for whatever was done, and an error to show for the rest."""
        try:
            self._authenticate(request)
            return _reply(200, await self._action_of(request)(request))
        except RefusedError as refused:
            return self._refuse(request, refused)
        except TransientSendError as error:
            log.warning("agent told to try again", extra=self._told(reason=error.text))
            return self._refuse(request, RefusedError(self._phrases.busy, BUSY))

    # ---------------------------------------------------------------- who calls

    def _authenticate(self, request: WebhookRequest) -> None:
        client = request.headers.get(wire.CLIENT_HEADER, "")
        token = request.headers.get(wire.TOKEN_HEADER, "")
        is_client = _is_same(client, self._settings.connector_uuid.reveal())
        is_token = _is_same(token, self._settings.connector_token.reveal())
        if is_client & is_token:
            self._is_refusing = False
            return
        if not self._is_refusing:
            log.warning("odoo call refused", extra=self._told(reason=_fault(client, token)))
        self._is_refusing = True
        text = self._phrases.wrong_credentials if client else self._phrases.no_client_id
        raise RefusedError(text, FORBIDDEN)

    def _action_of(self, request: WebhookRequest) -> Action:
        action = wire.PATH_ACTIONS.get(request.path, "") if request.path else _named(request)
        if action not in self._actions:
            raise RefusedError(self._phrases.unknown_action, NOT_FOUND)
        return self._actions[action]

    def _refuse(self, request: WebhookRequest, refused: RefusedError) -> WebhookReply:
        if request.path:  # connectors that call so show the whole body
            return WebhookReply(
                status=refused.status,
                content_type="text/plain; charset=utf-8",
                body=refused.text.encode(),
            )
        return _reply(refused.status, wire.Refusal(error=refused.text))

    def _told(self, **more: object) -> dict[str, object]:
        return {"sink": self._name, **more}

    def _read(self, request: WebhookRequest, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(request.body or b"{}", type=kind)
        except UNREADABLE as error:
            raise RefusedError(self._phrases.unreadable) from error

    # ---------------------------------------------------------------- the actions

    async def _send(self, request: WebhookRequest) -> wire.Sent:
        message = await self._messages.read(self._read(request, wire.Send))
        answer = await self._gateway.send(message)
        if answer.message_id is None:
            raise RefusedError(self._explain(answer))
        return wire.Sent(msg_id=wire.outbound_id(answer.message_id, digits(message.to)))

    def _explain(self, answer: SinkAnswer) -> str:
        """Return why a message can't go, in the agent's language where it is known in that."""
        known = self._phrases.refusals.get(answer.code or "")
        if known is not None:
            return known
        return " ".join(filter(None, (self._phrases.refused, answer.refusal)))

    async def _tell_status(self, request: WebhookRequest) -> wire.ConnectorStatus | wire.PathStatus:
        settings = self._settings
        state = await self._gateway.account_state(settings.account, settings.channel)
        if request.path:
            self._compare_webhook(request.query.get("webhook", ""))
            return wire.PathStatus(is_connected=state.ok, reason=state.text)
        text = state.text or settings.account
        told = wire.StatusText(acrux_ok=text) if state.ok else wire.StatusText(acrux_er=text)
        return wire.ConnectorStatus(status=told)

    async def _compare_config(self, request: WebhookRequest) -> object:
        named = self._read(request, wire.Config).webhook
        self._compare_webhook(named if isinstance(named, str) else "")
        return {}

    def _compare_webhook(self, named: str) -> None:
        """Warn if a connector says that it is called elsewhere than we call it."""
        if not named or named == self._webhook_url:
            return
        try:
            host = httpx.URL(named).host or "none"
        except (httpx.InvalidURL, ValueError):
            host = "none"
        log.warning(
            "connector names another webhook than odoo_url leads to",
            extra=self._told(named=host[:100], called=httpx.URL(self._webhook_url).host),
        )

    async def _note_read(self, request: WebhookRequest) -> object:
        call = self._read(request, wire.Read)
        seen = [wire.read_id(text) for text in call.message_ids if isinstance(text, str)]
        numbers = {match["digits"] for match in seen if match}
        if call.phone:
            numbers.add(str(call.phone))
        for address in {self._messages.read_number(number) for number in numbers}:
            await self._gateway.note_read(
                self._settings.account, address, channel=self._settings.channel
            )
        return {}

    async def _list_contacts(self, _: WebhookRequest) -> wire.Dialogs:
        settings = self._settings
        addresses = await self._gateway.addresses(settings.account, MOST_DIALOGS, settings.channel)
        return wire.Dialogs(
            dialogs=[
                wire.Dialog(id=wire.chat_id(digits(address)))
                for address in addresses
                if kind_of(address) is AddressKind.NUMBER
            ]
        )

    async def _check_numbers(self, request: WebhookRequest) -> wire.CheckedNumbers:
        named = request.query.get("numbers", "").encode(errors="replace").decode()
        asked = named.split(",")[: wire.MOST_NUMBERS]
        return wire.CheckedNumbers(numbers=[self._check(text) for text in asked if text])

    def _check(self, number: str) -> wire.CheckedNumber:
        written = ""
        if number.isascii() and number.isdecimal():
            with contextlib.suppress(RefusedError):
                written = digits(self._messages.read_number(number))
        return wire.CheckedNumber(id=number, whatsapp_id=written)

    async def _refuse_free_test(self, _: WebhookRequest) -> object:
        raise RefusedError(self._phrases.no_free_test)

    async def _answer_no_templates(self, _: WebhookRequest) -> object:
        return []

    async def _answer_nothing(self, _: WebhookRequest) -> object:
        return {}


def _is_same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), ours.encode())


def _fault(client: str, token: str) -> str:
    if client and token:
        return "its client_id or token is another than that of the configuration"
    if token:
        return "no client_id came: a proxy such as nginx drops it (underscores_in_headers)"
    return "no token came"


def _named(request: WebhookRequest) -> str:
    return request.headers.get(wire.ACTION_HEADER, "")


def _reply(status: int, value: object) -> WebhookReply:
    return WebhookReply(status=status, body=msgspec.json.encode(value))
