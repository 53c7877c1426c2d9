from decimal import Decimal

import pytest
from recado_core import Category, ConfigurationError, Secret
from recado_core.engine.settings import OnDoubt, OptOutSettings
from recado_core.messages import SuppressionReason
from recado_gateway.settings import LogLevel, load_settings

GATEWAY = '[gateway]\nplugins = ["probe"]\n'
ACCOUNT = '\n[accounts.main]\nprovider = "probe"\ntoken = "probe-secret"\n'

BOUNDS = "must be from 0 to 2592000 seconds (30 days)"


# ---------------------------------------------------------------- what is read


def test_every_key_has_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert settings.path is None
    assert settings.engine.database == f"sqlite+aiosqlite:///{tmp_path}/recado.db"
    assert settings.engine.timezone == "America/Sao_Paulo"
    assert settings.engine.default_region == "BR"
    assert settings.engine.retry_delays == (60, 180, 600, 1800)
    assert (settings.engine.reply_poll, settings.engine.balance_poll) == (300, 900)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.engine.accounts == {}
    assert settings.engine.document_key is None
    assert settings.engine.suppressions.learned_days == 90
    assert settings.engine.do_not_disturb.transactional is False
    assert (settings.engine.quiet_hours, settings.engine.checks) == ({}, {})
    assert settings.engine.limits.marketing_per_day is None
    assert settings.engine.opt_out == OptOutSettings()
    assert list(settings.engine.opt_out.languages) == ["pt", "en", "es"]
    assert settings.plugins.installed == []


def test_file_says_everything(configure):
    settings = configure(
        """
        [gateway]
        database = "postgresql+asyncpg://recado:secret@db.example.com/recado"
        public_url = "https://gateway.example.com/sms/"
        timezone = "America/Manaus"
        default_region = "pt"
        plugins = ["probe"]
        retry_delays = [1, 2.5]
        poll_delays = [3]
        reply_poll = 60
        balance_poll = 0
        host = "192.0.2.1"
        port = 9000
        log_level = "debug"
        document_key = "sixteen-letters."

        [accounts.main]
        provider = "probe"
        token = "probe-secret"
        segment = 109
        limits = { per_day = 5, senders = ["one"] }
        rate = "500/60s"
        concurrency = 2
        price = "0.08"
        balance_threshold = "100.50"
        daily_limit = 1000
        on_doubt = "resend"
        push_suppressions = ["opt_out", "complaint"]

        [[routes]]
        channel = "sms"
        match = { category = "marketing", prefix = "+55" }
        accounts = ["main"]
        weights = [1]
        """
    )
    engine = settings.engine
    assert engine.database == "postgresql+asyncpg://recado:secret@db.example.com/recado"
    assert engine.public_url == "https://gateway.example.com/sms"
    assert engine.timezone == "America/Manaus"
    assert engine.default_region == "PT"
    assert engine.retry_delays == (1, 2.5)
    assert engine.poll_delays == (3,)
    assert (engine.reply_poll, engine.balance_poll) == (60, 0)
    assert (settings.host, settings.port, settings.log_level) == ("192.0.2.1", 9000, LogLevel.DEBUG)
    account = engine.accounts["main"]
    assert account.rate == "500/60s"
    assert account.concurrency == 2
    assert account.price == Decimal("0.08")
    assert account.balance_threshold == Decimal("100.50")
    assert account.daily_limit == 1000
    assert account.on_doubt is OnDoubt.RESEND
    assert account.push_suppressions == (SuppressionReason.OPT_OUT, SuppressionReason.COMPLAINT)
    assert engine.document_key == Secret("sixteen-letters.")
    assert account.own == {
        "token": Secret("probe-secret"),
        "segment": 109,
        "limits": {"per_day": 5, "senders": ["one"]},
    }
    (route,) = engine.routes
    assert route.match.category is Category.MARKETING
    assert (route.match.prefix, route.accounts, route.weights) == ("+55", ["main"], [1])


def test_without_routes_every_account_is_one_in_the_order_of_the_file(configure):
    settings = configure(
        GATEWAY
        + '[accounts.second]\nprovider = "probe_plain"\ntoken = "x"\n'
        + '[accounts.first]\nprovider = "probe"\ntoken = "x"\n'
    )
    assert [(route.channel, route.accounts) for route in settings.engine.routes] == [
        ("sms", ["second", "first"])
    ]


def test_routes_that_are_given_are_the_only_ones(configure):
    settings = configure(GATEWAY + ACCOUNT + '[[routes]]\naccounts = ["main"]\n')
    assert len(settings.engine.routes) == 1
    assert configure("routes = []\n" + GATEWAY + ACCOUNT).engine.routes == []


