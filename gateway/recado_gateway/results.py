"""The results of a campaign as a file: every row of its audience, and what became of it."""

from collections.abc import AsyncIterator

import msgspec
from recado_core.engine.campaigns.campaigns import Campaigns
from recado_core.engine.campaigns.views import CampaignRecipient, RecipientStatus
from recado_core.messages import Status

from recado_gateway.spreadsheets import csv_text

COLUMNS = tuple(field.name for field in msgspec.structs.fields(CampaignRecipient))
RECIPIENT_STATUSES = tuple(
    str(status) for status in (*RecipientStatus, *Status) if status is not Status.RECEIVED
)
"""How a row of an audience may stand."""


async def results_of(campaigns: Campaigns, campaign_id: str) -> AsyncIterator[str]:
    """Yield a campaign's results as CSV, its header first, however many there are."""
    yield csv_text([COLUMNS])
    async for recipients in campaigns.export(campaign_id):
        yield csv_text(row_of(recipient) for recipient in recipients)


def row_of(recipient: CampaignRecipient) -> list[object]:
    """Return the cells of a recipient, times as RFC 3339 has them."""
    told = msgspec.to_builtins(recipient)
    return [told[name] for name in COLUMNS]
