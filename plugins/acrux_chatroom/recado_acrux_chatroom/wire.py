"""ChatRoom's JSON in both directions as Structs, its ids, its answers as tables, no logic.

The addon publishes no description of it; what is written here holds for its versions of Odoo 13 to
18, and was read for 15.0.29.
"""

import re
from typing import Any, Literal

import msgspec

WEBHOOK = "/acrux_webhook/whatsapp_connector/"
"""Goes before the connector's uuid; ``PROCESS`` may follow it."""

ALIVE = "/acrux_webhook/test"
"""Answers 200 to a GET where the addon is installed."""

PROCESS = "/process"
"""Works off the queue of 17 and later, which else waits for a job that runs every five minutes."""

# ---------------------------------------------------------------- what goes to ChatRoom


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One MO; ``time`` is in Unix seconds, and as text it would fail the whole call."""

    type: str
    txt: str
    id: str
    number: str
    time: int
    name: str | None = None
    url: str | None = None
    filename: str | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="failed"):
    """An agent's message that did not arrive; ChatRoom drops it when ``txt`` is empty."""

    msgid: str
    txt: str


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a call brings; more than one entry would not be taken or refused as a whole."""

    messages: tuple[Message, ...] = ()
    events: tuple[Failed, ...] = ()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every call; ChatRoom reads nothing that is not wrapped in ``params``."""

    params: Params = Params()
    jsonrpc: Literal["2.0"] = "2.0"
    method: Literal["call"] = "call"
    id: int = 1


def chat_id(digits: str) -> str:
    """Return the name of the conversation with a number."""
    return f"{digits}@c.us"


def inbound_id(message_id: str, digits: str) -> str:
    """Return the ``msgid`` of an MO.

    16 drops a message without a word unless its id ends so, and takes ``true_`` for an agent's.
    """
    return f"false_{message_id}_{chat_id(digits)}"


def outbound_id(message_id: str, digits: str) -> str:
    """Return the ``msgid`` of an MT that an agent wrote."""
    return f"true_{message_id}_{chat_id(digits)}"


read_id = re.compile(r"(?:true|false)_[^_@]*_(?P<digits>[0-9]+)@c\.us").fullmatch
"""Reads an id of either kind."""


# The first part of a MIME type: ChatRoom's ``type``. Anything else is a ``FILE``.
MEDIA_TYPES: dict[str, str] = {"image": "image", "audio": "audio", "video": "video"}
FILE = "file"
TEXT = "text"
LOCATION = "location"

# ---------------------------------------------------------------- what ChatRoom answers


class RpcErrorData(msgspec.Struct, frozen=True, kw_only=True):
    """The exception behind an error; its ``debug``, a traceback, is left unread."""

    name: str = ""
    message: str = ""


class RpcError(msgspec.Struct, frozen=True, kw_only=True):
    """Odoo's error, outside of ChatRoom's own code."""

    code: int = 0
    message: str = ""
    data: RpcErrorData | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an answer.

    ``result`` is the text of a response, such as ``<Response 0 bytes [200 OK]>``, up to 16 and for
    every refusal; 17 and later say ``{"status": "ok"}`` for what they have queued, and builds whose
    route is no JSON-RPC say that bare.
    """

    result: Any = None
    status: Any = None
    error: RpcError | None = None


RESPONSE_TEXT = r"<\w+ [^\[\]]*\[(\d{3})\b[^\[\]]*\]>"
"""The text of a response, whose status is what ChatRoom meant to answer."""

QUEUED = "ok"
"""The ``status`` of what is queued."""

# The status in the text of a response: what is the matter.
RESPONSE_MEANINGS: dict[int, str] = {
    403: "ChatRoom has no connector of this `connector_uuid`",
    500: "ChatRoom failed to take it; Odoo's log says why",
}
NOT_FOUND = 404  # the code of an RpcError, too

NO_DATABASE = frozenset({"psycopg2.OperationalError", "odoo.sql_db.PoolError"})
"""The exceptions by which an Odoo without its database fails at every call."""

# ---------------------------------------------------------------- what Odoo asks of us

CLIENT_HEADER, TOKEN_HEADER, ACTION_HEADER = "client_id", "token", "action"

# Connectors of the kinds Facebook, Instagram and Waba Extern put a word of their own at the end of
# the address: the action that it means.
PATH_ACTIONS: dict[str, str] = {
    "sendMessage": "send",
    "status": "status_get",
    "config": "config_set",
    "logout": "status_logout",
    "contact": "contact_get",
    "readChat": "msg_set_read",
    "templates": "template_get",
}

ANSWERED_WITH_NOTHING = (
    "status_logout",
    "contact_get",  # a name would rename the conversation
    "opt_in",
    "config_get",
    "delete_message",
)
"""The actions that want an empty object."""

Text = str | bool | None
"""Odoo writes an empty text as ``false``."""

Amount = str | int | float | bool | None
"""A coordinate."""


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent wrote; which fields there are depends on ``type``.

    16 and later add ``chat_type``, ``buttons`` and ``list``, 17 a quoted message.
    """

    to: str | int = ""
    id: str | int = ""
    type: str = "text"
    text: Text = None
    url: Text = None
    filename: Text = None
    address: Text = None
    latitude: Amount = None
    longitude: Amount = None
    chat_type: Text = None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a message that was accepted is known by; without it ChatRoom says "Server error."."""

    msg_id: str


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector tells of itself once its status is good."""

    webhook: Text = None


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """Whose messages an agent has seen; the latest builds name the messages instead."""

    phone: str | int | bool | None = None
    message_ids: tuple[Text, ...] = ()


class StatusText(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the connector is connected: one of the two, with a text to show."""

    acrux_ok: str | None = None
    acrux_er: str | None = None


class ConnectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``status_get``."""

    status: StatusText


class PathStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The same for a connector that asks at ``/status``."""

    is_connected: bool
    reason: str


class Dialog(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation; ``image`` would be the address of a picture."""

    id: str
    name: str = ""
    image: str = ""


class Dialogs(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``contact_get_all``."""

    dialogs: list[Dialog]


class CheckedNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number as asked, and as it is written; nothing for one that is none."""

    id: str
    whatsapp_id: str


class CheckedNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``whatsapp_number_get``; the limits are those of a plan, of which we have none.

    ChatRoom walks over ``numbers``: as an object it would break the call.
    """

    numbers: list[CheckedNumber]
    remain_limit: int = 100_000
    limit: int = 100_000
    date_due: Literal[False] = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What ChatRoom shows to the agent when a call is not answered with 200."""

    error: str


MOST_NUMBERS = 20  # in one whatsapp_number_get
LONGEST_TEXT = 3999  # characters; ChatRoom itself refuses 4000

# What of an agent's files a message can carry; 16 and later have stickers.
FILES = frozenset({"image", "video", "audio", "file", "sticker"})
GROUP = "group"  # a chat_type