def test_sqlite_file_is_seen_from_the_configuration(configure, tmp_path):
    settings = configure('[gateway]\ndatabase = "sqlite+aiosqlite:///data/r.db?timeout=5"\n')
    assert settings.engine.database == f"sqlite+aiosqlite:///{tmp_path}/data/r.db?timeout=5"
    settings = configure('[gateway]\ndatabase = "sqlite+aiosqlite:////var/lib/r.db"\n')
    assert settings.engine.database == "sqlite+aiosqlite:////var/lib/r.db"


# ---------------------------------------------------------------- which file


def test_file_of_the_command_line_goes_before_that_of_the_environment(tmp_path):
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text("[gateway]\nport = 1\n")
    other.write_text("[gateway]\nport = 2\n")
    environ = {"RECADO_CONFIG": str(other)}
    assert load_settings(one, environ).port == 1
    assert load_settings(None, environ).port == 2


def test_default_file_is_that_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "recado.toml").write_text("[gateway]\nport = 3\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).port == 3


@pytest.mark.parametrize("environ", [{}, {"RECADO_CONFIG": "absent.toml"}])
def test_named_file_must_be_there(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = None if environ else tmp_path / "absent.toml"
    with pytest.raises(ConfigurationError, match=r"absent\.toml: there is no such file"):
        load_settings(path, environ)


def test_file_that_is_no_toml_is_told_with_its_line(fault, tmp_path):
    assert fault("[gateway\n").startswith(f"{tmp_path}/recado.toml: is not TOML: ")
    assert "line 2" in fault("[gateway]\nport = \n")


# ---------------------------------------------------------------- the environment


def test_environment_goes_before_the_file(configure):
    settings = configure(
        GATEWAY + ACCOUNT + "segment = 1\n",
        RECADO_GATEWAY__PORT="9001",
        RECADO_GATEWAY__RETRY_DELAYS="1, 2.5",
        RECADO_ACCOUNTS__MAIN__TOKEN="other-secret",
        RECADO_ACCOUNTS__MAIN__SEGMENT="7",
        RECADO_ACCOUNTS__MAIN__STRICT="TRUE",
        RECADO_ACCOUNTS__MAIN__TAGS="a, b",
        RECADO_ACCOUNTS__MAIN__LIMITS__PER_DAY="9",
        RECADO_ACCOUNTS__MAIN__PRICE="0.10",
        RECADO_ACCOUNTS__MAIN__ON_DOUBT="resend",
    )
    assert settings.port == 9001
    assert settings.engine.retry_delays == (1, 2.5)
    account = settings.engine.accounts["main"]
    assert account.own == {
        "token": Secret("other-secret"),
        "segment": 7,
        "strict": True,
        "tags": ["a", "b"],
        "limits": {"per_day": 9},
    }
    assert account.price == Decimal("0.10")
    assert account.on_doubt is OnDoubt.RESEND


def test_environment_is_enough_without_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        None,
        {
            "RECADO_GATEWAY__PLUGINS": '["probe"]',
            "RECADO_ACCOUNTS__KOLMEYA_MAIN__PROVIDER": "probe",
            "RECADO_ACCOUNTS__KOLMEYA_MAIN__TOKEN": "109",
            "RECADO_ROUTES": '[{"accounts": ["kolmeya_main"], "match": {"prefix": "+55"}}]',
        },
    )
    assert settings.engine.accounts["kolmeya_main"].own == {"token": Secret("109")}
    assert settings.engine.routes[0].match.prefix == "+55"


def test_names_in_the_environment_find_names_with_capitals_and_dashes(configure):
    settings = configure(
        GATEWAY + '[accounts.My-Main]\nprovider = "probe"\ntoken = "x"\n',
        RECADO_ACCOUNTS__MY_MAIN__SEGMENT="4",
    )
    assert settings.engine.accounts["My-Main"].own["segment"] == 4


def test_empty_variable_and_foreign_variable_say_nothing(configure):
    settings = configure(GATEWAY, RECADO_GATEWAY__PORT="", RECADO_HOME="/x", PATH="/bin")
    assert settings.port == 8000


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"RECADO_GATEWAY__PROT": "1"}, "gateway.prot: unknown key, did you mean port?"),
        ({"RECADO_GATEWAY__PORT": "many"}, "gateway.port: Expected int, got str"),
        ({"RECADO_GATEWAY__PORT__X": "1"}, "RECADO_GATEWAY__PORT__X: port is not a table"),
        ({"RECADO_ROUTES": "main"}, "routes: must be JSON where it comes from the environment"),
        ({"RECADO_ACCOUNTS__MAIN": "main"}, "accounts.main: must be a table"),
    ],
)
def test_faults_of_the_environment_are_named(fault, environ, said):
    assert fault("[gateway]\nport = 1\n", **environ) == said


