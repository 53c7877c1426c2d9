"""An Odoo with ChatRoom that does not exist, on a real port: it takes, calls back, and fails.

``python fake_odoo.py --port 0`` prints its address. ``GET /control/state`` tells what arrived;
``POST /control/…`` makes it fail, be away, or lets its agent write.
"""

import argparse
import contextlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

try:
    from .addon import Connector, ShownError
    from .odoo import JSON, Answer, BrokenOffError, FakeOdoo, Fault
except ImportError:  # started as a program
    sys.path.insert(0, str(Path(__file__).parent))
    from addon import Connector, ShownError
    from odoo import JSON, Answer, BrokenOffError, FakeOdoo, Fault

UUID = "3f0c5a1e-kit-uuid-of-nobody"
TOKEN = "a-token-of-nobody"


class FakeOdooServer:
    """Serves a ``FakeOdoo`` in threads, can go away and come back at the same address."""

    def __init__(self, odoo, port=0):
        self.odoo = odoo
        self._port = port
        self.starts = 0
        self._server = None
        self._open = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        verbs = {f"do_{verb}": _Handler.serve for verb in ("GET", "POST", "PUT", "DELETE")}
        handler = type("Handler", (_Handler,), {"home": self, "open": self._open, **verbs})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        self.starts += 1
        self.odoo.connector.odoo_url = self.url
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Go away as a killed process does: nobody listens, and every connection breaks."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def restart(self, seconds=0.0):
        self.stop()
        time.sleep(seconds)
        self.start()


class Control:
    """What a test in another process asks for, by name: ``/control/<name>``."""

    def __init__(self, home):
        self._home = home
        self._odoo = home.odoo

    def state(self):
        return {**self._odoo.state(), "starts": self._home.starts}

    def fault(self, **told):
        self._odoo.faults.append(Fault(**told))

    def heal(self):
        self._odoo.faults.clear()

    def connector(self, endpoint):
        self._odoo.connector.endpoint = endpoint

    def bot(self, text=None):
        self._odoo.bot = text

    def slow(self, commit_time):
        self._odoo.commit_time = commit_time

    def press(self, button, **told):
        return {"said": getattr(self._odoo.connector, button)(**told)}

    def agent(self, **told):
        return {"msg_id": self._odoo.write(**told)}

    def down(self, seconds):
        threading.Timer(0.05, self._home.restart, [seconds]).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_):
        """Say nothing: a caller that went away is what tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        self.open.add(self.connection)

    def finish(self):
        self.open.discard(self.connection)
        super().finish()

    def serve(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            if self.path.startswith("/control/"):
                answer = self.control(self.path.removeprefix("/control/"), body)
            else:
                answer = self.home.odoo.handle(self.command, self.path, headers, body)
        except BrokenOffError:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def control(self, name, body):
        try:
            told = getattr(Control(self.home), name)(**json.loads(body or "{}"))
            return Answer(200, json.dumps(told or {}), JSON)
        except ShownError as error:
            return Answer(400, json.dumps({"error": str(error)}), JSON)

    def log_message(self, *_):
        """Keep the output for the address."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8069)
    parser.add_argument("--generation", type=float, default=15)
    parser.add_argument("--uuid", default=UUID)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--endpoint", help="the gateway's address for this connector")
    args = parser.parse_args()
    odoo = FakeOdoo(Connector(args.uuid, args.token, args.endpoint), args.generation)
    with FakeOdooServer(odoo, args.port) as server, contextlib.suppress(KeyboardInterrupt):
        print(server.url, flush=True)  # noqa: T201  # what a test's process reads
        threading.Event().wait()


if __name__ == "__main__":
    main()
