"""The tables of the configuration that say who may get a message, and when."""

import re
import tomllib

import msgspec
import pytest
from recado_core import Category, ConfigurationError, OnFailure, Secret
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import (
    DEFAULT_LANGUAGES,
    HoursSettings,
    KeywordMatch,
    LanguageSettings,
    QuietHoursSettings,
)
from recado_gateway.cli import main
from recado_gateway.cli.init import CHECKS
from recado_gateway.settings import CheckTables

PLAIN_ACCOUNT = """
[gateway]
plugins = ["probe"]

[accounts.main]
provider = "probe_plain"
token = "probe-secret"
"""


def test_file_says_who_may_get_a_message_and_when(configure):
    engine = configure(
        """
        [suppressions]
        learned_days = 30

        [do_not_disturb]
        transactional = true

        [quiet_hours.sms]
        weekdays = "09:00-21:00"
        saturday = "10:00-16:00"
        sunday = "closed"
        holidays = ["BR-SP", "PT"]
        spread = 0
        transactional = { weekdays = "07:00-23:00" }

        [limits]
        marketing_per_day = 1
        marketing_per_week = 3

        [opt_out]
        match = "message"
        categories = ["marketing"]

        [checks.suppressions]
        time_limit = 2.5

        [checks.quiet_hours]
        on_failure = "hold"
        """
    ).engine
    assert engine.suppressions.learned_days == 30
    assert engine.do_not_disturb.transactional is True
    assert engine.quiet_hours == {
        "sms": QuietHoursSettings(
            weekdays="09:00-21:00",
            saturday="10:00-16:00",
            sunday="closed",
            holidays=("BR-SP", "PT"),
            spread=0,
            transactional=HoursSettings(weekdays="07:00-23:00"),
        )
    }
    assert (engine.limits.marketing_per_day, engine.limits.marketing_per_week) == (1, 3)
    assert engine.opt_out.match is KeywordMatch.MESSAGE
    assert engine.opt_out.categories == (Category.MARKETING,)
    assert engine.opt_out.languages == DEFAULT_LANGUAGES
    assert engine.checks["suppressions"].time_limit == 2.5
    assert engine.checks["suppressions"].on_failure is None
    assert engine.checks["quiet_hours"].on_failure is OnFailure.HOLD


def test_quiet_hours_are_a_line_for_each_channel(configure):
    text = '[quiet_hours]\nsms = { weekdays = "09:00-21:00", holidays = "BR" }\n'
    assert configure(text).engine.quiet_hours == {
        "sms": QuietHoursSettings(weekdays="09:00-21:00", holidays="BR")
    }


def test_language_that_is_given_stands_in_the_place_of_all_that_come_with_recado(configure):
    settings = configure('[opt_out.languages.pt]\nstop = ["CHEGA"]\nstopped = "Pronto."\n')
    assert settings.engine.opt_out.languages == {
        "pt": LanguageSettings(stop=("CHEGA",), stopped="Pronto.")
    }


def test_examples_that_init_writes_are_right(configure):
    text = re.sub(r"^# (?=\[|\w+ = )", "", CHECKS, flags=re.MULTILINE)
    settings = configure(text)
    Engine(settings.engine, settings.plugins)
    assert settings.engine.quiet_hours["sms"].sunday == "closed"
    assert settings.engine.limits.marketing_per_week == 3
    assert set(tomllib.loads(text)) == set(CheckTables.__struct_fields__)
    assert tomllib.loads(CHECKS) == {}


def test_opt_out_that_is_off_needs_no_words(configure):
    settings = configure("[opt_out]\nenabled = false\nlanguages = {}\n")
    assert settings.engine.opt_out.languages == {}