# ---------------------------------------------------------------- secrets


def test_secrets_come_from_variables_and_files(configure, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    settings = configure(
        GATEWAY
        + '[accounts.one]\nprovider = "probe"\ntoken = { env = "TOKEN" }\n'
        + '[accounts.two]\nprovider = "probe"\ntoken = { file = "token" }\n'
        + 'segment = { env = "SEGMENT" }\nwebhook_token = { env = "TOKEN" }\n',
        TOKEN="from-a-variable",
        SEGMENT="12",
    )
    one, two = settings.engine.accounts.values()
    assert one.own == {"token": Secret("from-a-variable")}
    assert two.own == {"token": Secret("from-a-file"), "segment": 12}
    assert two.webhook_token is not None
    assert two.webhook_token.reveal() == "from-a-variable"


def test_database_address_may_be_a_secret(configure):
    settings = configure('[gateway]\ndatabase = { env = "URL" }\n', URL="sqlite+aiosqlite:////r.db")
    assert settings.engine.database == "sqlite+aiosqlite:////r.db"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ('{ env = "TOKEN" }', "accounts.main.token: the environment variable TOKEN is not set"),
        ('{ file = "absent" }', "accounts.main.token: can't read {folder}/absent: No such file"),
        ('{ file = "empty" }', "accounts.main.token: {folder}/empty is empty"),
        ("109", "accounts.main.token: must be a text"),
        ('{ enf = "TOKEN" }', "accounts.main.token: must be a text"),
    ],
)
def test_secret_that_is_missing_stops_the_start(fault, tmp_path, token, said):
    (tmp_path / "empty").touch()
    text = f'{GATEWAY}[accounts.main]\nprovider = "probe"\ntoken = {token}\n'
    assert fault(text).startswith(said.format(folder=tmp_path))


def test_variable_replaces_a_secret_that_is_missing(configure):
    text = f'{GATEWAY}[accounts.main]\nprovider = "probe"\ntoken = {{ env = "TOKEN" }}\n'
    settings = configure(text, RECADO_ACCOUNTS__MAIN__TOKEN="given")
    assert settings.engine.accounts["main"].own == {"token": Secret("given")}


