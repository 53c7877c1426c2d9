"""What webhooks say, kept from when they come until they are processed."""

from collections.abc import Sequence

from recado_core.messages import WebhookItem

MOST = 20_000
"""Items that are kept at the most; of what is not kept, the webhook is read again."""


class Readings:
    """Webhooks as their plugin has read them, by their ids in the store.

    A webhook is read when it comes, so that nonsense is refused. Reading it a second time takes as
    long as all else that is done with it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[str, Sequence[WebhookItem]] = {}
        self._count = 0

    def keep(self, webhook_id: str, items: Sequence[WebhookItem]) -> None:
        """Keep what a webhook says; the oldest give way."""
        self._kept[webhook_id] = items
        self._count += len(items)
        while self._count > self._most:
            self.take(next(iter(self._kept)))

    def take(self, webhook_id: str) -> Sequence[WebhookItem] | None:
        """Return what a webhook says, and keep it no longer; None where it was not kept."""
        items = self._kept.pop(webhook_id, None)
        self._count -= len(items or ())
        return items
