"""ChatRoom's webhook: its JSON as Structs, its ids, its answers as tables, no logic.

The addon publishes no description of it; what is written here holds for its versions of Odoo 13 to
18, and was read for 15.0.29.
"""

from typing import Any, Literal

import msgspec

WEBHOOK = "/acrux_webhook/whatsapp_connector/"
"""Goes before the connector's uuid; ``PROCESS`` may follow it."""

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


def inbound_id(message_id: str, digits: str) -> str:
    """Return the ``msgid`` of an MO.

    16 drops a message without a word unless its id ends so, and takes ``true_`` for an agent's.
    """
    return f"false_{message_id}_{digits}@c.us"


def outbound_id(message_id: str, digits: str) -> str:
    """Return the ``msgid`` of an MT that an agent wrote."""
    return f"true_{message_id}_{digits}@c.us"


# The first part of a MIME type: ChatRoom's ``type``. Anything else is a ``FILE``.
MEDIA_TYPES: dict[str, str] = {"image": "image", "audio": "audio", "video": "video"}
FILE = "file"
TEXT = "text"

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