def test_settings_do_not_show_secrets(configure):
    assert "probe-secret" not in repr(configure(GATEWAY + ACCOUNT))


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gatway]\n", "gatway: unknown key, did you mean gateway?"),
        ('[gateway]\ntimezon = "x"\n', "gateway.timezon: unknown key, did you mean timezone?"),
        ("[gateway]\nzzz = 1\n", "gateway.zzz: unknown key"),
        ("gateway = 3\n", "gateway: Expected object, got int"),
        ('[gateway]\nport = "x"\n', "gateway.port: Expected int, got str"),
        ("[gateway]\nport = 65536\n", "gateway.port: must be from 0 to 65535"),
        (
            '[gateway]\nretry_delays = [1, "x"]\n',
            "gateway.retry_delays[1]: Expected float, got str",
        ),
        ("[gateway]\nretry_delays = [60, -1]\n", f"gateway.retry_delays: each {BOUNDS}"),
        ("[gateway]\nretry_delays = [60, nan]\n", f"gateway.retry_delays: each {BOUNDS}"),
        ("[gateway]\npoll_delays = [60, 2592001]\n", f"gateway.poll_delays: each {BOUNDS}"),
        ("[gateway]\nreply_poll = -1\n", f"gateway.reply_poll: {BOUNDS}; 0 is never to ask"),
        ("[gateway]\nbalance_poll = nan\n", f"gateway.balance_poll: {BOUNDS}; 0 is never to ask"),
        ("[gateway]\nbalance_poll = inf\n", f"gateway.balance_poll: {BOUNDS}; 0 is never to ask"),
        ("[gateway]\nreply_poll = 1e15\n", f"gateway.reply_poll: {BOUNDS}; 0 is never to ask"),
        ('[gateway]\nreply_poll = "5m"\n', "gateway.reply_poll: Expected float, got str"),
        (
            '[gateway]\nlog_level = "loud"\n',
            "gateway.log_level: Invalid enum value 'loud' (one of debug, info, warning, error)",
        ),
        (
            '[gateway]\ntimezone = "America/SaoPaulo"\n',
            "gateway.timezone: there is no time zone 'America/SaoPaulo', did you mean America/Sao",
        ),
        ('[gateway]\ntimezone = "America"\n', "gateway.timezone: there is no time zone 'America'"),
        ('[gateway]\ntimezone = "../x"\n', "gateway.timezone: there is no time zone '../x'"),
        ('[gateway]\ndefault_region = "BRA"\n', "gateway.default_region: 'BRA' is not the two-"),
        ('[gateway]\npublic_url = "gateway.example.com"\n', "gateway.public_url: must be an addr"),
        ('[gateway]\npublic_url = "https://[x"\n', "gateway.public_url: must be an address"),
        ('[gateway]\npublic_url = "https://a.b/?c=d"\n', "gateway.public_url: can't hold a query"),
        ('[gateway]\ndatabase = "mysql://x"\n', "gateway.database: "),
        ('[gateway]\ndatabase = "postgresql://db/x"\n', "gateway.database: must begin with"),
        ('[gateway]\nplugins = ["absent"]\n', "gateway.plugins: absent is enabled, and no inst"),
        ("routes = 3\n", "routes: Expected array, got int"),
        ("[[routes]]\nchannel = 'sms'\n", "routes[0].accounts: missing"),
        ("[[routes]]\naccounts = []\nprefix = ''\n", "routes[0].prefix: unknown key"),
        (
            "[[routes]]\naccounts = []\n[routes.match]\ncategory = 'x'\n",
            "routes[0].match.category: Invalid enum value 'x' (one of transactional, mark",
        ),
        ("accounts = 3\n", "accounts: Expected object, got int"),
        ("[accounts.main]\n", "accounts.main.provider: missing"),
        ("[accounts.'a b']\n", "accounts.a b: the name of an account is letters, digits"),
        ("[sinks.chatroom]\n", "sinks.chatroom.sink: missing"),
        ("[sinks.'a b']\n", "sinks.a b: the name of a sink is letters, digits"),
        (
            "[sinks.chatroom]\nsink = 'x'\n",
            "sinks.chatroom.sink: no plugin in gateway.plugins offers the sink x",
        ),
        ("[gateway]\ndocument_key = 'fifteen-letters'\n", "gateway.document_key: must have at"),
        ("[gateway]\ndocument_key = 1234567890123456\n", "gateway.document_key: must be a text"),
    ],
)
def test_fault_is_one_line_that_names_the_key(fault, text, said):
    assert fault(text).startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("segmnt = 109", "accounts.main.segmnt: unknown key, did you mean segment?"),
        ("concurency = 1", "accounts.main.concurency: unknown key, did you mean concurrency?"),
        ("own = {}", "accounts.main.own: unknown key"),
        ('segment = "x"', "accounts.main.segment: Expected int | null, got str"),
        ("segment = 0", "accounts.main.segment: 0 names nothing"),
        ("limits = { per_day = 'x' }", "accounts.main.limits.per_day: Expected int, got str"),
        ("limits = { senders = [1] }", "accounts.main.limits.senders[0]: Expected str, got int"),
        ("limits = { x = 1 }", "accounts.main.limits.x: unknown key"),
        ("price = 'much'", "accounts.main.price: Invalid decimal string"),
        (
            "push_suppressions = ['spam']",
            (
                "accounts.main.push_suppressions[0]: Invalid enum value 'spam' (one of opt_out, "
                "blacklist, do_not_disturb, invalid, complaint, manual)"
            ),
        ),
        (
            "on_doubt = 'drop'",
            "accounts.main.on_doubt: Invalid enum value 'drop' (one of hold, resend)",
        ),
    ],
)
def test_fault_of_an_account_is_one_line_that_names_the_key(fault, line, said):
    assert fault(GATEWAY + ACCOUNT + line + "\n") == said


def test_secret_that_an_account_needs_is_named(fault):
    text = GATEWAY + '[accounts.main]\nprovider = "probe"\n'
    assert fault(text) == "accounts.main.token: missing"


def test_provider_that_no_plugin_offers_is_named(fault):
    text = GATEWAY + ACCOUNT.replace('"probe"', '"prob"')
    assert fault(text) == (
        "accounts.main.provider: no plugin in gateway.plugins offers the provider prob, "
        "did you mean probe?"
    )


def test_no_print_of_the_settings_shows_a_secret(tmp_path):
    path = tmp_path / "recado.toml"
    path.write_text(
        '[gateway]\ndatabase = "postgresql+asyncpg://recado:hidden-word@db.example.com/recado"\n'
        'plugins = ["probe"]\ndocument_key = "hidden-document-key"\n'
        '[accounts.one]\nprovider = "probe"\ntoken = "hidden-token"\n'
    )
    engine = load_settings(path, {}).engine
    shown = f"{engine!r} {engine.document_key!r}"
    assert "hidden" not in shown
    assert "one" in shown
