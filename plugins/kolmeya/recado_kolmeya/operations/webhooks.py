"""The test of a webhook: ``sms/webhook``, which stores nothing."""

from typing import Annotated

from msgspec import Meta, Struct
from recado_core import Operation, Progress

from recado_kolmeya.operations.answers import change
from recado_kolmeya.operations.kinds import Number
from recado_kolmeya.operations.rows import read_row
from recado_kolmeya.provider import KolmeyaProvider


class WebhookTest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address that Kolmeya shall call once."""

    webhook_url: Annotated[
        str, Meta(pattern=r"^https?://[^\s/?#]+\S*$(?!\n)", description="http or https")
    ]


class WebhookAnswer(Struct, frozen=True, kw_only=True):
    """The HTTP status that the address answered with."""

    code_returned: Number


async def try_webhook(
    provider: KolmeyaProvider, request: WebhookTest, progress: Progress
) -> WebhookAnswer:
    """Let Kolmeya call an address."""
    zone = provider.zone
    answer = await change(
        provider, "sms/webhook", lambda value: read_row(value, WebhookAnswer, zone), request
    )
    progress(1, 1)
    return answer


OPERATIONS = (
    Operation(
        name="webhook",
        summary="Let Kolmeya call an address once, to see whether it can",
        request=WebhookTest,
        reply=WebhookAnswer,
        call=try_webhook,
        changes=True,
    ),
)
