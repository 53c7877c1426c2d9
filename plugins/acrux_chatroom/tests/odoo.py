"""What Odoo with ChatRoom does: takes what the webhook brings, lets its agent write, fails."""

import contextlib
import itertools
import json
import re
import threading
import time

import phonenumbers

KEYS = {"type", "txt", "id", "number", "time", "name", "url", "filename"}
TYPES = {"text", "image", "audio", "video", "file"}
MANY = 1e11
"""No time in seconds is so large: it is one in milliseconds."""

JSON = "application/json"
PAGE = "text/html; charset=utf-8"
DIALOG = "<!DOCTYPE html><title>Login | Odoo</title>"


class IllMadeError(Exception):
    """What the addon fails at."""


class BrokenOffError(Exception):
    """The connection is closed without an answer."""


class Answer:
    def __init__(self, status, body="", kind=PAGE, headers=()):
        self.status = status
        self.body = body.encode()
        self.headers = {"content-type": kind, **dict(headers)}


class Fault:
    """One way to fail, at the next ``count`` calls of a kind, or at all of them.

    ``taken`` says whether the call is carried out all the same.
    """

    def __init__(self, kind, *, count=None, taken=False, seconds=60.0, at="webhook"):
        assert kind in ANSWERS or kind in {"hang", "close", "failure"}, kind
        self.kind = kind
        self.count = count
        self.taken = taken
        self.seconds = seconds
        self.at = at


class FakeOdoo:
    """The addon's webhook and its agent, of the Odoos 13 to 18; 17.5 is a 17 without JSON-RPC."""

    def __init__(self, connector, generation=15):
        self.generation = generation
        self.connector = connector
        self.connector.generation = generation
        self.path = f"/acrux_webhook/whatsapp_connector/{connector.uuid}"
        self.messages = []  # what people wrote, as it came, repeats and all
        self.agents = []  # what agents wrote, once it is committed
        self.sent = {}  # its msgids, and what is wrong with each
        self.names = {}  # of the conversations, by number
        self.infos = []
        self.queue = []
        self.calls = []
        self.faults = []
        self.sessions = 0
        self.bot = None
        self.commit_time = 0.0
        self._ids = itertools.count(87123)
        self._lock = threading.Lock()

    # ---------------------------------------------------------------- the webhook

    def handle(self, method, path, headers, body):
        """Answer one call; header names are in lower case."""
        with self._lock:
            self.calls.append((method, path))
            fault = self._meet(path)
        if fault is None:
            return self._with_session(headers, self._answer(method, path, headers, body))
        if fault.taken:
            self._answer(method, path, headers, body)
        if fault.kind == "hang":
            time.sleep(fault.seconds)
        if fault.kind in {"hang", "close"}:
            raise BrokenOffError
        return self._failure() if fault.kind == "failure" else ANSWERS[fault.kind]

    def _meet(self, path):
        kind = "process" if path.endswith("/process") else "webhook"
        kind = "test" if path == "/acrux_webhook/test" else kind
        for fault in self.faults:
            if fault.at in {kind, "all"} and fault.count != 0:
                fault.count = None if fault.count is None else fault.count - 1
                return fault
        return None

    def _with_session(self, headers, answer):
        if "session_id" not in headers.get("cookie", ""):
            self.sessions += 1
            answer.headers["set-cookie"] = f"session_id=s{self.sessions}; Path=/; HttpOnly"
        return answer

    def _answer(self, method, path, headers, body):
        if (method, path) == ("GET", "/acrux_webhook/test"):
            return Answer(200, kind="text/plain")
        if not path.startswith("/acrux_webhook/"):
            return Answer(404, "<h1>Not Found</h1>")
        told = read_json(body) if headers.get("content-type") == JSON else None
        if method != "POST" or told is None:
            return Answer(400, "<h1>Bad Request</h1>")
        if path == f"{self.path}/process" and self.generation >= 17:
            self._work_off()
            return self._said("200 OK")
        try:
            return self._take(path, told["params"])
        except (KeyError, TypeError, IllMadeError):
            return self._failure()

    def _take(self, path, params):
        if path != self.path or not any(
            params.get(name) for name in ("updates", "events", "messages")
        ):
            return Answer(403) if self.generation == 17.5 else self._said("403 FORBIDDEN")
        if self.generation < 17:
            self._bring(params)
            return self._said("200 OK")
        self.queue.append(params)
        told = {"status": "ok"}
        if self.generation != 17.5:
            told = {"jsonrpc": "2.0", "id": 1, "result": told}
        return Answer(200, json.dumps(told), JSON)

    def _failure(self):
        if self.generation == 17.5:
            return Answer(500, "<h1>Internal Server Error</h1>")
        return self._said("500 INTERNAL SERVER ERROR")

    def _said(self, status):
        result = f"<Response 0 bytes [{status}]>"
        return Answer(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}), JSON)

    def _work_off(self):
        while self.queue:
            with contextlib.suppress(IllMadeError, IndexError):
                self._bring(self.queue.pop(0))

    def _bring(self, params):
        for event in params.get("events", []):
            self._note(event)
        for message in params.get("messages", []):
            check(message)
            if self.generation != 16 or re.search(r"@[cl]\.us$", message["id"]):
                self._enter(message)

    def _note(self, event):
        if event["type"] == "phone-status":
            self.connector.ca_status = event["status"] == "connected"
        elif event["type"] == "failed" and event["msgid"] in self.sent and event["txt"]:
            self.sent[event["msgid"]] = event["txt"]

    def _enter(self, message):
        number = message["number"]
        with self._lock:
            is_new = number not in self.names
            self.names.setdefault(number, message.get("name") or number)
        if is_new and self.connector.endpoint:
            self.names[number] = self.connector.get_contact(number) or self.names[number]
        with self._lock:
            self.messages.append(message)
        if self.bot:
            self.write(number, self.bot)

    # ---------------------------------------------------------------- the agent

    def write(self, number, text="", **more):
        """Write as an agent; what can't be sent is rolled back, and raises ``ShownError``."""
        message_id = next(self._ids)  # a sequence is never rolled back
        message = {"type": "text", "text": text, "to": number, "id": str(message_id), **more}
        if self.generation >= 16:
            message |= {"chat_type": "normal"}
        msgid = self.connector.send(message)
        if self.commit_time:
            time.sleep(self.commit_time)
        with self._lock:
            self.sent[msgid] = None
            self.agents.append({"id": message_id, "number": number, "text": text, "msgid": msgid})
        return msgid

    def state(self):
        with self._lock:
            return {
                "messages": list(self.messages),
                "agents": [{**one, "error_msg": self.sent[one["msgid"]]} for one in self.agents],
                "conversations": dict(self.names),
                "queue": len(self.queue),
                "calls": len(self.calls),
                "connected": self.connector.ca_status,
                "status": self.connector.message,
            }


