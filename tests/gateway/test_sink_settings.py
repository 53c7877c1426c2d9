"""The tables [sinks.NAME] of the configuration."""

import re
import tomllib

import msgspec
import pytest
from recado_core import Secret
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import SinkSettings
from recado_gateway.cli import main
from recado_gateway.cli.init import SINKS

GATEWAY = """
[gateway]
plugins = ["probe"]

[accounts.main]
provider = "probe_plain"
token = "probe-secret"
"""
DESK = """
[sinks.chatroom]
sink = "desk"
account = "main"
token = "desk-secret"
"""
RPC = '\n[sinks.chatroom.rpc]\nlogin = "odoo"\npassword = "rpc-secret"\n'


def test_file_says_which_sinks_there_are(configure):
    settings = configure(
        GATEWAY
        + """
        [sinks.chatroom]
        sink = "desk"
        timeout = 5.5
        concurrency = 2
        retry_delays = [0, 1.5]
        account = "main"
        token = "desk-secret"

        [sinks.chatroom.rpc]
        login = "odoo"
        password = "rpc-secret"

        [sinks.other]
        sink = "mute"
        """
    )
    found = settings.engine.sinks
    assert list(found) == ["chatroom", "other"]
    assert (found["chatroom"].timeout, found["chatroom"].concurrency) == (5.5, 2)
    assert found["chatroom"].retry_delays == (0, 1.5)
    assert found["chatroom"].own["account"] == "main"
    assert found["other"] == SinkSettings(sink="mute")
    assert found["other"].retry_delays == (5, 15, 60, 120, 300, 600, 600)
    engine = Engine(settings.engine, settings.plugins)
    assert engine.sinks.by_name["chatroom"].own.rpc.password.reveal() == "rpc-secret"


def test_no_secret_of_a_sink_shows_in_a_repr(configure):
    settings = configure(GATEWAY + DESK + RPC)
    engine = Engine(settings.engine, settings.plugins)
    found = engine.sinks.by_name["chatroom"]
    for shown in (settings, settings.engine, settings.engine.sinks, found.settings, found.own):
        assert "-secret" not in repr(shown)
    assert found.own.token.reveal() == "desk-secret"


def test_environment_says_it_too(configure):
    settings = configure(
        GATEWAY + '[sinks.Chat-Room]\nsink = "desk"\naccount = "none"\ntoken = "x"\n',
        RECADO_SINKS__CHAT_ROOM__ACCOUNT="main",
        RECADO_SINKS__CHAT_ROOM__TOKEN="desk-secret",
        RECADO_SINKS__CHAT_ROOM__TIMEOUT="7",
        RECADO_SINKS__CHAT_ROOM__RETRY_DELAYS="1,2.5",
        RECADO_SINKS__CHAT_ROOM__RPC__LOGIN="odoo",
        RECADO_SINKS__CHAT_ROOM__RPC__PASSWORD="12345",
        RECADO_SINKS__OTHER__SINK="mute",
    ).engine
    found = settings.sinks["Chat-Room"]
    assert (found.timeout, found.retry_delays) == (7, (1, 2.5))
    assert found.own["account"] == "main"
    assert found.own["token"] == Secret("desk-secret")
    assert found.own["rpc"] == {"login": "odoo", "password": Secret("12345")}
    assert settings.sinks["other"] == SinkSettings(sink="mute")


