"""Sending through Twilio's Messages API, one message a call."""

import base64
import re
from decimal import Decimal

import httpx
import msgspec
from recado_core import (
    AccountContext,
    AccountError,
    ContentError,
    InDoubtError,
    OutboundBatch,
    OutboundMessage,
    Outcome,
    PermanentSendError,
    ProviderTemplate,
    SendError,
    SendResult,
    TransientSendError,
    send_error_for,
    send_request,
)

from recado_twilio_stub import wire
from recado_twilio_stub.settings import Settings

_RAW_KEPT = 2000
_most_of_a_number = re.compile(r"\d{4,}(?=\d{4})")


def check_message(message: OutboundMessage) -> None:
    """Refuse at accept what Twilio would refuse: codes 21602, 21617, 21623, 21655 and 21656."""
    if message.template is not None:
        _check_content(message.template)
        return
    if not (message.text or message.media):
        raise ContentError("a message needs a text or a medium")
    if len(message.text) > wire.LONGEST_BODY:
        raise ContentError(f"the text is longer than {wire.LONGEST_BODY} characters")
    if len(message.media) > wire.MOST_MEDIA:
        raise ContentError(f"more than {wire.MOST_MEDIA} media")


def _check_content(template: ProviderTemplate) -> None:
    if not wire.is_content_sid(template.name):
        raise ContentError(f"{template.name!r} is no ContentSid: HX and 32 hexadecimal digits")
    if len(template.variables) > wire.MOST_CONTENT_VARIABLES:
        raise ContentError(f"more than {wire.MOST_CONTENT_VARIABLES} variables of a template")
    for name, value in template.variables.items():
        if not value.strip() or wire.bad_content_value(value):
            raise ContentError(
                f"the variable {name!r} is empty, or has a line end, a tab or five spaces in a row"
            )