def test_environment_says_who_may_get_a_message_and_when(configure):
    engine = configure(
        '[limits]\nmarketing_per_day = 9\n[checks.Acme-Check]\non_failure = "hold"\n',
        RECADO_GATEWAY__DOCUMENT_KEY="12345678901234567890",
        RECADO_SUPPRESSIONS__LEARNED_DAYS="0",
        RECADO_DO_NOT_DISTURB__TRANSACTIONAL="true",
        RECADO_QUIET_HOURS__SMS='{"weekdays": "09:00-21:00", "holidays": ["BR"]}',
        RECADO_QUIET_HOURS__EMAIL__HOLIDAYS="BR-SP, PT",
        RECADO_QUIET_HOURS__EMAIL__SPREAD="0",
        RECADO_LIMITS__MARKETING_PER_DAY="2",
        RECADO_OPT_OUT__CATEGORIES="marketing",
        RECADO_OPT_OUT__LANGUAGES__EN__STOP="STOP,ENOUGH",
        RECADO_CHECKS__ACME_CHECK__TIME_LIMIT="3",
    ).engine
    assert engine.document_key == Secret("12345678901234567890")
    assert engine.suppressions.learned_days == 0
    assert engine.do_not_disturb.transactional is True
    assert engine.quiet_hours == {
        "sms": QuietHoursSettings(weekdays="09:00-21:00", holidays=("BR",)),
        "email": QuietHoursSettings(holidays=("BR-SP", "PT"), spread=0),
    }
    assert engine.limits.marketing_per_day == 2
    assert engine.opt_out.categories == (Category.MARKETING,)
    assert engine.opt_out.languages == {"en": LanguageSettings(stop=("STOP", "ENOUGH"))}
    assert engine.checks["Acme-Check"].time_limit == 3
    assert engine.checks["Acme-Check"].on_failure is OnFailure.HOLD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPPRESSIONS", {"learned_days": 1}),
        ("DO_NOT_DISTURB", {"transactional": True}),
        ("QUIET_HOURS", {"sms": {"sunday": "closed"}}),
        ("LIMITS", {"marketing_per_week": 1}),
        ("OPT_OUT", {"enabled": False}),
        ("CHECKS", {"suppressions": {"time_limit": 1.0}}),
    ],
)
def test_whole_table_comes_from_the_environment(configure, name, value):
    engine = configure("", **{f"RECADO_{name}": msgspec.json.encode(value).decode()}).engine
    told = msgspec.to_builtins(getattr(engine, name.lower()))
    assert includes(told, value)


def includes(told, value):
    if isinstance(value, dict):
        return all(includes(told[key], inner) for key, inner in value.items())
    return told == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("suppressions = 3\n", "suppressions: Expected object, got int"),
        ("[suppressions]\nlearned_days = -1\n", "suppressions.learned_days: Expected int >= 0"),
        ("[suppressions]\nlearned_day = 1\n", "suppressions.learned_day: unknown key, did you"),
        ("[do_not_disturb]\ntransactional = 1\n", "do_not_disturb.transactional: Expected bool"),
        ("[quiet_hour]\n", "quiet_hour: unknown key, did you mean quiet_hours?"),
        ("quiet_hours = 'BR'\n", "quiet_hours: Expected object, got str"),
        ("[quiet_hours]\nsms = 'BR'\n", "quiet_hours.sms: Expected object, got str"),
        ("[quiet_hours]\nsms = { monday = '' }\n", "quiet_hours.sms.monday: unknown key"),
        ("[quiet_hours.sms]\nsunday = 0\n", "quiet_hours.sms.sunday: Expected str, got int"),
        ("[quiet_hours.sms]\nspread = -1\n", "quiet_hours.sms.spread: Expected float >= 0"),
        ("[quiet_hours.sms]\nspread = nan\n", "quiet_hours.sms.spread: Expected float >= 0"),
        ("[quiet_hours.sms]\nholidays = [5]\n", "quiet_hours.sms.holidays[0]: Expected str"),
        (
            "[quiet_hours.sms.transactional]\nspread = 1\n",
            "quiet_hours.sms.transactional.spread: unknown key",
        ),
        ("[limits]\nmarketing_per_day = 0\n", "limits.marketing_per_day: Expected int >= 1"),
        ("[limits]\nmarketing_per_mont = 1\n", "limits.marketing_per_mont: unknown key, did you"),
        ("[opt_out]\nmatch = 'x'\n", "opt_out.match: Invalid enum value 'x' (one of message, fi"),
        ("[opt_out]\ncategories = []\n", "opt_out.categories: Expected array of length >= 1"),
        ("[opt_out]\ncategories = ['x']\n", "opt_out.categories[0]: Invalid enum value 'x' (one"),
        ("[opt_out]\nlanguages = {}\n", "opt_out.languages: name one, or set opt_out.enabled"),
        (
            "[opt_out.languages.pt]\nstopped = 'Pronto.'\n",
            "opt_out.languages.pt.stop: name at least one word",
        ),
        ("[opt_out.languages.pt]\nstop = 'X'\n", "opt_out.languages.pt.stop: Expected array, got"),
        ("[opt_out.languages.pt]\nstops = []\n", "opt_out.languages.pt.stops: unknown key, did"),
        ("[checks.suppressions]\ntime_limit = 0\n", "checks.suppressions.time_limit: Expected fl"),
        ("[checks.suppressions]\ntime_limit = 61\n", "checks.suppressions.time_limit: Expected f"),
        (
            "[checks.suppressions]\non_failure = 'x'\n",
            "checks.suppressions.on_failure: Invalid enum value 'x' (one of allow, hold)",
        ),
    ],
)
def test_fault_is_one_line_that_names_the_key(fault, text, said):
    assert fault(text).startswith(said)


