import shutil
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import msgspec
import pytest
from recado_core import ConfigurationError
from recado_core.engine.runtime import Engine, utc_now
from recado_core.engine.settings import QuietHoursSettings
from recado_core.engine.store.database import upgrade_database
from recado_gateway.app import create_app, make_state
from recado_gateway.settings import load_settings

# An installed distribution of its own, as every plugin is one
sys.path.insert(0, str(Path(__file__).parent / "probe"))
import recado_probe

TOKEN = "probe-secret"
PUBLIC_URL = "https://gateway.example.com/sms"
SQLITE = "sqlite+aiosqlite:///"
SEVERAL_SECONDS = 20
SUNDAY = datetime(2030, 1, 6, 15, tzinfo=UTC)
CONFIGURATION = f"""
[gateway]
database = "{SQLITE}recado.db"
public_url = "{PUBLIC_URL}/"
plugins = ["probe"]
balance_poll = 0  # asked for by the tests that want it

[accounts.main]
provider = "probe"
token = "{TOKEN}"
rate = "500/60s"
balance_threshold = "20.00"

[accounts.plain]
provider = "probe_plain"
token = "plain-secret"

[accounts.troubled]
provider = "probe"
token = "troubled-secret"
trouble = "busy"
"""
SINKS = """
[sinks.desk]
sink = "desk"
account = "main"
token = "desk-secret"

[sinks.mute]
sink = "mute"
"""


@pytest.fixture
def configure(tmp_path):
    """Write a configuration into a folder of its own and load it."""

    def write(text=CONFIGURATION, **environ):
        file = tmp_path / "recado.toml"
        file.write_text(text, encoding="utf-8")
        return load_settings(file, environ)

    return write


@pytest.fixture
def fault(configure):
    """Load a configuration that is wrong; return the line that says what is."""

    def load(text, **environ):
        with pytest.raises(ConfigurationError) as raised:
            configure(text, **environ)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return load


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECADO_CONFIG", raising=False)
    return tmp_path


class Client(httpx.AsyncClient):
    """A client of a running gateway, who has an administrator's key."""

    def __init__(self, app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url="http://inside.test")
        self.app = app
        self.engine = app.state.engine
        self.public_url = PUBLIC_URL
        self.written = 0

    async def call_webhook(self, said, account="main", token=TOKEN, **changes):
        """Call an account's webhook as its provider does, signature and all."""
        path = changes.get("path", self.engine.accounts.webhook_path(account))
        body = changes.get("body", msgspec.json.encode(said))
        signature = recado_probe.sign(token, changes.get("base", PUBLIC_URL) + path, body)
        headers = {"X-Probe-Signature": signature, "Authorization": ""}
        return await self.post(path, content=body, headers=headers)

    async def write(self, text, sender="+5511900000001", account="main"):
        """Let a person write a message; it has arrived when this returns."""
        self.written += 1
        said = {"from": sender, "id": f"mo-{self.written}", "text": text}
        assert (await self.call_webhook(said, account)).status_code == 200
        await self.engine.receive.process()

    async def wait_for(self, path, **expected):
        """Ask for a list or a message until it is as expected; return what was expected."""
        with anyio.fail_after(SEVERAL_SECONDS):
            while True:  # the worker tells nobody when it has done its work
                found = (await self.get(path, params={"limit": 500})).json()
                for item in found.get("items", [found]):
                    if expected.items() <= item.items():
                        return item
                await anyio.sleep(0.02)


IDLE = []
"""Applications that no test uses now: making one takes longer than most tests."""


@asynccontextmanager
async def running(settings, *, worker=False, now=utc_now):
    """Run the application, and give a client of it."""
    engine = Engine(settings.engine, settings.plugins, now=now)
    app = IDLE.pop() if IDLE else create_app(settings, engine=engine, worker=worker)
    for name, value in make_state(settings, engine, worker=worker).items():
        app.state[name] = value
    async with app.lifespan(), Client(app) as client:
        made = await client.engine.keys.create("tests", ["admin"])
        client.headers["Authorization"] = f"Bearer {made.token}"
        yield client
    IDLE.append(app)


@pytest.fixture
def run():
    """Run an application of other settings than those of ``gateway``."""
    return running


@pytest.fixture(scope="session")
def empty_database(database_folder):
    """A SQLite file with the schema and nothing in it: copying it is quicker than migrating."""
    file = database_folder / "empty.db"
    upgrade_database(f"{SQLITE}{file}")
    return file


@pytest.fixture
def gateway(configure, empty_database, sqlite_url):
    """The settings of a gateway with an empty database and the accounts main, plain, troubled."""
    shutil.copy(empty_database, sqlite_url.removeprefix(SQLITE))
    return configure(CONFIGURATION.replace(f"{SQLITE}recado.db", sqlite_url))


@pytest.fixture
async def client(gateway):
    """A client of a gateway whose worker does not run: what is queued stays queued."""
    async with running(gateway) as client:
        yield client


@pytest.fixture
def desk_settings(configure, empty_database, sqlite_url):
    """Load the settings of a gateway with the sinks desk and mute, changed as told."""

    def load(old="", new="", /):
        shutil.copy(empty_database, sqlite_url.removeprefix(SQLITE))
        text = (CONFIGURATION + SINKS).replace(f"{SQLITE}recado.db", sqlite_url)
        assert old in text
        return configure(text.replace(old, new))

    return load


@pytest.fixture
async def desk(desk_settings):
    """A client of a gateway with sinks, whose worker does not run."""
    async with running(desk_settings()) as client:
        yield client


@pytest.fixture
async def working_client(gateway):
    """A client of a gateway whose worker runs."""
    async with running(gateway, worker=True) as client:
        yield client


@pytest.fixture
async def quiet_client(gateway):
    """A client of a gateway in whose country it is Sunday, when no marketing goes."""
    hours = {"sms": QuietHoursSettings(weekdays="09:00-21:00", sunday="closed")}
    engine = msgspec.structs.replace(gateway.engine, quiet_hours=hours)
    settings = msgspec.structs.replace(gateway, engine=engine)
    async with running(settings, now=lambda: SUNDAY) as client:
        yield client


@pytest.fixture
def taken(monkeypatch):
    """The texts that the provider has been given."""
    texts, send = [], recado_probe.Probe.send

    async def note(self, batch):
        texts.extend(message.text for message in batch.messages)
        return await send(self, batch)

    monkeypatch.setattr(recado_probe.Probe, "send", note)
    return texts


@pytest.fixture
def key_for(client):
    """Make an API key with these scopes; return the headers that use it."""

    async def make(*scopes):
        made = await client.engine.keys.create("other", list(scopes))
        return {"Authorization": f"Bearer {made.token}"}

    return make
