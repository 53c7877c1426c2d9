"""A stranger's provider, from its own wheel: the kit, the gateway, a message there and back.

Nothing of the checkout is on any path here but the wheels that are built of it.
"""

import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
POMBO = Path(__file__).resolve().parent / "pombo"

TOKEN = "pombo-token-of-nobody"
SIGNING_KEY = "pombo-key-of-nobody"
PATIENCE = 60.0

CONFIGURATION = """
[gateway]
public_url = "https://gateway.example.com"
plugins = ["pombo"]

[accounts.pombo_main]
provider = "pombo"
base_url = "{vendor}"
token = {{ env = "POMBO_TOKEN" }}
signing_key = {{ file = "signing.key" }}
"""

RIVAL = """
[project]
name = "rival-sms"
version = "0.1"

[project.entry-points.recado]
pombo = "rival_sms"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""


# Environments


def environ(**more):
    """Return this process's environment without what is about its own Python and gateway."""
    ours = ("PYTHON", "PYTEST", "RECADO", "VIRTUAL_ENV", "COVERAGE")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def run(*words, check=True, **options):
    """Run a program to its end and return what it said; a failure shows all of it."""
    settings = {"env": environ(), "capture_output": True, "text": True, "timeout": 300} | options
    done = subprocess.run(words, check=False, **settings)
    assert not check or done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


class Environment:
    """A virtual environment of its own, filled by pip."""

    def __init__(self, folder, constraints):
        venv.create(folder, symlinks=os.name != "nt")
        self.folder = folder
        self._constraints = constraints

    def program(self, name):
        return Path(sysconfig.get_path("scripts", "venv", vars={"base": str(self.folder)})) / name

    def run(self, name, *arguments, **options):
        return run(self.program(name), *arguments, **options)

    def pip(self, *arguments):
        pip = (sys.executable, "-m", "pip", "--python", self.folder, "--no-input")
        return run(*pip, "--disable-pip-version-check", *arguments)

    def install(self, *wheels):
        quick = ("-qq", "--only-binary=:all:", "--no-compile")  # compiled is what is imported
        self.pip("install", *quick, "-c", self._constraints, *wheels)
        self.pip("check")

    def tell(self, code):
        """Run a line of Python here and return what it prints as JSON."""
        return json.loads(self.run("python", "-c", code, cwd=self.folder).stdout)


