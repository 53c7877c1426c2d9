"""What people answered, read into MO messages: the same whether a webhook tells it or a poll.

A reply to a message of ours has an id of Kolmeya's. The id in a campaign's webhook is that of the
message answered, as far as is known, and that in ``sms/replys-web`` the reply's: such a reply is
known by its campaign, its sender and its text instead.
"""

import hashlib
from datetime import datetime, tzinfo

from recado_core import InboundMessage

from recado_kolmeya.parts import read_id, tell_unread
from recado_kolmeya.phones import read_phone
from recado_kolmeya.receipts import own_id
from recado_kolmeya.times import read_time
from recado_kolmeya.wire import CampaignReply, Reply, Scalar


def read_reply(entry: Reply, zone: tzinfo) -> InboundMessage | None:
    """Return a reply to what was sent by API, or None if it does not say from whom or what."""
    answered = entry.message
    sender = "" if answered is None else read_phone(answered.phone)
    if answered is None or not sender or entry.reply is None:
        tell_unread("reply")
        return None
    text = str(entry.reply)
    known_by = (sender, text, entry.received_at, read_id(answered.id), answered.reference)
    return InboundMessage(
        provider_ref=read_id(entry.id) or _digest(*known_by),
        sender=sender,
        text=text,
        received_at=read_time(entry.received_at, zone),
        answers_message_id=own_id(answered.reference),
        answers_provider_ref=read_id(answered.id),
    )


def read_campaign_reply(entry: CampaignReply, zone: tzinfo) -> InboundMessage | None:
    """Return a reply to a campaign as ``sms/replys-web`` has it, or None as above."""
    received_at = read_time(entry.received_at, zone)
    return make_campaign_reply(entry.job, entry.phone, entry.reply, received_at)


def make_campaign_reply(
    job: Scalar, phone: Scalar, reply: Scalar, received_at: datetime | None
) -> InboundMessage | None:
    """Return a reply to a campaign, or None if it does not say from whom or what.

    The text counts without the spaces around its words, which one of the two ways might drop.
    """
    sender = read_phone(phone)
    if not sender or reply is None:
        tell_unread("reply")
        return None
    text = str(reply)
    return InboundMessage(
        provider_ref=_digest("campaign", read_id(job), sender, " ".join(text.split())),
        sender=sender,
        text=text,
        received_at=received_at,
    )


def _digest(*content: Scalar) -> str:
    """Make an id for a reply, the same whenever it comes again and of whatever type its parts."""
    texts = ["" if part is None else str(part) for part in content]
    return "sha256:" + hashlib.sha256(repr(texts).encode(errors="surrogatepass")).hexdigest()
