"""Pombo's JSON, and what its words mean here."""

import msgspec
from recado_core import Status


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What Pombo says of one message of a batch; ``ref`` is our id of it."""

    ref: str
    id: str | None = None
    error: str | None = None


class BatchReply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a batch that was taken."""

    messages: list[Fate]


class Happening(msgspec.Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """One entry of a webhook: a receipt, a reply, or what Pombo may add to them."""

    type: str
    id: str
    ref: str | None = None
    state: str | None = None
    sender: str | None = None
    text: str = ""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook."""

    events: list[Happening] = []


STATES = {
    "on_its_way": Status.SENT,
    "delivered": Status.DELIVERED,
    "nobody_home": Status.UNDELIVERED,
    "refused": Status.REJECTED,
    "too_late": Status.EXPIRED,
}
