import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import msgspec
import pytest
from recado_core import Secret
from recado_gateway.logs import SHORTEST_SECRET, configure_logging, hide_private
from recado_gateway.tables import hide_secrets

DEADLINE = 60.0
PROBE = Path(__file__).parent / "probe"


@pytest.fixture
def log():
    """Configure the log, and give back what it is written to."""

    def configure(name="info", *secrets):
        stream = io.StringIO()
        configure_logging(name, stream, map(Secret, secrets))
        return stream

    return configure


def test_line_tells_level_logger_message_and_what_goes_with_it(log):
    stream = log()
    logging.getLogger("recado_core.engine.x").info("account paused", extra={"account": "main"})
    line = stream.getvalue()
    assert line.endswith("INFO recado_core.engine.x: account paused account=main\n")


@pytest.mark.parametrize(
    ("name", "level", "said"),
    [
        ("recado_core.engine", logging.INFO, True),
        ("recado_core.engine", logging.DEBUG, False),
        ("recado_kolmeya", logging.INFO, True),
        ("httpx", logging.INFO, False),
        ("httpcore.http11", logging.INFO, False),
        ("uvicorn.access", logging.INFO, False),
        ("sqlalchemy.engine", logging.INFO, False),
        ("somebody", logging.INFO, False),
        ("somebody", logging.WARNING, True),
        ("httpx", logging.WARNING, True),
    ],
)
def test_others_are_heard_from_warnings_upwards(log, name, level, said):
    stream = log()
    logging.getLogger(name).log(level, "line")
    assert bool(stream.getvalue()) is said


def test_debug_is_of_our_own_modules_alone(log):
    stream = log("debug")
    logging.getLogger("recado_core.engine").debug("ours")
    logging.getLogger("aiosqlite").debug("executing INSERT")
    assert "ours" in stream.getvalue()
    assert "INSERT" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sent to +5511900000001.", "sent to +5511*****0001."),
        ("('+5511900000001', '+15550000001')", "('+5511*****0001', '+155****0001')"),
        ("POST /webhooks/main/s3cr-t_x HTTP", "POST /webhooks/main/*** HTTP"),
        ("https://a.b/webhooks/main/s3cret?x=1", "https://a.b/webhooks/main/***?x=1"),
        ("offset +00:00, 1 + 2, id 019a1fd2", "offset +00:00, 1 + 2, id 019a1fd2"),
    ],
)
def test_numbers_and_tokens_are_masked(text, hidden):
    assert hide_private(text) == hidden


def test_traceback_is_masked_too(log):
    stream = log()
    try:
        int("+5511900000001.")
    except ValueError:
        logging.getLogger("recado_core").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "+5511900000001" not in stream.getvalue()


# ---------------------------------------------------------------- secrets

SECRET = 'dësk "s3cret" 1/2\\3'


def whole(text):
    return quote(text, safe="")


def as_json(text):
    return msgspec.json.encode(text).decode()


@pytest.mark.parametrize("dress", [str, repr, json.dumps, as_json, quote, whole, quote_plus])
def test_secret_is_masked_however_it_is_written(log, dress):
    stream = log("info", SECRET)
    shown = dress(SECRET)
    error = ValueError(shown)
    logging.getLogger("recado_core").error("%s!", shown, exc_info=error, extra={"said": shown})
    told = stream.getvalue()
    assert "\nValueError: " in told
    assert told.count("***") == 3
    assert "s3cret" not in told


def test_secret_that_begins_with_another_is_masked_whole(log):
    stream = log("info", "desk-secret", "desk-secret-of-old")
    logging.getLogger("recado_core").info("desk-secret-of-old, desk-secret!")
    assert stream.getvalue().endswith(": ***, ***!\n")


def test_secret_as_short_as_a_word_is_left_alone(log):
    short, shortest = "x" * (SHORTEST_SECRET - 1), "y" * SHORTEST_SECRET
    stream = log("info", short, shortest, "")
    logging.getLogger("recado_core").info("%s and %s", short, shortest)
    assert stream.getvalue().endswith(f": {short} and ***\n")


async def test_api_key_is_known_by_its_beginning_alone(client):
    made = await client.engine.keys.create("other", ["admin"])
    assert hide_private(f"<{made.token}>") == f"<{made.prefix}***>"
    assert hide_private(made.prefix) == made.prefix


class Held(msgspec.Struct):
    listed: tuple[Secret, ...]
    named: dict[str, Secret | None]
    plain: list[str]


def test_secrets_in_lists_and_tables_are_hidden_too():
    table = {"listed": ["s3cret"], "named": {"one": "s3cret"}, "plain": ["plain"]}
    hidden = hide_secrets(table, Held)
    assert "s3cret" not in repr(hidden)
    assert msgspec.convert(hidden, Held).listed == (Secret("s3cret"),)
    assert hidden["plain"] == ["plain"]


BROKEN_DESK = """
[gateway]
database = "sqlite+aiosqlite:///recado.db"
plugins = ["probe"]
document_key = "the key of documents"

[accounts.main]
provider = "probe_plain"
token = { env = "MAIN_TOKEN" }
webhook_token = "end-of-webhook"

[sinks.desk]
sink = "desk"
account = "main"
token = "desk-secret"
rpc = { login = "anybody", password = "password-of-rpc" }
trouble = "break"
"""


def test_every_secret_of_the_configuration_is_found(configure):
    database = '"postgresql+asyncpg://recado:of%40database@db.example.com/recado"'
    text = BROKEN_DESK.replace('"sqlite+aiosqlite:///recado.db"', database)
    settings = configure(text, MAIN_TOKEN="main-token")
    assert sorted(each.reveal() for each in settings.find_secrets()) == [
        "desk-secret",
        "end-of-webhook",
        "main-token",
        "of@database",
        "password-of-rpc",
        "the key of documents",
    ]


class Place:
    """A folder in which our program runs whose sink puts its token into what it raises."""

    def __init__(self, folder, database):
        self.folder = folder
        shutil.copy(database, folder / "recado.db")
        kept = {name: text for name, text in os.environ.items() if not name.startswith("RECADO_")}
        self.environ = kept | {"MAIN_TOKEN": "main-token", "PYTHONPATH": str(PROBE)}
        (folder / "recado.toml").write_text(BROKEN_DESK, "utf-8")

    def start(self, *arguments):
        """Start the program; its log goes to a file."""
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "recado_gateway", *arguments],
                cwd=self.folder,
                env=self.environ,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def said(self):
        return (self.folder / "log").read_text("utf-8")


@pytest.fixture
def place(tmp_path, empty_database):
    return Place(tmp_path, empty_database)


def test_check_masks_the_secrets_in_a_plugins_traceback(place):
    assert place.start("check").wait(DEADLINE) == 1
    said = place.said()
    assert " ERROR recado_core.engine.deliver.sinks: sink plugin broke" in said
    assert said.endswith("\nValueError: ***\n")
    assert "desk-secret" not in said


def test_serve_masks_the_secrets_in_a_plugins_traceback(place):
    gateway = place.start("serve", "--port", "0")
    try:
        deadline = time.monotonic() + DEADLINE
        while not (listens := re.search(r"listens on (http://\S+)", place.said())):
            assert gateway.poll() is None, place.said()
            assert time.monotonic() < deadline, place.said()
            time.sleep(0.05)
        assert httpx.post(f"{listens[1]}/sinks/desk/break", trust_env=False).is_error
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(DEADLINE) == 0
    finally:
        gateway.kill()
    assert "\nValueError: ***\n" in place.said()
    assert "desk-secret" not in place.said()
