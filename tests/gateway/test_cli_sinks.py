"""``recado sinks``, run in this process on a store of its own."""

import asyncio
import json

import pytest
from recado_gateway.cli import main

POISON, FINE = "poison", "oi"


@pytest.fixture
def store(workplace, desk_settings, run):
    """Fill a store: two deliveries that were given up, one that was made, one that waits."""
    settings = desk_settings()
    assert settings.path.parent == workplace

    async def fill():
        async with run(settings) as client:
            for text in (POISON, FINE, POISON):
                await client.write(text)
            for worker in client.engine.sinks.workers:
                await worker.drain()
            await client.write("later")

    asyncio.run(fill())


pytestmark = pytest.mark.usefixtures("store")


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main(["sinks", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments):
    """Run a command and return what it prints, line by line."""
    assert main(["sinks", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def complaint(capsys, *arguments, code):
    """Run a command that ends with this code; return the one line that says why."""
    assert main(["sinks", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_sinks_are_listed_with_what_waits(capsys):
    desk, mute = ask(capsys, "list")["items"]
    assert (desk["name"], desk["kind"], desk["pending"], desk["dead"]) == ("desk", "desk", 1, 2)
    assert desk["delivered_at"] is not None
    assert (mute["pending"], mute["dead"], mute["delivered_at"]) == (0, 0, None)
    head, first, second = read(capsys, "list")
    assert head.split()[:3] == ["name", "kind", "waiting"]
    assert first.split()[:3] == ["desk", "desk", "1"]
    assert " s " in first
    assert second.split() == ["mute", "mute", "0", "0"]


def test_deliveries_are_listed_by_state(capsys):
    items = ask(capsys, "deliveries", "desk")["items"]
    assert [item["state"] for item in items] == ["pending", "dead", "delivered", "dead"]
    dead = ask(capsys, "deliveries", "desk", "--state", "dead")["items"]
    assert [item["id"] for item in dead] == [items[1]["id"], items[3]["id"]]
    head, *lines = read(capsys, "deliveries", "desk", "--state", "dead")
    assert head.split() == ["id", "event", "since", "state", "attempts", "next", "error"]
    assert len(lines) == 2
    assert all("message.received" in line and "no such person" in line for line in lines)


def test_deliveries_are_listed_page_by_page(capsys):
    first = ask(capsys, "deliveries", "desk", "--limit", "3")
    rest = ask(capsys, "deliveries", "desk", "--limit", "3", "--cursor", first["next_cursor"])
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)
    assert main(["sinks", "deliveries", "desk", "--limit", "3"]) == 0
    assert f"--cursor {first['next_cursor']}" in capsys.readouterr().err


def test_everything_that_was_given_up_is_delivered_again(capsys):
    (line,) = read(capsys, "replay", "desk")
    assert line.startswith("2 to be delivered again")
    assert ask(capsys, "replay", "desk") == {"replayed": 0}
    assert ask(capsys, "list")["items"][0]["pending"] == 3


def test_deliveries_are_made_again_by_their_ids(capsys):
    items = ask(capsys, "deliveries", "desk")["items"]
    ids = [item["id"] for item in items if item["state"] != "pending"]
    assert ask(capsys, "replay", "desk", ids[0], ids[1], "absent") == {"replayed": 2}


@pytest.mark.parametrize("command", ["deliveries", "replay"])
def test_sink_that_is_not_there_is_told_in_one_line(capsys, command):
    line = complaint(capsys, command, "absent", code=1)
    assert line == "recado: there is no sink 'absent'"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("deliveries", "desk", "--limit", "0"), 2, "--limit must be from 1 to 500"),
        (("deliveries", "desk", "--limit", "501"), 2, "--limit must be from 1 to 500"),
        (("deliveries", "desk", "--cursor", "x"), 1, "/cursor: is not a cursor of ours"),
    ],
)
def test_wrong_use_is_told_in_one_line(capsys, arguments, code, said):
    assert said in complaint(capsys, *arguments, code=code)


def test_check_tells_what_was_given_up(capsys):
    assert main(["check", "--json"]) == 1
    found = {line["name"]: line for line in json.loads(capsys.readouterr().out)["checks"]}
    assert not found["sink desk"]["ok"]
    detail = found["sink desk"]["detail"]
    assert detail == "1 waiting, 2 given up: `recado sinks deliveries desk --state dead`"
    assert found["sink mute"]["ok"]
