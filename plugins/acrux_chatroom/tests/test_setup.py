import functools
import json

import pytest

from .odoo_rpc.companions import TOKEN, UUID, add_connector
from .odoo_rpc.process import ADMIN_PASSWORD, CONNECTOR, running_odoo
from .odoo_rpc.setups import (
    ADMIN,
    Gateway,
    findings,
    run_shown,
    serving,
    sink_at,
    without_rpc,
    wrong,
)


@pytest.fixture(scope="module", params=(13, 15, 16, 17, 18))
def any_running_odoo(request):
    with running_odoo(request.param) as odoo:
        odoo.generation = request.param
        yield odoo


@pytest.fixture
def setup(capsys):
    """Run the command."""
    return functools.partial(run_shown, capsys)


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("ODOO_ADMIN_PASSWORD", ADMIN_PASSWORD)


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def url(gateway):
    with serving(gateway) as address:
        yield address


# ---------------------------------------------------------------- with an administrator


def test_connector_is_made_and_both_directions_work(any_odoo, url, gateway, setup):
    code, out, _ = setup([sink_at(any_odoo.url, url)], *ADMIN, "--json")
    assert wrong(out) == []
    assert code == 0
    (connector,) = any_odoo.rows(CONNECTOR)
    assert connector["connector_type"] == "apichat.io"
    assert (connector["uuid"], connector["token"]) == (UUID, TOKEN)
    assert (connector["endpoint"], connector["odoo_url"]) == (url, any_odoo.url)
    assert connector["name"] == "Recado chatroom"
    assert connector["ca_status"]
    assert connector["auto_valid_number"] is False
    assert gateway.actions == ["status_get", "status_get", "config_set"]
    assert UUID not in out
    assert TOKEN not in out


def test_second_run_changes_nothing(any_odoo, url, setup):
    sinks = [sink_at(any_odoo.url, url)]
    colour = "4" if any_odoo.generation >= 16 else "#3BAFDA"
    options = (*ADMIN, "--name", "SMS", "--colour", colour, "--json")
    setup(sinks, *options)
    before = any_odoo.rows(CONNECTOR)
    assert before[0]["color" if any_odoo.generation >= 16 else "border_color"] in {4, "#3BAFDA"}
    code, out, _ = setup(sinks, *options)
    assert code == 0
    assert any_odoo.rows(CONNECTOR) == before
    assert "as it should be" in findings(out)["connector"]["detail"]
    assert any_odoo.calls("write") == []
    assert len(any_odoo.calls("create")) == 1


def test_connector_that_is_there_is_adjusted_and_says_what_it_was(rpc, url, setup):
    former = "https://api.acruxlab.net/prod/v2/odoo"
    id_ = add_connector(
        rpc, endpoint=former, token="former-token-of-nobody", connector_type="not_set"
    )
    rpc.write(CONNECTOR, id_, auto_valid_number=True, border_color="#112233")
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 0
    (connector,) = rpc.rows(CONNECTOR)
    assert (connector["id"], connector["endpoint"], connector["token"]) == (id_, url, TOKEN)
    assert connector["connector_type"] == "apichat.io"
    assert connector["auto_valid_number"] is False
    assert (connector["name"], connector["border_color"]) == ("SMS", "#112233")
    assert former in findings(out)["connector"]["detail"]
    assert "former-token-of-nobody" not in out


def test_other_connectors_are_left_alone(rpc, url, setup):
    other = {"name": "WhatsApp", "uuid": "another-uuid-of-nobody", "token": "another-token"}
    add_connector(rpc, **other)
    before = rpc.rows(CONNECTOR)
    code, *_ = setup([sink_at(rpc.url, url)], *ADMIN)
    assert code == 0
    assert [row for row in rpc.rows(CONNECTOR) if row["uuid"] != UUID] == before


def test_name_that_is_taken_is_told_in_odoos_words(rpc, url, setup):
    add_connector(rpc, name="Recado chatroom", uuid="another-uuid-of-nobody")
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 1
    assert "name exists already" in findings(out)["connector"]["detail"]
    assert "Odoo to gateway" not in findings(out)


@pytest.mark.parametrize(("colour", "told"), [("4", "#3BAFDA"), ("12", "#3BAFDA")])
def test_colour_of_another_version_is_told(rpc, url, setup, colour, told):
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--colour", colour, "--json")
    assert code == 1
    assert told in findings(out)["connector"]["detail"]
    assert rpc.rows(CONNECTOR) == []


def test_wrong_password_is_one_finding(rpc, url, setup, monkeypatch):
    monkeypatch.setenv("ODOO_ADMIN_PASSWORD", "another-password-of-nobody")
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 1
    assert "login and password" in findings(out)["connector"]["detail"]
    assert "another-password-of-nobody" not in out


