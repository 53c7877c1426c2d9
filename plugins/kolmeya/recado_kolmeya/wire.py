"""Kolmeya's JSON: what goes out, what comes back, and the meaning of its status codes.

The vendor's description of its API is narrower than its answers: ids, phones and codes are read as
whatever scalar arrives, and a list that may be missing, null or an object is read as any value.
"""

from typing import Annotated, Any, ClassVar, Generic, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from recado_core import Outcome, Status, SuppressionReason

STATUSES = {
    1: Status.SENT,  # "Tentando enviar": Kolmeya has it, the carrier not yet
    2: Status.SENT,
    3: Status.DELIVERED,
    4: Status.UNDELIVERED,
    5: Status.REJECTED,  # at the broker
    6: Status.EXPIRED,
}
"""The codes of messages sent by API; whole requests number theirs otherwise."""

STATUS_TEXTS = {
    "tentando enviar": Status.SENT,
    "enviado": Status.SENT,
    "entregue": Status.DELIVERED,
    "nao entregue": Status.UNDELIVERED,
    "rejeitado no broker": Status.REJECTED,
    "expirada": Status.EXPIRED,
}
"""The same by name, in lower case and without accents, for an entry that has no code."""

CAMPAIGN_STATUSES = {
    **{code: (status.value, status) for code, status in STATUSES.items()},
    1: ("trying", Status.SENT),
    7: ("rcs_not_supported", Status.SENT),  # it goes on by SMS, or 4 follows
    8: ("read", Status.READ),
    9: ("sms_fallback", Status.SENT),
    10: ("validation", Status.SENT),
}
"""The codes of a campaign's STATUS webhook: a word for each, and what it means for a message."""

CAMPAIGN_REFUSALS = {
    7: "invalid",
    8: "invalid_anatel",
    9: "duplicate",
    10: "not_disturb",
    11: "blacklist",
    12: "invalid_message",
    13: "intelligence",  # "rejected by Kolmeya's intelligence"
}
"""The codes of a campaign's INVALID_RECORD webhook, which uses some of the same numbers."""

REFUSALS = {
    "invalids": ("invalid", Outcome.REJECTED),
    "duplicates": ("duplicate", Outcome.REJECTED),
    "blacklist": ("blacklist", Outcome.SUPPRESSED),
    "not_disturb": ("not_disturb", Outcome.SUPPRESSED),
}
"""The lists of refused messages in an answer to ``store``: our code, and what becomes of them."""

SUPPRESSIONS = {
    "blacklist": SuppressionReason.BLACKLIST,
    "not_disturb": SuppressionReason.DO_NOT_DISTURB,  # São Paulo's
}
"""Why Kolmeya never sends to the phones of such a list; the gateway's own list learns it."""

Scalar = str | int | float | bool | None

Messages = TypeVar("Messages")


class StoreMessage(Struct, frozen=True, gc=False):
    """One message of ``sms/store``; a phone is digits without a plus."""

    phone: int
    message: str
    reference: str


class StoreRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``sms/store``: 1 to 1000 messages, and one address for webhooks of every kind."""

    messages: list[StoreMessage]
    reference: str
    webhook_url: str | None = None
    tenant_segment_id: int | None = None
    sms_api_id: int | None = None


class StatusRequest(Struct, frozen=True):
    """``sms/status/request``: by ``id`` or by ``reference``, never both."""

    reference: str


class Valid(Struct, frozen=True, gc=False):
    """A message that Kolmeya took; ``phone`` comes back national whatever was sent."""

    id: Scalar = None
    phone: Scalar = None
    reference: Scalar = None


class Refused(Struct, frozen=True):
    """A message that Kolmeya did not take; only ``invalids`` document a reference."""

    phone: Scalar = None
    reference: Scalar = None
    error: Any = None


class PlainValid(Struct, frozen=True, gc=False):
    """A ``Valid`` that says which message it is, so that there is no need to read its phone."""

    phone: ClassVar[None] = None
    id: str
    reference: Annotated[str, Meta(min_length=1)]


class RefusedLists(Struct, frozen=True, kw_only=True):
    """The lists of refused messages in an answer to ``sms/store``."""

    invalids: Any = None
    duplicates: Any = None
    blacklist: Any = None
    not_disturb: Any = None


class StoreAnswer(RefusedLists, frozen=True, kw_only=True):
    """The answer to ``sms/store``, which may hold no ``valids`` at all."""

    valids: list[Valid] | dict[str, Valid] | None = None


class PlainAnswer(RefusedLists, frozen=True, kw_only=True):
    """A ``StoreAnswer`` as nearly all are, which is read in half the time."""

    valids: list[PlainValid]


class MessageStatus(Struct, frozen=True, gc=False):
    """What ``sms/status/request`` and the status webhook tell of one message."""

    id: Scalar = None
    reference: Scalar = None
    status_code: Scalar = None
    status: Scalar = None


class PlainStatus(Struct, frozen=True, gc=False):
    """A ``MessageStatus`` with everything in it, of the types that are documented and no longer."""

    id: str
    reference: str
    status_code: int
    status: Annotated[str, Meta(max_length=80)]


class StatusAnswer(Struct, frozen=True):
    """The answer to ``sms/status/request``; its own status and code are of another kind."""

    messages: list[MessageStatus] | dict[str, MessageStatus] | None


class BalanceAnswer(Struct, frozen=True):
    """The answer to ``sms/balance``: ``"R$9.397,30"`` as seen, ``"1500.50"`` as documented."""

    balance: str | int | float


class AnsweredMessage(Struct, frozen=True):
    """The MT that a reply answers."""

    id: Scalar = None
    reference: Scalar = None
    phone: Scalar = None


class Reply(Struct, frozen=True):
    """A person's reply, by webhook or from ``sms/replys``; the MT's own text is not needed."""

    id: Scalar = None
    reply: Scalar = None
    received_at: Scalar = None
    message: AnsweredMessage | None = None


class CampaignReply(Struct, frozen=True):
    """A person's reply to a web campaign, from ``sms/replys-web``."""

    job: Scalar = None
    phone: Scalar = None
    reply: Scalar = None
    received_at: Scalar = None


class RepliesRequest(Struct, frozen=True, omit_defaults=True):
    """``sms/replys`` and ``sms/replys-web``: hours back from now; ``page`` is not documented."""

    period: int
    page: int | None = None


class RepliesPage(Struct, frozen=True):
    """One page of either; its other fields repeat these."""

    data: list[Raw] | dict[str, Raw] | None
    current_page: Scalar = None
    last_page: Scalar = None
    per_page: Scalar = None
    total: Scalar = None
    next_page_url: Any = UNSET


class BlacklistPhone(Struct, frozen=True, omit_defaults=True):
    """A phone for the blacklist; without ``document`` (a CPF) whoever is written to."""

    phone: str
    document: str | None = None


class BlacklistRequest(Struct, frozen=True, omit_defaults=True):
    """``blacklist/store`` and ``blacklist/destroy``: 1 to 1000 phones."""

    phones: list[BlacklistPhone]
    tenant_id: int | None = None  # the vendor's text asks for it, its schema does not


class Notice(Struct, Generic[Messages], frozen=True):
    """The body of any webhook: which fields are there tells its kind."""

    reference: Scalar = None
    messages: Messages | UnsetType = UNSET  # a status webhook
    reply: Raw | UnsetType = UNSET  # a reply webhook
    status: Scalar = None  # of a rejected request, with status_message
    status_message: Scalar = None
    type: Raw | UnsetType = UNSET  # of a campaign webhook, with job_id
    job_id: Raw | UnsetType = UNSET
    payload: Raw | UnsetType = UNSET  # all of the above, once seen wrapped


class CampaignNotice(Struct, frozen=True):
    """The body of a web campaign's webhook; ``data`` is as its ``type`` says."""

    job_id: Scalar = None
    type: Scalar = None
    data: Raw | UnsetType = UNSET
    timestamp: Scalar = None


class CampaignEntry(Struct, frozen=True):
    """What a campaign's webhook tells of one phone; ``id`` is of the message in all of them."""

    id: Scalar = None
    reference: Scalar = None  # not documented
    fullphone: Scalar = None
    custom_data: Any = None  # what the campaign's file held beside; PHP writes none as a list
    code: Scalar = None
    message: Any = None
    reply: Scalar = None
