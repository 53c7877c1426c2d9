"""What the gateway's route does, on a real port: requests into ``handle``, its replies out."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from recado_core import WebhookRequest

BASE = "/sinks/chatroom"


class Front:
    """Serves one sink, whose event loop is the one it is made in."""

    def __init__(self, sink):
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"front": self, **VERBS})
        )

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}{BASE}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def ask(self, request):
        return asyncio.run_coroutine_threadsafe(self._sink.handle(request), self._loop).result(20)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def serve(self):
        parts = urlsplit(self.path)
        reply = self.front.ask(
            WebhookRequest(
                url=f"https://gateway.example.com{self.path}",
                headers={name.lower(): value for name, value in self.headers.items()},
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                body=self.rfile.read(int(self.headers.get("content-length") or 0)),
                method=self.command,
                path=parts.path.removeprefix(BASE).strip("/"),
            )
        )
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_):
        """Say nothing."""


VERBS = {f"do_{verb}": _Handler.serve for verb in ("GET", "POST", "DELETE")}
