"""The made-up Odoo as a process, for tests."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import httpx

SERVER = Path(__file__).parent
DATABASE = "odoo"
LOGIN, PASSWORD = "recado", "a-password-of-nobody"
ADMIN_LOGIN, ADMIN_PASSWORD = "admin", "an-admin-password-of-nobody"

CONNECTOR = "acrux.chat.connector"
CONVERSATION = "acrux.chat.conversation"
MESSAGE = "acrux.chat.message"
PARTNER = "res.partner"


class OdooProcess:
    """What a test does with it."""

    def __init__(self, url):
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/_fake", trust_env=False)

    def reset(self):
        """Forget every record, call and fault; what is made to wait waits no longer."""
        self._post("reset", None)

    def fail(self, kind, method=None, **more):
        """Let calls of a method (any, without one) meet a fault: one, or as many as ``times``.

        ``after=True`` lets the call be carried out first. Kinds: ``server.py`` names them.
        """
        self._post("faults", {"kind": kind, "method": method, **more})

    def create(self, model, **values):
        return self._post("create", {"model": model, "values": values})

    def write(self, model, id_, **values):
        self._post("write", {"model": model, "id": id_, "values": values})

    def set_fields(self, model, **fields):
        """Give a model other fields, of these kinds; None takes one away."""
        self._post("fields", {"model": model, "fields": fields})

    def drop_model(self, model):
        """Forget a model, as if its addon were not installed."""
        self._post("drop_model", model)

    def allow(self, **rights):
        """Set the rights of the plain user on models, whose dots are written as ``__``."""
        self._post("rights", {name.replace("__", "."): value for name, value in rights.items()})

    def rows(self, model):
        return self.http.get(f"/rows/{model}").json()

    def calls(self, method=None):
        found = self.http.get("/calls").json()
        return [call for call in found if method in {None, call["method"]}]

    def shown_at_once(self):
        """Return the lines that agents saw without loading anything anew."""
        return self.http.get("/shown").json()

    def _post(self, what, value):
        answer = self.http.post(f"/{what}", json=value)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def running_odoo(generation=15):
    """Run an Odoo of a generation on a free port."""
    command = [sys.executable, SERVER, "--generation", str(generation)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        port = json.loads(process.stdout.readline())["port"]
        odoo = OdooProcess(f"http://127.0.0.1:{port}")
        try:
            yield odoo
        finally:
            odoo.http.close()
            process.kill()