def test_empty_tables_are_no_fault(configure):
    tables = ["sinks", "suppressions", "do_not_disturb", "quiet_hours", "limits", "opt_out"]
    text = "".join(f"[{name}]\n" for name in [*tables, "checks", "checks.x", "quiet_hours.sms"])
    engine = configure(text).engine
    assert engine.accounts == {}
    assert engine.quiet_hours == {"sms": QuietHoursSettings()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[quiet_hours.telex]\n", "quiet_hours.telex: unknown channel; there is sms"),
        ("[quiet_hours.sms]\nsunday = '9-10'\n", "quiet_hours.sms.sunday: "),
        ("[quiet_hours.sms]\nholidays = 'XX'\n", "quiet_hours.sms.holidays: "),
        ("[checks.lua]\n", "checks.lua: there is no such check; there is suppressions, "),
        ("[opt_out.languages.pt]\nstop = ['!']\n", "opt_out.languages.pt.stop: '!' holds no"),
        (
            "[opt_out.languages.pt]\nstop = ['SAIR']\nstart = ['sair']\n",
            "opt_out.languages.pt.start: 'sair' is also in opt_out.languages.pt.stop",
        ),
        (
            PLAIN_ACCOUNT + "push_suppressions = ['manual']\n",
            "accounts.main.push_suppressions: provider probe_plain has no list of its own",
        ),
    ],
)
def test_fault_that_the_engine_finds_is_one_line_that_names_the_key(configure, text, said):
    settings = configure(text)
    with pytest.raises(ConfigurationError) as raised:
        Engine(settings.engine, settings.plugins)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[limits]\nmarketing_per_day = 0\n", "limits.marketing_per_day: Expected int >= 1"),
        (
            "[quiet_hours.sms]\nsunday = '9h-12h'\n",
            (
                "quiet_hours.sms.sunday: write open, closed, or windows such as 09:00-12:00, "
                "14:00-21:00, not '9h-12h'"
            ),
        ),
    ],
)
def test_commands_tell_a_fault_in_one_line(workplace, capsys, text, said):
    (workplace / "recado.toml").write_text(text, encoding="utf-8")
    assert main(["serve", "--port", "0"]) == 1
    assert capsys.readouterr().err == f"recado: {said}\n"
    assert main(["check", "--json"]) == 1
    (finding,) = msgspec.json.decode(capsys.readouterr().out)["checks"]
    assert finding == {"name": "configuration", "ok": False, "detail": said}
