"""``recado chatroom setup`` before there is anything to set up, and wrongly used."""

import functools
import json
import sys

import pytest
from recado_core import ConfigurationError

from .odoo_rpc.companions import settings_for
from .odoo_rpc.process import ADMIN_LOGIN, ADMIN_PASSWORD
from .odoo_rpc.setups import ADMIN, Gateway, run, run_shown, serving, sink_at, without_rpc


@pytest.fixture
def setup(capsys):
    """Run the command."""
    return functools.partial(run_shown, capsys)


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("ODOO_ADMIN_PASSWORD", ADMIN_PASSWORD)


@pytest.fixture
def url():
    with serving(Gateway()) as address:
        yield address


# ---------------------------------------------------------------- without a configuration


def test_without_a_sink_a_table_is_proposed_with_new_secrets(setup):
    code, out, _ = setup([])
    assert code == 1
    assert "[sinks.chatroom]" in out
    again = setup([])[1]
    uuid = next(line for line in out.splitlines() if line.startswith("connector_uuid"))
    assert uuid not in again


def test_proposed_secrets_are_such_as_the_settings_take(setup):
    _, out, _ = setup([], "--json")
    lines = [line for line in json.loads(out)["write"] if line.startswith("connector_")]
    values = {line.split(" = ")[0]: line.split(" = ")[1].strip('"') for line in lines}
    assert settings_for("https://odoo.example.com", **values).connector_uuid
    assert len(values["connector_token"]) > 30


@pytest.mark.parametrize(
    ("error", "proposed"),
    [
        ("sinks.chatroom.connector_uuid: missing", ["connector_uuid", "connector_token"]),
        ("sinks.chatroom.connector_token: ODOO_TOKEN is not set", ["connector_token"]),
    ],
)
def test_secrets_that_the_configuration_lacks_are_proposed(setup, error, proposed):
    code, out, err = setup(ConfigurationError(error), "--json")
    assert code == 1
    assert error in err
    assert [line.split(" = ")[0] for line in json.loads(out)["write"]] == proposed


def test_other_faults_of_the_configuration_are_the_gateways_to_tell(setup):
    with pytest.raises(ConfigurationError, match="odoo_url"):
        setup(ConfigurationError("sinks.chatroom.odoo_url: missing"))


def test_gateway_without_a_public_address_cannot_be_set_up(rpc, setup):
    with pytest.raises(ConfigurationError, match="public_url"):
        setup([sink_at(rpc.url, None)])


# ---------------------------------------------------------------- wrong use


def refused(capsys, sinks, *arguments):
    with pytest.raises(SystemExit) as stop:
        run(sinks, *arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_several_sinks_want_a_name(rpc, url, capsys, setup):
    sinks = [sink_at(rpc.url, url, name="sms"), sink_at(rpc.url, url, name="whatsapp")]
    assert "sms, whatsapp" in refused(capsys, sinks)
    code, out, _ = setup(sinks, "--sink", "whatsapp")
    assert code == 0
    assert "Recado whatsapp" in out


def test_sink_that_is_not_there_is_wrong_use(rpc, url, capsys):
    assert "chatroom" in refused(capsys, [sink_at(rpc.url, url)], "--sink", "other")
    assert "none" in refused(capsys, [], "--sink", "other")


@pytest.mark.parametrize("colour", ["blue", "#12345", "123", "-1"])
def test_colour_that_is_none_is_wrong_use(rpc, url, capsys, colour):
    assert "colour" in refused(capsys, [sink_at(rpc.url, url)], f"--colour={colour}")


def test_password_that_nobody_gives_is_wrong_use(rpc, url, capsys, monkeypatch):
    sinks = [sink_at(rpc.url, url)]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert "--admin-password-env" in refused(capsys, sinks, "--admin-login", "admin")
    monkeypatch.delenv("ODOO_ADMIN_PASSWORD")
    assert "ODOO_ADMIN_PASSWORD" in refused(capsys, sinks, *ADMIN)


def test_password_is_asked_for_in_a_terminal(rpc, url, setup, monkeypatch):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or ADMIN_PASSWORD)
    code, *_ = setup([sink_at(rpc.url, url)], "--admin-login", ADMIN_LOGIN)
    assert code == 0
    assert ADMIN_LOGIN in asked[0]


def test_database_that_nobody_names_is_wrong_use(rpc, url, capsys):
    assert "--database" in refused(capsys, [without_rpc(sink_at(rpc.url, url))], *ADMIN)
