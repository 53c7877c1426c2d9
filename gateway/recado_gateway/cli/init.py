"""``recado init``: the first configuration, the database and the first API key."""

import argparse
import asyncio
import getpass
import json
import os
import sys
from pathlib import Path

import msgspec
from recado_core.engine.plugins import installed_plugins
from recado_core.errors import ConfigurationError

from recado_gateway.cli.commands import DONE, Commands, UsageError
from recado_gateway.cli.configuration import read_settings
from recado_gateway.cli.keys import create_key
from recado_gateway.cli.output import explain, say, script
from recado_gateway.settings import DEFAULT_FILE

GATEWAY = """\
# Recado's configuration. Any value may also come from the environment, under the names on the way
# to it joined by two underscores: RECADO_GATEWAY__DATABASE. A secret may be kept elsewhere, as
# {{ env = "NAME" }} or {{ file = "PATH" }}. `recado check` says what is wrong.

[gateway]
# A file beside this one; or a server's "postgresql+asyncpg://user:password@host/name".
database = "sqlite+aiosqlite:///recado.db"
{public_url}
timezone = "America/Sao_Paulo"
default_region = "BR"  # where a number without country code is read
plugins = {plugins}
# Documents (CPF) are stored as hashes, with this key or one that is made and kept in the database.
# document_key = {{ env = "DOCUMENT_KEY" }}
"""

PUBLIC_URL = """\
# Where providers reach this gateway: the beginning of the webhook addresses given to them.
public_url = {address}"""

NO_PUBLIC_URL = """\
# Where providers reach this gateway. Without it they are asked for delivery receipts instead.
# public_url = "https://gateway.example.com\""""

SIMULATED = """
# One account is one set of credentials at a provider. This one is Kolmeya's simulator, which
# `recado simulate kolmeya` runs on this machine: no message reaches a phone. To send
# real ones, take base_url out and give Kolmeya's token: token = {{ env = "KOLMEYA_TOKEN" }}
[accounts.kolmeya_main]
provider = "kolmeya"
base_url = "http://127.0.0.1:8900/api"
token = "kolmeya-simulator"
{more}"""

REAL = """
# One account is one set of credentials at a provider.
[accounts.kolmeya_main]
provider = "kolmeya"
token = {{ file = {file} }}
{more}"""

MORE = """\
# segment = 109     # the cost centre, `tenant_segment_id` at Kolmeya
# rate = "500/60s"  # calls; also: concurrency, daily_limit, on_doubt
# price = "0.08"
# balance_threshold = "100.00"  # below it, the log and an event say that the balance is low
# push_suppressions = ["opt_out", "complaint"]  # these are put on Kolmeya's own list too

# The first route that matches a message names its accounts: the first carries it, the next ones
# stand in. A route for some messages only: match = { category = "marketing", prefix = "+55" }
[[routes]]
channel = "sms"
accounts = ["kolmeya_main"]
"""

NO_ACCOUNT = """
# No provider's plugin is installed. With one, an account looks like this:
# [accounts.main]
# provider = "kolmeya"
# token = { env = "KOLMEYA_TOKEN" }
#
# [[routes]]
# channel = "sms"
# accounts = ["main"]
"""

SINKS = """
# A sink shows what people write in a business system, and sends what agents answer there. This one
# is AcruxLab's ChatRoom in Odoo: add "acrux_chatroom" to gateway.plugins, and see
# `recado chatroom setup`.
# [sinks.chatroom]
# sink = "acrux_chatroom"
# account = "kolmeya_main"  # whose conversations it shows
# odoo_url = "https://odoo.example.com"
# connector_uuid = { env = "CHATROOM_UUID" }
# connector_token = { env = "CHATROOM_TOKEN" }
# timeout = 30.0  # seconds; also: concurrency, retry_delays
"""

