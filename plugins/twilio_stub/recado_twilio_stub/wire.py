"""Twilio's Messages API: its JSON as Structs, its statuses and codes as tables, no logic.

https://www.twilio.com/docs/messaging/api/message-resource
https://www.twilio.com/docs/api/errors
"""

import re
from decimal import Decimal
from typing import Annotated

import msgspec
from recado_core import Outcome, Status

API_VERSION = "2010-04-01"
LONGEST_BODY = 1600  # characters; more is error 21617
MOST_MEDIA = 10  # MediaUrl parameters; more is error 21623
MOST_CONTENT_VARIABLES = 100
LONGEST_VALIDITY = 36_000  # seconds that a message may wait in Twilio's queue

# https://www.twilio.com/docs/content/send-templates-created-with-the-content-template-builder
is_content_sid = re.compile(r"HX[0-9a-fA-F]{32}").fullmatch  # any other is error 21655
# What makes the value of a content variable error 21656, beside an empty one.
bad_content_value = re.compile(r"[\n\r\t]| {5,}").search

# ---------------------------------------------------------------- what Twilio answers


class CreatedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The 201 of a Message created; only what we read of it, so that the rest may change."""

    sid: Annotated[str, msgspec.Meta(min_length=1)]
    status: str = ""
    error_code: int | None = None
    error_message: str | None = None


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every 4xx and 5xx: https://www.twilio.com/docs/usage/twilios-response."""

    code: int = 0
    message: str = ""
    more_info: str = ""
    status: int = 0


class AccountReply(msgspec.Struct, frozen=True, kw_only=True):
    """An Account: https://www.twilio.com/docs/iam/api/account; it holds an ``auth_token`` too."""

    sid: str
    status: str
    type: str = "Full"


class BalanceReply(msgspec.Struct, frozen=True, kw_only=True):
    """The balance: text such as ``"0.05"``, and its currency."""

    balance: Decimal
    currency: str = ""


# ---------------------------------------------------------------- statuses

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
STATUSES: dict[str, Status] = {
    "accepted": Status.SENT,  # a Messaging Service is choosing the sender
    "scheduled": Status.SENT,  # Twilio holds it until its time
    "queued": Status.SENT,  # Twilio has it
    "sending": Status.SENT,  # on its way to the carrier
    "sent": Status.SENT,  # the carrier has it
    "delivered": Status.DELIVERED,  # the carrier's receipt says so
    "read": Status.READ,  # channels with read receipts only
    "undelivered": Status.UNDELIVERED,  # the carrier's receipt says that it did not arrive
    "failed": Status.REJECTED,  # it never left Twilio: queue, suspension, opt-out
    "canceled": Status.UNDELIVERED,  # taken back at Twilio, not by the gateway's client
}
INBOUND_STATUSES = frozenset({"receiving", "received"})
FAILURES = frozenset({"failed", "undelivered"})

# The error code of a failed or undelivered message: its status, where the code tells more exactly
# than Twilio's status does, and its words, for the webhook brings the number alone.
# https://www.twilio.com/docs/messaging/guides/debugging-tools#error-codes
DELIVERY_ERRORS: dict[str, tuple[Status | None, str]] = {
    "21610": (Status.REJECTED, "the recipient has unsubscribed"),
    "30001": (Status.REJECTED, "queue overflow"),
    "30002": (Status.REJECTED, "account suspended"),
    "30003": (None, "unreachable destination handset"),
    "30004": (Status.REJECTED, "message blocked"),
    "30005": (None, "unknown destination handset"),
    "30006": (None, "landline or unreachable carrier"),
    "30007": (Status.REJECTED, "message filtered"),
    "30008": (None, "unknown error"),
    "30009": (None, "missing segment"),
    "30034": (Status.REJECTED, "message from an unregistered number"),
    "30036": (Status.EXPIRED, "validity period expired"),
    "63016": (Status.REJECTED, "outside the window in which free text is allowed"),
    "63018": (Status.REJECTED, "rate limit of the channel exceeded"),
    "63024": (Status.REJECTED, "invalid message recipient"),
}

# ---------------------------------------------------------------- refusals

# Each code has its page: https://www.twilio.com/docs/api/errors/21211 and so on. What stands in
# neither of these tables goes by the HTTP status.
REFUSALS: dict[int, Outcome] = {
    21211: Outcome.REJECTED,  # invalid To
    21408: Outcome.REJECTED,  # this region is not enabled for the account
    21602: Outcome.REJECTED,  # no Body
    21604: Outcome.REJECTED,  # no To
    21606: Outcome.REJECTED,  # From can't send to this destination
    21608: Outcome.REJECTED,  # a trial account, and an unverified To
    21610: Outcome.SUPPRESSED,  # the recipient has answered STOP to this sender
    21611: Outcome.TRANSIENT,  # the sender's queue is full; it empties by itself
    21612: Outcome.REJECTED,  # this To can't be reached from this From
    21614: Outcome.REJECTED,  # To is not a mobile number
    21617: Outcome.REJECTED,  # Body is too long
    21620: Outcome.REJECTED,  # invalid MediaUrl
    21623: Outcome.REJECTED,  # too many MediaUrl
    21635: Outcome.REJECTED,  # To is a landline
    21654: Outcome.REJECTED,  # ContentVariables without a ContentSid
    21655: Outcome.REJECTED,  # no such ContentSid
    21656: Outcome.REJECTED,  # invalid ContentVariables
    21659: Outcome.REJECTED,  # From is no number of Twilio's, or of another country
}

# The account's own settings are wrong, so that every other message would be refused as well.
ACCOUNT_ERRORS: frozenset[int] = frozenset(
    {
        10001,  # the account is not active
        20003,  # wrong credentials
        20005,  # the account is not active
        20008,  # test credentials, and a resource that they can't use
        20404,  # no such account under this base_url
        21609,  # invalid StatusCallback: the gateway's public_url can't be reached from outside
    }
)

# Wrong for the account where the sender is its own ``from``, for one message where it is not.
SENDER_ERRORS: frozenset[int] = frozenset(
    {
        21212,  # invalid From
        21603,  # no From
        21660,  # From belongs to another account
    }
)
