"""``recado chatroom setup`` as the tests run it, and a gateway for Odoo to call."""

import argparse
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import recado_acrux_chatroom
from recado_core.sinks import ConfiguredSink

from .companions import TOKEN, UUID, settings_for
from .process import ADMIN_LOGIN, ADMIN_PASSWORD, PASSWORD

ADMIN = ("--admin-login", ADMIN_LOGIN, "--admin-password-env", "ODOO_ADMIN_PASSWORD")


class CommandLine:
    """What the gateway's command line is to a plugin."""

    def __init__(self, sinks):
        self.parsers = {}
        self._sinks = sinks

    def add_command(self, *path, summary):
        self.parsers[path] = argparse.ArgumentParser(prog=" ".join(path), description=summary)
        return self.parsers[path]

    def sinks(self, args, kind):
        assert isinstance(args, argparse.Namespace)
        assert kind == "acrux_chatroom"
        if isinstance(self._sinks, Exception):
            raise self._sinks
        return self._sinks


def run(sinks, *arguments):
    cli = CommandLine(sinks)
    recado_acrux_chatroom.register_commands(cli)
    args = cli.parsers["chatroom", "setup"].parse_args(arguments)
    return args.run(args)


def run_shown(capsys, sinks, *arguments):
    """Return the exit code, what was printed, and what was said beside; no password is."""
    code = run(sinks, *arguments)
    printed = capsys.readouterr()
    assert ADMIN_PASSWORD not in printed.out + printed.err
    assert PASSWORD not in printed.out + printed.err
    return code, printed.out, printed.err


class Gateway:
    """An endpoint that answers as the sink does, and notes which actions it was called for."""

    def __init__(self, reply=None):
        self.actions = []
        self.status = {"acrux_ok": "kolmeya_main can send"}
        self.reply = reply

    def answer(self, headers):
        self.actions.append(headers.get("action"))
        if self.reply is not None:
            return self.reply
        if (headers.get("client_id"), headers.get("token")) != (UUID, TOKEN):
            return 403, {"error": "wrong credentials"}
        return 200, {"status": self.status} if headers.get("action") == "status_get" else {}


@contextmanager
def serving(gateway):
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def serve(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = gateway.answer(self.headers)
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_):
            pass

    Handler.do_GET = Handler.do_POST = Handler.serve
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/sinks/chatroom"
        finally:
            server.shutdown()


def sink_at(odoo_url, url, name="chatroom", **changes):
    return ConfiguredSink(name=name, settings=settings_for(odoo_url, **changes), url=url)


def without_rpc(sink):
    settings = msgspec.structs.replace(sink.settings, rpc=None)
    return msgspec.structs.replace(sink, settings=settings)


def findings(out):
    return {it["what"]: it for it in json.loads(out)["findings"]}


def wrong(out):
    return [what for what, finding in findings(out).items() if not finding["ok"]]
