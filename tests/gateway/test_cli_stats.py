"""``recado stats``, run in this process on a store of its own."""

import asyncio
import json

import pytest
from recado_gateway.cli import main


@pytest.fixture
def store(workplace, gateway, run):
    """Fill a store: two messages of the shop and one of nobody's, all sent, and a reply."""
    assert gateway.path.parent == workplace

    async def fill():
        async with run(gateway) as client:
            for cost_centre in ("shop", "shop", None):
                said = {"to": "+5511900000001", "account": "main", "text": "oi"}
                said |= {"cost_centre": cost_centre} if cost_centre else {}
                assert (await client.post("/v1/messages", json=said)).status_code == 202
            await client.engine.run_once()
            await client.write("obrigado")

    asyncio.run(fill())


pytestmark = pytest.mark.usefixtures("store")


def ask(capsys, *arguments):
    """Run the command with ``--json`` and return what it answers."""
    assert main(["stats", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def complaint(capsys, *arguments, code):
    """Run the command, which ends with this code; return the one line that says why."""
    assert main(["stats", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_figures_are_those_of_the_api(capsys):
    told = ask(capsys, "--group-by", "cost_centre,account")
    assert [(item["cost_centre"], item["account"], item["sent"]) for item in told["items"]] == [
        (None, "main", 1),
        ("shop", "main", 2),
    ]
    assert (told["totals"]["sent"], told["totals"]["replies"]) == (3, 1)


def test_table_ends_with_all_together(capsys):
    assert main(["stats", "--group-by", "cost_centre"]) == 0
    head, nobody, shop, every = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["cost", "centre", "accepted", "sent", "delivered"]
    assert nobody.split() == ["(none)", "1", "1", "0", "0", "0.0%", "1", "1", "1", "0.00"]
    assert shop.split() == ["shop", "2", "2", "0", "0", "0.0%", "0", "0", "2", "0.00"]
    assert every.split() == ["all", "3", "3", "0", "0", "0.0%", "1", "1", "3", "0.00"]


def test_only_what_is_asked_for_is_counted(capsys):
    assert ask(capsys, "--cost-centre", "shop")["totals"]["sent"] == 2
    assert ask(capsys, "--to", "2020-01-31")["items"] == []
    assert ask(capsys, "--account", "plain", "--channel", "sms", "--campaign", "x")["items"] == []


def test_day_that_is_none_is_wrong_use(capsys):
    assert main(["stats", "--from", "yesterday"]) == 2
    assert "--from" in capsys.readouterr().err


def test_group_that_is_unknown_is_wrong_use(capsys):
    line = complaint(capsys, "--group-by", "day,colour", code=2)
    assert "--group-by: unknown 'colour'; there is day, account" in line


def test_days_that_end_before_they_begin_are_refused(capsys):
    line = complaint(capsys, "--from", "2030-01-02", "--to", "2030-01-01", code=1)
    assert line == "recado: --from: lies after the last day, 2030-01-01"