def test_gateway_that_does_not_run_is_told_from_both_sides(rpc, setup):
    with serving(Gateway()) as gone:
        pass
    code, out, _ = setup([sink_at(rpc.url, gone)], *ADMIN, "--json")
    assert code == 1
    assert "gateway's endpoint" in wrong(out)
    assert "Odoo to gateway" in wrong(out)
    assert "recado serve" in findings(out)["Odoo to gateway"]["detail"]
    assert len(rpc.rows(CONNECTOR)) == 1


def test_account_that_cannot_send_is_told(rpc, url, gateway, setup):
    gateway.status = {"acrux_er": "paused: no balance"}
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 1
    assert "paused: no balance" in findings(out)["gateway's endpoint"]["detail"]
    assert "paused: no balance" in findings(out)["Odoo to gateway"]["detail"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, {"error": "no client_id came"}, "no client_id came"),
        (200, {}, "something else"),
        (200, [], "something else"),
        (502, {}, "502"),
    ],
)
def test_endpoint_that_answers_otherwise_is_told(rpc, setup, status, body, told):
    with serving(Gateway(reply=(status, body))) as url:
        code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 1
    assert told in findings(out)["gateway's endpoint"]["detail"]


def test_login_of_the_sink_is_looked_at_too(rpc, url, setup):
    rpc.allow(acrux__chat__message=["read"])
    code, out, _ = setup([sink_at(rpc.url, url)], *ADMIN, "--json")
    assert code == 1
    assert wrong(out) == ["rights on acrux.chat.message"]


def test_sink_without_a_login_is_set_up_with_the_database_that_is_named(rpc, url, setup):
    sinks = [without_rpc(sink_at(rpc.url, url))]
    code, out, _ = setup(sinks, *ADMIN, "--database", "odoo", "--json")
    assert code == 0
    assert "RPC login" not in findings(out)
    assert len(rpc.rows(CONNECTOR)) == 1


# ---------------------------------------------------------------- without one


def test_values_to_type_in_are_printed_and_nobody_is_called(rpc, url, gateway, setup):
    code, out, _ = setup([sink_at(rpc.url, url)])
    assert code == 0
    for value in ("Recado chatroom", "ApiChat.io", rpc.url, url, UUID, TOKEN):
        assert value in out
    assert "secrets" in out
    assert "Check Status" in out
    assert rpc.calls() == []
    assert gateway.actions == []


def test_values_to_type_in_are_json_on_request(rpc, url, setup):
    code, out, _ = setup([sink_at(rpc.url, url)], "--json", "--name", "SMS", "--colour", "#3bafda")
    assert code == 0
    assert json.loads(out)["paste"] == {
        "Name": "SMS",
        "Connect to": "ApiChat.io",
        "Odoo Url": rpc.url,
        "API Endpoint": url,
        "Account ID": UUID,
        "Token": TOKEN,
        "automatic validation of numbers": "off",
        "Border Color": "#3BAFDA",
    }


def test_directions_are_tried_without_an_administrator_too(rpc, url, setup):
    code, out, _ = setup([sink_at(rpc.url, url)], "--try", "--json")
    assert code == 1
    assert wrong(out) == ["ChatRoom's webhook", "connector record"]
    assert TOKEN not in out
    add_connector(rpc, endpoint=url)
    code, out, _ = setup([sink_at(rpc.url, url)], "--try", "--json")
    assert wrong(out) == []
    assert code == 0
    assert rpc.calls("write") == []


def test_odoo_that_does_not_answer_is_told(url, setup):
    code, out, _ = setup([without_rpc(sink_at("http://odoo.invalid", url))], "--try", "--json")
    assert code == 1
    assert wrong(out) == ["gateway to Odoo", "ChatRoom's webhook"]


def test_odoo_without_the_addon_is_told(url, setup, gateway):
    gateway.reply = (404, {})
    base = url.removesuffix("/sinks/chatroom")
    code, out, _ = setup([without_rpc(sink_at(base, url))], "--try", "--json")
    assert code == 1
    assert "dbfilter" in findings(out)["gateway to Odoo"]["detail"]


def test_notice_comes_before_everything_else(rpc, url, setup):
    for arguments in ((), ("--try",), ADMIN):
        _, out, _ = setup([sink_at(rpc.url, url)], *arguments)
        assert "AcruxLab" in out.splitlines()[0]
        assert "“Please don't change”" in out
    _, out, _ = setup([sink_at(rpc.url, url)], "--json")
    assert "AcruxLab" in json.loads(out)["notice"]


def test_findings_are_lines_that_say_ok_or_not(rpc, url, setup):
    rpc.allow(acrux__chat__message=["read"])
    _, out, _ = setup([sink_at(rpc.url, url)], *ADMIN)
    lines = [line for line in out.splitlines() if "rights on" in line]
    assert [line.split("  ")[0] for line in lines].count("not ok") == 1
    assert [line.startswith("ok ") for line in lines].count(True) == 2
    assert "1. " in out