def read_json(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def check(message):
    number, moment = message["number"], message["time"]
    if set(message) - KEYS or message["type"] not in TYPES or not message["id"]:
        raise IllMadeError
    if re.sub(r"[^0-9]", "", number) != number or not is_possible(number):
        raise IllMadeError
    if isinstance(moment, bool) or not isinstance(moment, int | float) or moment > MANY:
        raise IllMadeError
    if ("url" in message) == (message["type"] == "text") or not isinstance(message["txt"], str):
        raise IllMadeError


def is_possible(number):
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(f"+{number}"))
    except phonenumbers.NumberParseException:
        return False


def rpc_error(name, message):
    data = {"name": name, "message": message, "debug": "Traceback (most recent call last): …"}
    error = {"code": 200, "message": "Odoo Server Error", "data": data}
    return Answer(200, json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}), JSON)


ANSWERS = {
    "404": Answer(404, "<h1>Not Found</h1>"),
    "500": Answer(500, "<h1>Internal Server Error</h1>"),
    "502": Answer(502, "<h1>Bad Gateway</h1>"),
    "503": Answer(503, "<h1>Service Unavailable</h1>"),
    "504": Answer(504, "<h1>Gateway Time-out</h1>"),
    "html": Answer(200, DIALOG),
    "empty": Answer(200, kind="text/plain"),
    "redirect": Answer(303, headers={"location": "/web/login"}),
    "rpc_error": rpc_error("psycopg2.errors.SerializationFailure", "could not serialize access"),
    "no_database": rpc_error("psycopg2.OperationalError", "could not connect to server"),
}
"""What a fault of each kind is answered with, beside those that are no answer."""
