"""The HTTP of the made-up Odoo, and the ways in which it can fail."""

import json
import socket
import time
from http.server import BaseHTTPRequestHandler

import rpc
from failures import ACCESS_DENIED, OdooError
from world import WEBHOOK, World

PAGE = b"<!DOCTYPE html><html><body><h1>Odoo</h1></body></html>"
STATUSES = {
    "status_301": 301,
    "status_400": 400,
    "status_401": 401,
    "status_404": 404,
    "status_500": 500,
    "status_502": 502,
    "status_503": 503,
}
BODIES = {
    "html": PAGE,
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "broken": b'{"jsonrpc": "2.0", "resu',
    "latin": '{"result": "é"}'.encode("latin-1"),
    "deep": b"[" * 100_000,
    "bare_error": b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo"}}',
    "text_error": b'{"jsonrpc": "2.0", "id": 1, "error": "no"}',
}
ERRORS = {
    "access_error": ("odoo.exceptions.AccessError", "You are not allowed to do this."),
    "access_denied": (ACCESS_DENIED, "Access Denied"),
    "user_error": ("odoo.exceptions.UserError", "Not so."),
    "validation_error": ("odoo.exceptions.ValidationError", "Invalid number 5511900000001"),
    "missing_error": ("odoo.exceptions.MissingError", "Record does not exist or has been deleted."),
    "value_error": ("builtins.ValueError", "wrong value"),
    "serialization": (
        "psycopg2.errors.SerializationFailure",
        "could not serialize access due to concurrent update",
    ),
    "no_connections": ("psycopg2.OperationalError", "FATAL:  sorry, too many clients already"),
    "unheard_of": ("odoo.addons.other.SomeError", "never seen"),
}


class Handler(BaseHTTPRequestHandler):
    """Answers one request. A fault may stand before the call is carried out, or after it."""

    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/acrux_webhook/test":
            self.reply(b"", kind="text/plain")
        elif self.path == "/_fake/calls":
            self.reply_json(self.world.calls)
        elif self.path == "/_fake/shown":
            self.reply_json(self.world.shown_at_once)
        elif self.path.startswith("/_fake/rows/"):
            self.reply_json(list(self.world.tables[self.path.rpartition("/")[2]].values()))
        else:
            self.reply(PAGE, 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        given = json.loads(body or b"null")
        if self.path == "/jsonrpc":
            self.jsonrpc(given)
        elif self.path.startswith(WEBHOOK):
            self.webhook(given)
        elif self.path.startswith("/_fake/"):
            self.reply_json(self.told(self.path.removeprefix("/_fake/"), given))
        else:
            self.reply(PAGE, 404)

    def told(self, what, given):
        """Do what a test says."""
        world = self.world
        if what == "reset":
            world.ended.set()
            self.server.world = World(self.server.generation)
        elif what == "faults":
            world.faults.append(given)
        elif what == "create":
            return world.create(given["model"], given["values"])
        elif what == "write":
            world.tables[given["model"]][given["id"]].update(given["values"])
        elif what == "fields":
            world.set_fields(given["model"], given["fields"])
        elif what == "drop_model":
            del world.models[given]
        elif what == "rights":
            world.rights.update({name: set(value) for name, value in given.items()})
        return None

    @property
    def world(self):
        return self.server.world

    def jsonrpc(self, request):
        call = rpc.read(request["params"])
        fault = self.world.fault_for(call.method)
        kind = fault.get("kind")
        if kind in ERRORS:
            return self.reply_error(request, OdooError(*ERRORS[kind]))
        if kind and not fault.get("after"):
            return self.fail(kind, fault)
        try:
            with self.world.lock:
                result = rpc.answer(self.world, call)
            # Outside of the lock: ChatRoom calls the gateway, which may call back
            if callable(result):
                result = result()
        except OdooError as error:
            return self.reply_error(request, error)
        if kind:
            return self.fail(kind, fault, lambda: self.reply_result(request, result))
        return self.reply_result(request, result)

    def webhook(self, request):
        params = request.get("params") or {}
        uuid, _, rest = self.path.removeprefix(WEBHOOK).partition("/")
        with self.world.lock:
            self.reply_result(request, self.world.take_webhook(uuid, rest, params))

    def fail(self, kind, fault, reply=None):
        if kind == "slow":
            self.world.ended.wait(fault["seconds"])
            return (reply or (lambda: self.reply(PAGE)))()
        if kind == "trickle":
            return self.trickle(fault["seconds"])
        if kind == "drop":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if kind in STATUSES:
            return self.reply(PAGE, STATUSES[kind])
        return self.reply(BODIES[kind], kind="text/html" if kind == "html" else "application/json")

    def trickle(self, seconds):
        """Answer a byte at a time, so that no time limit on silence ever ends it."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        world, until = self.world, time.monotonic() + seconds
        while time.monotonic() < until and not world.ended.wait(0.02):
            self.wfile.write(b" ")
        self.close_connection = True

    def reply_result(self, request, result):
        answer = {"jsonrpc": "2.0", "id": request.get("id")}
        if result is not None:  # Odoo leaves a None out
            answer["result"] = result
        self.reply_json(answer)

    def reply_error(self, request, error):
        data = {
            "name": error.name,
            "message": error.message,
            "arguments": [error.message],
            "debug": f"Traceback (most recent call last):\n  File …\n{error.name}: {error.message}",
        }
        said = {"code": 200, "message": "Odoo Server Error", "data": data}
        self.reply_json({"jsonrpc": "2.0", "id": request.get("id"), "error": said})

    def reply_json(self, value):
        self.reply(json.dumps(value).encode(), kind="application/json")

    def reply(self, body, status=200, kind="text/html"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status in range(300, 400):
            self.send_header("Location", "https://elsewhere.example.com/jsonrpc")
        if "session_id" not in self.headers.get("Cookie", ""):
            self.send_header("Set-Cookie", "session_id=made-up; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(body)