class TwilioProvider:
    """Carries MT messages to one Twilio account."""

    def __init__(self, context: AccountContext) -> None:
        settings: Settings = context.settings
        self._context = context
        self._settings = settings
        self._account_url = (
            f"{settings.base_url.rstrip('/')}/{wire.API_VERSION}/Accounts/{settings.account_sid}"
        )
        credentials = f"{settings.account_sid}:{settings.auth_token.reveal()}".encode()
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(credentials).decode()}",
            "Accept": "application/json",
        }

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        """Create one Message."""
        (message,) = batch.messages
        request = self._context.http.build_request(
            "POST",
            f"{self._account_url}/Messages.json",
            data=self._form(message),
            headers=self._headers,
        )
        response = await send_request(self._context.http, request)
        if response.is_success:
            return [self._created(message, response)]
        return [self._refused(message, response)]

    async def verify_credentials(self) -> str:
        """Fetch the account itself, which costs nothing."""
        response = await self._get(".json")
        try:
            account = msgspec.json.decode(response.content, type=wire.AccountReply)
        except ValueError as error:
            # The reply holds the auth token: nothing of it is kept.
            raise AccountError("the answer is no account; is `base_url` right?") from error
        if account.status != "active":
            raise AccountError(f"the account is {account.status}", code=account.status)
        return f"{account.type} account {self._settings.account_sid} is active"

    async def balance(self) -> Decimal:
        """Fetch the balance; a subaccount has none of its own."""
        response = await self._get("/Balance.json")
        try:
            balance = msgspec.json.decode(response.content, type=wire.BalanceReply).balance
        except ValueError as error:
            raise PermanentSendError("the answer holds no balance") from error
        if not balance.is_finite():
            raise PermanentSendError("the balance is no amount")
        return balance

    # ------------------------------------------------------------ requests

    def _form(self, message: OutboundMessage) -> dict[str, str | list[str]]:
        # https://www.twilio.com/docs/messaging/api/message-resource#request-body-parameters
        form: dict[str, str | list[str]] = {"To": message.to}
        if message.template is not None:
            form |= _content_of(message.template)
        else:
            if message.text:
                form["Body"] = message.text
            if message.media:
                form["MediaUrl"] = [medium.url for medium in message.media]
        if sender := message.sender_id or self._settings.sender:
            form["From"] = sender
        if self._settings.messaging_service_sid:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._context.webhook_url:
            # Twilio echoes no reference of ours, so that our id travels in the address.
            url = httpx.URL(self._context.webhook_url)
            form["StatusCallback"] = str(url.copy_merge_params({"message_id": message.id}))
        if message.expires_at:
            left = int((message.expires_at - self._context.now()).total_seconds())
            form["ValidityPeriod"] = str(max(1, min(left, wire.LONGEST_VALIDITY)))
        return form

    async def _get(self, path: str) -> httpx.Response:
        request = self._context.http.build_request(
            "GET", self._account_url + path, headers=self._headers
        )
        try:
            response = await send_request(self._context.http, request)
        except InDoubtError as error:
            raise TransientSendError(error.text) from error  # a question leaves nothing in doubt
        if not response.is_success:
            raise self._error(response, self._said(response))
        return response

    # ------------------------------------------------------------ answers

    def _created(self, message: OutboundMessage, response: httpx.Response) -> SendResult:
        try:
            created = msgspec.json.decode(response.content, type=wire.CreatedMessage, strict=False)
        except ValueError as error:
            raise InDoubtError(
                f"HTTP {response.status_code} with an answer that is no Message",
                code=str(response.status_code),
                raw=self._clean(response.text)[:_RAW_KEPT],
            ) from error
        outcome = Outcome.ACCEPTED
        if created.status in wire.FAILURES:
            outcome = wire.REFUSALS.get(created.error_code or 0, Outcome.REJECTED)
        return SendResult(
            message_id=message.id,
            outcome=outcome,
            provider_ref=created.sid,
            code=None if created.error_code is None else str(created.error_code),
            text=self._clean(created.error_message) if created.error_message else None,
        )

    def _refused(self, message: OutboundMessage, response: httpx.Response) -> SendResult:
        said = self._said(response)
        outcome = wire.REFUSALS.get(said.code)
        if said.code in wire.SENDER_ERRORS and message.sender_id:
            outcome = Outcome.REJECTED
        if outcome is None or not response.is_client_error:
            raise self._error(response, said)
        return SendResult(
            message_id=message.id,
            outcome=outcome,
            code=str(said.code),
            text=self._clean(said.message),
        )

    def _error(self, response: httpx.Response, said: wire.ErrorReply) -> SendError:
        error = send_error_for(response, self._clean(said.message))
        error.code = str(said.code or response.status_code)
        error.raw = self._clean(response.text)[:_RAW_KEPT]
        if response.is_client_error and said.code in wire.ACCOUNT_ERRORS | wire.SENDER_ERRORS:
            return AccountError(error.text, code=error.code, raw=error.raw)
        return error

    @staticmethod
    def _said(response: httpx.Response) -> wire.ErrorReply:
        try:
            return msgspec.json.decode(response.content, type=wire.ErrorReply, strict=False)
        except ValueError:  # a proxy's page: the status alone tells
            return wire.ErrorReply()

    def _clean(self, text: str) -> str:
        # Twilio's texts quote what they refuse: whole numbers, and the webhook's address.
        for secret in (self._context.webhook_url, self._settings.auth_token.reveal()):
            if secret:
                text = text.replace(secret, "***")
        return _most_of_a_number.sub("…", text)


def _content_of(template: ProviderTemplate) -> dict[str, str]:
    """Return what names a Content template, instead of Body and MediaUrl.

    Its placeholders are numbered, so that the first variable fills ``{{1}}``.
    """
    # https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
    form = {"ContentSid": template.name}
    if template.variables:
        numbered = {str(n): value for n, value in enumerate(template.variables.values(), start=1)}
        form["ContentVariables"] = msgspec.json.encode(numbered).decode()
    return form
