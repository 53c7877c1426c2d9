"""What is shown while a campaign is imported or sent: a bar in a terminal, lines elsewhere."""

import io
import re

import pytest
from recado_gateway.cli import gauge
from recado_gateway.cli.gauge import Lines, open_gauge
from rich.console import Console


@pytest.fixture
def screen(monkeypatch):
    """Let standard error be a terminal; return what is written to it."""
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, color_system=None, width=120)
    monkeypatch.setattr(gauge, "Console", lambda **_: terminal)
    return written


def test_lines_come_now_and_then_with_rate_and_time_left(capsys):
    times = iter([0.0, 1.0, 6.0, 11.0, 16.0, 21.0, 31.0])
    lines = Lines("spring", "messages", lambda: next(times))
    for done in (1000, 1500, 2000, 2500, 3000, 10_000):
        lines.show(done, 10_000, "running")
    assert capsys.readouterr().err.splitlines() == [
        "spring: 20 % of 10000 messages, 100/s, 0:01:20 left, running",
        "spring: 30 % of 10000 messages, 100/s, 0:01:10 left, running",
        "spring: 100 % of 10000 messages, 300/s, 0:00:00 left, running",
    ]


def test_lines_of_a_file_tell_its_bytes(capsys):
    times = iter([0.0, 0.0, 10.0])
    lines = Lines("people.csv", "bytes", lambda: next(times))
    lines.show(0, 4_000_000)
    lines.show(1_000_000, 4_000_000)
    said = "people.csv: 25 % of 4.0 MB, 100.0 kB/s, 0:00:30 left\n"
    assert capsys.readouterr().err == said


def test_line_of_work_that_stands_still_tells_no_rate(capsys):
    times = iter([0.0, 0.0, 10.0])
    lines = Lines("spring", "messages", lambda: next(times))
    for _ in range(2):
        lines.show(5, 20, "paused")
    assert capsys.readouterr().err == "spring: 25 % of 20 messages, paused\n"


def test_line_of_nothing_to_do_is_whole(capsys):
    times = iter([0.0, 10.0])
    Lines("spring", "messages", lambda: next(times)).show(0, 0)
    assert capsys.readouterr().err == "spring: 100 % of 0 messages\n"


def test_bar_in_a_terminal_shows_rate_and_time_left(screen):
    with open_gauge("spring", "messages") as shown:
        for done in (500, 600, 1000):
            shown.show(done, 1000, f"[running] {done}")
    assert re.search(r"1000/1000 [\d,]+/s 0:00:00 \[running\] 1000", screen.getvalue())


def test_bar_of_a_file_tells_its_bytes(screen):
    with open_gauge("people.csv", "bytes") as shown:
        for done in (0, 1_000_000, 4_000_000):
            shown.show(done, 4_000_000)
    assert re.search(r"4\.0/4\.0 MB [\d.]+ .?B/s", screen.getvalue())


def test_elsewhere_work_that_takes_no_time_says_nothing(capsys):
    with open_gauge("spring", "messages") as shown:
        shown.show(1, 2)
        shown.show(2, 2)
    assert capsys.readouterr() == ("", "")
