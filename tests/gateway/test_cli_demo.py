"""The demo's own words: what it shows, and what it says when a message does not arrive."""

import io
import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recado_core.engine.messages.messages import EventView, MessageDetail
from recado_core.messages import Status
from recado_gateway.cli import demo, main, progress
from recado_gateway.cli.progress import Lines, Traffic, open_view
from rich.console import Console

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def message(*way, **changes):
    """Make a message that has gone this way."""
    empty = dict.fromkeys(MessageDetail.__struct_fields__)
    events = [
        EventView(
            id=str(number),
            type=f"message.{status}",
            time=NOW,
            from_status=None,
            to_status=status,
            account=None,
            code=None,
            text=None,
            data=None,
        )
        for number, status in enumerate(way)
    ]
    told = {"to": "+5511900000001", "text": "Oi", "status": way[-1], "events": events}
    return MessageDetail(**empty | told | changes)


QUEUED = message(Status.QUEUED)
GONE = message(Status.QUEUED, Status.UNDELIVERED, code="4", status_text="não entregue")
REPLY = message(Status.RECEIVED, sender="+5511900000001", text="SIM [b]")


def test_lines_say_what_is_new_and_nothing_twice(capsys):
    lines = Lines()
    for messages, replies in (([QUEUED], []), ([QUEUED], []), ([GONE], [REPLY]), ([GONE], [REPLY])):
        lines.show(Traffic(messages=messages, replies=replies))
    assert capsys.readouterr().out.splitlines() == [
        "+5511900000001  queued",
        "+5511900000001  queued → undelivered  4 não entregue",
        "+5511900000001  replies: SIM [b]",
    ]


def test_terminal_gets_a_table_that_is_drawn_again(monkeypatch):
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "console", lambda: terminal)
    with open_view() as view:
        view.show(Traffic(messages=[QUEUED], replies=[]))
        before = drawn.getvalue()
        view.show(Traffic(messages=[GONE], replies=[REPLY]))
    assert "undelivered" not in before
    after = drawn.getvalue().removeprefix(before)
    assert "queued → undelivered" in after
    assert "SIM [b]" in after


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENT, Status.UNKNOWN])
def test_message_without_final_status_is_pending(status):
    traffic = Traffic(messages=[message(status), GONE], replies=[])
    assert [found.status for found in traffic.pending] == [status]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Stand in an empty folder, with the environment as it was before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "")


@pytest.mark.usefixtures("workplace")
def test_demo_fails_says_what_stands_where_and_logs_to_its_own_file(capsys, monkeypatch):
    send = demo.send_messages

    def log_and_send(client):
        logging.getLogger("recado_gateway").info("the token is kolmeya-simulator")
        return send(client)

    monkeypatch.setattr(demo, "send_messages", log_and_send)
    stuck = {"to": "+5511999900021", "text": "This one stays sent for ever"}
    monkeypatch.setattr(demo, "MESSAGES", (stuck, stuck | {"to": "+5511999900020"}))
    monkeypatch.setattr(demo, "DEADLINE", 0.5)
    assert main(["demo", "--once", "--port", "0"]) == 1
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("Not final")]
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"Not final after 0.5 s: \S{36} is (queued|sending|sent)", line)
    assert "0 of 2 messages have their final status." in said.out
    (log,) = Path(".recado").glob("demo-*[0-9].log")
    assert "INFO recado_gateway: the token is ***\n" in log.read_text("utf-8")
