"""What webhooks say, kept from when they come until they are processed."""

from collections.abc import Sequence

from recado_core.messages import WebhookItem

MOST = 20_000
"""Webhooks and items in them that are kept at the most; what is not kept is read again."""


class Readings:
    """Webhooks as their plugin has read them, by their ids in the store.

    A webhook is read when it comes, so that nonsense is refused. Reading it a second time takes as
    long as all else that is done with it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[str, list[WebhookItem]] = {}
        self._weight = 0

    def keep(self, webhook_id: str, items: list[WebhookItem]) -> None:
        """Keep what a webhook says; the oldest give way."""
        self._kept[webhook_id] = items
        self._weight += _weight(items)
        while self._weight > self._most:
            self.drop(next(iter(self._kept)))

    def get(self, webhook_id: str) -> list[WebhookItem] | None:
        """Return what a webhook says; None where it is not kept."""
        return self._kept.get(webhook_id)

    def drop(self, webhook_id: str) -> None:
        """Keep it no longer."""
        items = self._kept.pop(webhook_id, None)
        if items is not None:
            self._weight -= _weight(items)


def _weight(items: Sequence[WebhookItem]) -> int:
    return len(items) + 1  # for one that says nothing takes room, too