CHECKS = """
# Who may get a message, and when. Without any of this the suppression list is kept, and people opt
# out by replying SAIR or STOP.

# Marketing comes in the recipient's own daytime; what is too early or too late waits.
# [quiet_hours]
# sms = { weekdays = "09:00-21:00", saturday = "10:00-16:00", sunday = "closed", holidays = "BR" }

# [limits]
# marketing_per_day = 1  # messages to one person in any 24 hours
# marketing_per_week = 3

# [do_not_disturb]
# transactional = true  # its lists keep out more than marketing

# [suppressions]
# learned_days = 90  # for so long a provider is believed that never sends to an address

# [opt_out]
# categories = ["marketing"]  # what SAIR ends; without this, transactional messages too

# One language that is given replaces all that come with Recado.
# [opt_out.languages.pt]
# stop = ["SAIR", "PARE", "CANCELAR"]
# start = ["VOLTAR"]
# stopped = "Pronto: voce nao recebera mais mensagens nossas. Para voltar, responda VOLTAR."
# started = "Pronto: voce voltara a receber nossas mensagens. Para sair, responda SAIR."

# [checks.suppressions]
# on_failure = "hold"  # messages wait while the check can't answer; "allow" lets them go
"""

SIMULATED_ADDRESS = "http://127.0.0.1:8000"
TOKEN_FILE = "kolmeya.token"  # noqa: S105 # a file's name


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may answer; empty answers begin with the simulator."""

    token: str = ""
    public_url: str = ""


def add_to(command: Commands) -> None:
    """Add the arguments of ``recado init``."""
    parser = command.parser
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the configuration; nothing but the admin key goes to standard output."""
    file = Path(args.config or os.environ.get("RECADO_CONFIG") or DEFAULT_FILE)
    if file.exists() and not args.force:
        raise ConfigurationError(f"{file} is there already; --force writes it anew")
    answers = Answers() if args.yes else ask()
    write(file, answers)
    settings = read_settings(str(file))
    key = asyncio.run(create_key(settings, "admin", ["admin"]))
    explain(f"Wrote {file} and made the database. Next:")
    for line in next_steps(file, simulated=not answers.token):
        explain(f"  {line}")
    explain("The admin key, shown this once:")
    say(key)
    return DONE


def ask() -> Answers:
    """Ask the person at the terminal."""
    if not sys.stdin.isatty():
        raise UsageError("init: there is no terminal to ask in; --yes asks nothing")
    explain("Leave empty what you do not have yet.")
    token = getpass.getpass("Kolmeya's API token (empty: begin with the simulator): ").strip()
    sys.stderr.write("Public address of this gateway, such as https://gateway.example.com: ")
    sys.stderr.flush()
    return Answers(token=token, public_url=sys.stdin.readline().strip())


def write(file: Path, answers: Answers) -> None:
    """Write the configuration, and beside it the token, which only its owner can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if answers.token:
        token = file.parent / TOKEN_FILE
        token.touch(mode=0o600)
        token.chmod(0o600)
        token.write_text(f"{answers.token}\n", encoding="utf-8")
    file.write_text(configuration(answers, kolmeya="kolmeya" in installed_plugins()), "utf-8")


def configuration(answers: Answers, *, kolmeya: bool) -> str:
    """Return the text of a configuration with which the gateway starts as it is."""
    address = answers.public_url or ("" if answers.token else SIMULATED_ADDRESS)
    gateway = GATEWAY.format(
        plugins='["kolmeya"]' if kolmeya else "[]",
        public_url=PUBLIC_URL.format(address=toml(address)) if address else NO_PUBLIC_URL,
    )
    if not kolmeya:
        return gateway + NO_ACCOUNT + SINKS + CHECKS
    if answers.token:
        return gateway + REAL.format(file=toml(TOKEN_FILE), more=MORE) + SINKS + CHECKS
    return gateway + SIMULATED.format(more=MORE) + SINKS + CHECKS


def toml(text: str) -> str:
    """Return a text as TOML writes it, which is as JSON does."""
    return json.dumps(text, ensure_ascii=False)


def next_steps(file: Path, *, simulated: bool) -> list[str]:
    """Return the commands that come next."""
    recado = script()
    config = "" if file == DEFAULT_FILE else f" --config {file}"
    simulator = f"{recado} simulate kolmeya   (in another terminal)"
    steps = [f"{recado} serve{config}", f"{recado} check{config}"]
    return [simulator, *steps] if simulated else steps