def build(source, folder):
    """Build the wheel of a project as it stands, and return its path."""
    pip = (sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check")
    run(*pip, "--no-build-isolation", "--no-deps", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """The folder in which a stranger works."""
    return tmp_path_factory.mktemp("stranger")


@pytest.fixture(scope="session")
def wheels(workshop):
    """The wheels of the core, of the gateway and of the stranger's plugin."""
    plugin = workshop / "pombo"
    shutil.copytree(POMBO, plugin, ignore=shutil.ignore_patterns("conftest.py", "__pycache__"))
    sources = {"core": ROOT / "core", "gateway": ROOT / "gateway", "pombo": plugin}
    return {name: build(source, workshop / f"{name}-wheel") for name, source in sources.items()}


@pytest.fixture(scope="session")
def constraints(workshop):
    """Our pins without their hashes: pip wants one for every wheel, or for none."""
    pins = {
        line.removesuffix("\\").strip()
        for name in ("constraints.txt", "constraints-dev.txt")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith(("--hash", "#"))
    }
    path = workshop / "constraints.txt"
    path.write_text("\n".join(sorted(pins)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def developer(workshop, wheels, constraints):
    """Where the plugin is written: the core with the kit, and no gateway."""
    made = Environment(workshop / "developer", constraints)
    made.install(wheels["core"], f"{wheels['pombo']}[test]")
    return made


@pytest.fixture(scope="session")
def operator(workshop, wheels, constraints):
    """Where the gateway runs with the plugin."""
    made = Environment(workshop / "operator", constraints)
    made.install(*wheels.values())
    return made


# The vendor


class Vendor(ThreadingHTTPServer):
    """Pombo itself: takes batches and keeps what it was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), VendorHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.calls = []

    def call_back(self, gateway, event, signing_key=SIGNING_KEY):
        """Call the address that came with the batch; the proxy before the gateway is left out."""
        body = json.dumps({"events": [event]}).encode()
        signature = hmac.digest(signing_key.encode(), body, "sha256").hex()
        path = urlsplit(self.calls[-1].body["callback"]).path
        return gateway.post(path, content=body, headers={"X-Pombo-Signature": signature})


class VendorHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append(self)
        told = [{"ref": m["ref"], "id": f"p-{m['ref']}"} for m in self.body["messages"]]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"messages": told}).encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def vendor():
    """A vendor that listens."""
    with Vendor() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


# The gateway


def until(find, what):
    """Return the first thing that is found, or fail after a long while."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.02)
    pytest.fail(f"{what} never came")


@pytest.fixture
def site(tmp_path, vendor):
    """A gateway's folder: its configuration, and a secret beside it."""
    (tmp_path / "recado.toml").write_text(CONFIGURATION.format(vendor=vendor.url))
    (tmp_path / "signing.key").write_text(f"{SIGNING_KEY}\n")
    return tmp_path


@contextmanager
def serving(operator, site):
    """Run ``recado serve`` on a free port, and give a client that has an admin key."""
    env = environ(POMBO_TOKEN=TOKEN)
    words = ("keys", "create", "--name", "stranger", "--scope", "admin")
    key = operator.run("recado", *words, cwd=site, env=env).stdout.strip()
    log = site / "serve.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [operator.program("recado"), "serve", "--port", "0"], cwd=site, env=env, stderr=file
        )

    def address():
        assert server.poll() is None, log.read_text()
        return re.search(r"listens on (http\S+)\n", log.read_text())

    try:
        url = until(address, "the gateway")[1]
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
            yield client
    finally:
        server.terminate()
        assert server.wait(PATIENCE) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def message_once(gateway, message_id, status):
    """Return a message once it has a status."""

    def find():
        found = gateway.get(f"/v1/messages/{message_id}").raise_for_status().json()
        return found if found["status"] == status else None

    return until(find, f"the status {status}")


# What is installed


@pytest.mark.parametrize("name", ["developer", "operator"])
def test_nothing_of_the_checkout_is_on_the_path(name, request):
    environment = request.getfixturevalue(name)
    paths, files = environment.tell(
        "import json, sys, pombo_sms, recado_core as core;"
        "print(json.dumps([sys.path, [pombo_sms.__file__, core.__file__]]))"
    )
    assert not [path for path in paths if Path(path).is_relative_to(ROOT)]
    assert all(Path(file).is_relative_to(environment.folder) for file in files)
    assert not list(environment.folder.rglob("__editable__*"))


def test_kit_passes_where_there_is_no_engine_and_no_gateway(developer, tmp_path):
    absent = developer.tell(
        "import json; from importlib.util import find_spec;"
        "names = 'recado_gateway', 'sqlalchemy', 'litestar', 'uvicorn', 'alembic', 'rich';"
        "print(json.dumps([name for name in names if find_spec(name)]))"
    )
    assert absent == []
    shutil.copytree(POMBO / "tests", tmp_path / "tests")  # without the package beside them
    done = developer.run("pytest", "-p", "no:cacheprovider", "-W", "error", cwd=tmp_path)
    assert re.search(r"[1-9]\d* passed", done.stdout), done.stdout
    assert "xfailed" not in done.stdout


def test_kit_fails_a_provider_that_is_wrong(developer, tmp_path):
    shutil.copytree(POMBO / "tests", tmp_path / "tests")
    test = tmp_path / "tests" / "test_conformance.py"
    text = test.read_text(encoding="utf-8")
    assert text.count('"p1"') == 1
    test.write_text(text.replace('"p1"', '"p7"'), encoding="utf-8")
    done = developer.run("pytest", "-p", "no:cacheprovider", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "FAILED tests/test_conformance.py" in done.stdout


def test_gateway_finds_the_plugin_by_its_entry_point(operator, tmp_path):
    env = environ(RECADO_GATEWAY__PLUGINS='["pombo"]')
    told = operator.run("recado", "plugins", "list", "--json", cwd=tmp_path, env=env).stdout
    (plugin,) = json.loads(told)["items"]
    assert plugin["id"] == "pombo"
    assert plugin["enabled"]
    assert (plugin["distribution"], plugin["version"]) == ("pombo-sms", "1.2.0")
    assert plugin["providers"] == ["pombo"]


# What it does


def test_message_is_sent_and_its_receipt_makes_it_delivered(operator, site, vendor):
    with serving(operator, site) as gateway:
        asked = {"to": "+5511900000001", "text": "Olá, já saiu 🕊", "reference": "order-17"}
        accepted = gateway.post("/v1/messages", json=asked)
        assert accepted.status_code == 202, accepted.text
        message_id = accepted.json()["id"]
        sent = message_once(gateway, message_id, "sent")
        assert sent["provider_ref"] == f"p-{message_id}"

        (call,) = vendor.calls
        assert call.path == "/v1/batches"
        assert call.headers["Authorization"] == f"Bearer {TOKEN}"
        assert call.body["messages"] == [
            {"ref": message_id, "to": asked["to"], "text": asked["text"]}
        ]
        assert call.body["callback"].startswith("https://gateway.example.com/webhooks/pombo_main/")

        receipt = {"type": "receipt", "id": f"p-{message_id}", "state": "delivered"}
        forged = vendor.call_back(gateway, receipt, signing_key="a forger's")
        assert forged.is_client_error
        assert vendor.call_back(gateway, receipt).json() == {"thanks": True}
        delivered = message_once(gateway, message_id, "delivered")
        steps = [event["to"] for event in delivered["events"]]
        assert steps[-2:] == ["sent", "delivered"]


def test_reply_becomes_a_received_message(operator, site, vendor):
    with serving(operator, site) as gateway:
        asked = {"to": "+5511900000001", "text": "Pode ser às 9h?"}
        message_id = gateway.post("/v1/messages", json=asked).raise_for_status().json()["id"]
        message_once(gateway, message_id, "sent")
        reply = {"type": "reply", "id": "r-1", "from": "+5511900000001", "text": "Pode 👍"}
        for _ in range(2):  # vendors repeat themselves
            assert vendor.call_back(gateway, reply).is_success

        def received():
            return gateway.get("/v1/messages", params={"direction": "in"}).json()["items"]

        (message,) = until(received, "the reply")
        assert (message["status"], message["text"]) == ("received", "Pode 👍")


# What is wrong with it


def test_plugin_that_is_enabled_and_not_installed_is_one_clear_line(operator, tmp_path):
    (tmp_path / "recado.toml").write_text('[gateway]\nplugins = ["pombo", "gaivota"]\n')
    done = operator.run("recado", "serve", "--port", "0", cwd=tmp_path, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("recado: gateway.plugins: gaivota is enabled")
    assert line.endswith("installed: pombo")


@pytest.fixture
def rival(operator, tmp_path):
    """Another stranger's wheel, installed too, that claims the same id."""
    project = tmp_path / "rival"
    (project / "rival_sms").mkdir(parents=True)
    (project / "rival_sms" / "__init__.py").write_text('"""A plugin that registers nothing."""\n')
    (project / "pyproject.toml").write_text(RIVAL)
    operator.install(build(project, tmp_path / "rival-wheel"))
    yield
    operator.pip("uninstall", "-qq", "--yes", "rival-sms")


@pytest.mark.usefixtures("rival")
def test_two_wheels_that_claim_one_id_stop_the_start(operator, site):
    env = environ(POMBO_TOKEN=TOKEN)
    done = operator.run("recado", "serve", "--port", "0", cwd=site, env=env, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "recado: gateway.plugins: pombo is offered by several packages: pombo-sms, rival-sms"
    ]