def test_whole_table_and_secrets_kept_elsewhere_are_read(configure, tmp_path):
    (tmp_path / "rpc").write_text("rpc-secret\n", encoding="utf-8")
    given = {"chatroom": {"sink": "desk", "account": "main", "token": {"env": "DESK_TOKEN"}}}
    environ = {
        "RECADO_SINKS__CHATROOM__RPC": '{"login": "odoo", "password": "rpc-secret"}',
        "DESK_TOKEN": "desk-secret",
    }
    text = GATEWAY + DESK.replace('"desk-secret"', '{ env = "DESK_TOKEN" }')
    filed = text + RPC.replace('"rpc-secret"', '{ file = "rpc" }')
    for settings in (configure(text, **environ), configure(filed, DESK_TOKEN="desk-secret")):
        own = settings.engine.sinks["chatroom"].own
        assert own["token"] == Secret("desk-secret")
        assert own["rpc"]["password"] == Secret("rpc-secret")
        assert "-secret" not in repr(settings.engine.sinks)
    given["chatroom"]["token"] = "desk-secret"
    whole = configure(GATEWAY, RECADO_SINKS=msgspec.json.encode(given).decode()).engine
    assert list(whole.sinks) == ["chatroom"]
    assert "-secret" not in repr(whole.sinks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sinks = 3\n", "sinks: Expected object, got int"),
        ("[sinks]\ndesk = 3\n", "sinks.desk: must be a table"),
        ('[sinks."a b"]\nsink = "mute"\n', "sinks.a b: the name of a sink is letters, digits"),
        (f'[sinks.{"x" * 65}]\nsink = "mute"\n', f"sinks.{'x' * 65}: the name of a sink is"),
        ("[sinks.x]\n", "sinks.x.sink: missing"),
        ('[sinks.x]\nsink = "dask"\n', "sinks.x.sink: no plugin in gateway.plugins offers the "),
        ('[sinks.x]\nsink = "mute"\naccount = "main"\n', "sinks.x.account: unknown key"),
        ('[sinks.x]\nsink = "desk"\ntoken = "x"\n', "sinks.x.account: missing"),
        (DESK.replace('"main"', '"mian"'), "sinks.chatroom.account: there is no account 'mian', "),
        (DESK.replace('"main"', "7"), "sinks.chatroom.account: Expected str, got int"),
        (DESK + "tokn = 1\n", "sinks.chatroom.tokn: unknown key, did you mean token?"),
        (DESK.replace('"desk-secret"', "7"), "sinks.chatroom.token: "),
        (DESK + "rpc = 7\n", "sinks.chatroom.rpc: Expected object"),
        (DESK + '\n[sinks.chatroom.rpc]\nlogin = "x"\n', "sinks.chatroom.rpc.password: missing"),
        (DESK + RPC + "passwrd = 1\n", "sinks.chatroom.rpc.passwrd: unknown key, did you mean "),
        (DESK + "timeout = 0\n", "sinks.chatroom.timeout: Expected float > 0"),
        (DESK + "timeout = 3601\n", "sinks.chatroom.timeout: Expected float <= 3600"),
        (DESK + "timeout = nan\n", "sinks.chatroom.timeout: Expected float > 0"),
        (DESK + "concurrency = 0\n", "sinks.chatroom.concurrency: Expected int >= 1"),
        (DESK + "concurrency = 1001\n", "sinks.chatroom.concurrency: Expected int <= 1000"),
        (DESK + "retry_delays = 5\n", "sinks.chatroom.retry_delays: Expected array"),
        (DESK + "retry_delays = [-1]\n", "sinks.chatroom.retry_delays[0]: Expected float >= 0"),
        (DESK + "retry_delays = [1, inf]\n", "sinks.chatroom.retry_delays[1]: Expected float <="),
    ],
)
def test_fault_is_one_line_that_names_the_key_and_no_secret(fault, text, said):
    told = fault(text + GATEWAY if text.startswith("sinks") else GATEWAY + text)
    assert told.startswith(said)
    assert "secret" not in told


def test_example_that_init_writes_is_right(configure):
    accounts = '[accounts.kolmeya_main]\nprovider = "kolmeya"\ntoken = "made-up"\n'
    text = '[gateway]\nplugins = ["kolmeya", "acrux_chatroom"]\n' + accounts
    shown = re.sub(r"^# (?=\[|\w+ = )", "", SINKS, flags=re.MULTILINE)
    environ = {"CHATROOM_UUID": "made-up-uuid", "CHATROOM_TOKEN": "made-up-token"}
    settings = configure(text + shown, **environ)
    Engine(settings.engine, settings.plugins)
    assert list(settings.engine.sinks) == ["chatroom"]
    assert tomllib.loads(SINKS) == {}


def test_sink_without_plugins_is_a_fault(fault):
    told = fault('[sinks.x]\nsink = "desk"\n')
    assert told == "sinks.x.sink: no plugin in gateway.plugins offers the sink desk"


# ---------------------------------------------------------------- recado check


@pytest.fixture
def check(workplace, capsys):
    """Run ``recado check`` on a configuration; return its code and its lines by their names."""

    def run(text):
        (workplace / "recado.toml").write_text(text, encoding="utf-8")
        assert main(["db", "upgrade"]) == 0
        capsys.readouterr()
        code = main(["check", "--json"])
        said = capsys.readouterr()
        assert "secret" not in said.out + said.err
        found = msgspec.json.decode(said.out)["checks"]
        return code, {line["name"]: (line["ok"], line["detail"]) for line in found}

    return run


def test_check_lets_every_sink_look_at_its_business_system(check):
    code, found = check(GATEWAY + DESK + '\n[sinks.other]\nsink = "mute"\n')
    assert code == 0
    assert found["sink chatroom: version"] == (True, "desk 15")
    assert found["sink chatroom: connection"] == (True, "answers")
    assert found["sink chatroom"] == found["sink other"] == (True, "0 waiting, 0 given up")


def test_check_tells_of_a_business_system_that_does_not_answer(check):
    code, found = check(GATEWAY + DESK + 'trouble = "down"\n')
    assert code == 1
    assert found["sink chatroom: connection"] == (False, "no connection")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("break", "the sink plugin broke: ValueError"),
        ("hang", "no answer within the sink's timeout"),
    ],
)
def test_check_goes_on_when_a_sink_can_not_look(check, trouble, said):
    code, found = check(GATEWAY + DESK + f'timeout = 0.05\ntrouble = "{trouble}"\n')
    assert code == 1
    assert found["sink chatroom: probe"] == (False, said)
    assert found["sink chatroom"] == (True, "0 waiting, 0 given up")
