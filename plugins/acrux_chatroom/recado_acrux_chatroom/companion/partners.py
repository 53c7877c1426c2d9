"""The contact behind a number: found, linked to its conversation, told in its chatter."""

import html

from recado_acrux_chatroom.companion.client import Odoo
from recado_acrux_chatroom.companion.phones import is_same, search_pattern
from recado_acrux_chatroom.companion.records import (
    CONVERSATION,
    PARTNER,
    Conversation,
    Domain,
    Partner,
    find_conversation,
    id_of,
    search,
)

PHONES = ("phone", "mobile", "phone_sanitized", "conv_standard_numbers")
"""Fields that may hold a contact's numbers; the last is ChatRoom's own."""

MOST = 100
"""Contacts that are looked at for one number."""

ESCAPING = 17
"""The version from which Odoo takes a note's text for text, and not for HTML."""


def write_note(odoo: Odoo, uuid: str, address: str, number: str, text: str) -> None:
    """Write a note into the chatter of a person's contact; do nothing where it is not clear whose.

    Args:
        odoo: Where it is written.
        uuid: The connector's Account ID.
        address: The person's number with its plus.
        number: The same, as ChatRoom keeps it.
        text: Plain text.
    """
    conversation = find_conversation(odoo, uuid, number)
    partner = id_of(conversation.res_partner_id) if conversation else None
    if partner is None:
        partner = find_partner(odoo, address)
        if partner is None:
            return
        if conversation is not None:
            _link(odoo, conversation, partner)
    body = text
    if odoo.version().major < ESCAPING:
        body = html.escape(text, quote=False).replace("\n", "<br/>")
    odoo.write(
        PARTNER,
        "message_post",
        [partner],
        body=body,
        message_type="comment",
        subtype_xmlid="mail.mt_note",
    )


def find_partner(odoo: Odoo, address: str) -> int | None:
    """Return the contact that has a number, in whichever form.

    Of several it is the one that they all belong to, the company of its people; where they belong
    to different ones, or are too many, it is none.
    """
    known = odoo.fields(PARTNER, *PHONES)
    fields = [name for name in PHONES if name in known and known[name].searchable]
    if not fields:
        return None
    pattern = search_pattern(address)
    domain: Domain = ["|"] * (len(fields) - 1)
    domain += [[name, "=like", pattern] for name in fields]
    found = search(odoo, Partner, domain, limit=MOST)
    if len(found) == MOST:
        return None
    partners = [it for it in found if any(is_same(address, getattr(it, name)) for name in PHONES)]
    if len(partners) == 1:
        return partners[0].id
    owners = {id_of(partner.commercial_partner_id) for partner in partners}
    return owners.pop() if len(owners) == 1 else None


def _link(odoo: Odoo, conversation: Conversation, partner: int) -> None:
    odoo.write(CONVERSATION, "write", [conversation.id], {"res_partner_id": partner})
