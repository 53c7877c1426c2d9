"""Sending through Pombo."""

import msgspec
from recado_core import (
    AccountContext,
    InDoubtError,
    OutboundBatch,
    Outcome,
    SendResult,
    raise_for_send,
    send_request,
)

from pombo_sms.settings import PomboSettings
from pombo_sms.wire import BatchReply, Fate


class PomboProvider:
    """Carries MT messages to one Pombo account."""

    def __init__(self, context: AccountContext) -> None:
        settings: PomboSettings = context.settings
        self._http = context.http
        self._url = f"{settings.base_url}/batches"
        self._headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
        self._callback = context.webhook_url

    async def send(self, batch: OutboundBatch) -> list[SendResult]:
        """Hand over the batch in one request."""
        request = self._http.build_request(
            "POST",
            self._url,
            headers=self._headers,
            json={
                "callback": self._callback,
                "messages": [{"ref": m.id, "to": m.to, "text": m.text} for m in batch.messages],
            },
        )
        response = await send_request(self._http, request)
        raise_for_send(response)
        try:
            fates = msgspec.json.decode(response.content, type=BatchReply).messages
        except ValueError as error:
            raise InDoubtError("a success that is no batch", raw=response.text) from error
        if {fate.ref for fate in fates} != {message.id for message in batch.messages}:
            raise InDoubtError("a success that tells of other messages", raw=response.text)
        return [_result(fate) for fate in fates]


def _result(fate: Fate) -> SendResult:
    if fate.id:
        return SendResult(message_id=fate.ref, outcome=Outcome.ACCEPTED, provider_ref=fate.id)
    return SendResult(message_id=fate.ref, outcome=Outcome.REJECTED, code=fate.error)
