"""The benchmarks run, and print what their page says they print."""

import asyncio
import importlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from argparse import Namespace
from contextlib import closing
from http import HTTPStatus
from itertools import product
from pathlib import Path

import pytest
from recado_gateway.benchmark.runs import Figures

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name, *arguments):
    done = subprocess.run(
        (sys.executable, BENCHMARKS / name, *arguments),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def load(name):
    """Import a benchmark, to run what starts no process of its own in this one."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


def run_here(monkeypatch, name, *arguments):
    """Run a benchmark that ends at once, and return its exit code."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        load(name).main()
    return ended.value.code


def test_accept_compares_group_commit_with_none(tmp_path):
    brief = ("--clients=16", "--rounds=1", "--seconds=0.5", "--warm-up=0.2")
    done = run("accept.py", *brief, f"--folder={tmp_path}")
    assert done.stderr == ""
    told = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    columns = next(line for line in told if line[0] == "round")
    medians = {line[1]: dict(zip(columns, line, strict=True)) for line in told if "median" in line}
    assert set(medians) == {"grouped", "alone"}
    rows = {mode: float(median["rows/commit"]) for mode, median in medians.items()}
    assert rows["alone"] < 1.5 < rows["grouped"]
    assert all(int(median["requests/s"].replace(",", "")) for median in medians.values())
    assert re.fullmatch(r"Group commit accepts \d+\.\d times as many messages\.", told[-1][0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["accept", "load"])
def test_help_tells_what_is_measured(name, monkeypatch, capsys):
    assert run_here(monkeypatch, name, "--help") == 0
    said = capsys.readouterr().out
    assert "--seconds" in said
    assert "202" in said


def test_check_of_many_recipients_is_one_statement():
    said = run("suppressions.py", "--entries=5000", "--recipients=1000", "--rounds=3").stdout
    assert re.search(r"1,000 recipients against 5,000 entries: median \d+\.\d ms", said)
    assert "statements: 1, 100 refused" in said


def test_counting_is_compared_with_not_counting():
    said = run("counting.py", "--rounds=1", "--campaigns=1").stdout.splitlines()
    assert [line.split()[:2] for line in said[1:5]] == [
        ["accept", "1,000"],
        ["DLR", "1,000"],
        ["accept", "1"],
        ["DLR", "1"],
    ]
    assert re.fullmatch(r"one campaign: \d+\.\d ms", said[-1])


HEAD = re.compile(rb"(?is).*?content-length: (\d+).*?\r\n\r\n")
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Taker(asyncio.Protocol):
    """A gateway's side of a connection, that accepts everything."""

    def connection_made(self, transport):
        self.transport = transport
        self.said = b""

    def data_received(self, data):
        self.said += data
        head = HEAD.match(self.said)
        if head and len(self.said) == head.end() + int(head[1]):  # the next waits for the answer
            self.said = b""
            self.transport.write(ACCEPTED)


async def test_clients_of_accept_keep_to_a_rate():
    options = Namespace(seconds=1.0, clients=8, processes=1, warm_up=0.2, rate=20.0)
    server = await asyncio.get_running_loop().create_server(Taker, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        clients = await load("accept").start_load(f"http://{host}:{port}", "a-key", options, 0)
        said, _ = await clients.communicate()
    began, told = said.decode().splitlines()
    told = json.loads(told)
    assert (began, clients.returncode) == ("measuring", 0)
    assert set(told["statuses"]) == {str(int(HTTPStatus.ACCEPTED))}
    assert 10 <= len(told["latencies"]) <= 30


def rows_of(said):
    """Return the lines of the table by their first words, each as a dict by the column's head."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in said.splitlines()]
    (heads,) = [line for line in lines if line[0] in {"mode", "DLRs a webhook", "messages/s"}]
    heads = heads if heads[0] != "messages/s" else ["", *heads]
    rows = [line for line in lines if len(line) == len(heads) and line != heads]
    return {
        row[0]: {head: number(text) for head, text in zip(heads[1:], row[1:], strict=True)}
        for row in rows
    }


def number(text):
    return None if text == "-" else float(text.replace(",", ""))


def test_whole_way_is_compared_with_the_bare_one_and_with_a_filled_store_that_stays(tmp_path):
    done = run("end_to_end.py", "--messages=1100", "--rows=1500", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"recado 1", "bare 1", "filled 1"}
    assert min(row["messages/s"] for row in rows.values()) > 0
    *_, bare, filled = done.stdout.splitlines()
    assert re.fullmatch(r"The gateway does \d+% of the bare way\.", bare)
    assert re.fullmatch(r"With 1,500 messages in the store it does \d+% of that without\.", filled)

    assert done.stdout.count("is made; it stays") == 1
    (store,) = tmp_path.iterdir()
    assert asyncio.run(load("ways.stores").filled_file(tmp_path, 1500)) == store
    with closing(sqlite3.connect(store)) as database:
        for table, count in {"messages": 1500, "events": 4500, "conversations": 150}.items():
            found = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # our own words
            assert found == (count,)


def playing(*rates):
    """Return a way whose rounds come to these rates."""
    left = iter(rates)

    async def play(_plan, _folder):
        figures = dict.fromkeys(Figures.__struct_fields__, 1.0)
        return Figures(**figures | {"messages_per_second": next(left)})

    return play


async def test_ways_take_turns_and_their_medians_are_compared(monkeypatch, tmp_path, capsys):
    program = load("end_to_end")
    monkeypatch.setattr(program.runs, "run", playing(100, 900, 200))
    monkeypatch.setattr(program.stripped, "run", playing(400, 100, 800))
    plan = program.Plan(messages=1, clients=1)
    options = Namespace(rounds=3, rows=0, without_bare=False, folder=tmp_path, database="sqlite")
    await program.compare(program.Databases(options, None), options, plan)
    said = capsys.readouterr().out
    rows = rows_of(said)
    rounds = [f"{way} {number}" for number, way in product((1, 2, 3), ("recado", "bare"))]
    assert list(rows) == [*rounds, "recado median", "bare median"]
    assert [row["messages/s"] for row in rows.values()] == [100, 400, 900, 100, 200, 800, 200, 400]
    assert said.splitlines()[-1] == "The gateway does 50% of the bare way."


@pytest.mark.whole
def test_single_messages_go_over_a_postgresql_of_its_own(database_folder):
    folder = database_folder / "benchmark"  # which PostgreSQL's user gets through to
    folder.mkdir()
    brief = ("--messages=40", "--mode=single", "--receipts=1", "--rows=1500")
    done = run("end_to_end.py", "--database=postgresql", *brief, f"--folder={folder}")
    assert set(rows_of(done.stdout)) == {"recado 1", "filled 1"}
    assert list(folder.iterdir()) == []


def test_memory_is_told_of_messages_that_wait_and_as_they_go(tmp_path):
    done = run("end_to_end.py", "--queued=300", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"queued", "sent and final"}
    if sys.platform == "linux":
        assert all(0 < row["MB now"] <= row["MB peak"] + 1 for row in rows.values())


def test_idle_gateway_is_timed_message_by_message(tmp_path):
    done = run("end_to_end.py", "--idle", "--messages=3", f"--folder={tmp_path}")
    assert "3 messages, one at a time" in done.stdout
    assert re.search(r"request to 202 +median \d+\.\d ms", done.stdout)
    assert re.search(r"202 to provider +median -?\d+\.\d ms", done.stdout)


def test_receipts_are_taken_alone_and_by_tens(tmp_path):
    done = run("end_to_end.py", "--receipts-only", "--messages=100", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"1", "10"}
    for size, row in rows.items():
        assert row["DLRs/s"] == pytest.approx(row["webhooks/s"] * int(size), rel=0.2)
        assert 0 < row["processed/s"] <= row["DLRs/s"] + 1


def test_kannel_that_is_not_installed_is_told_and_not_guessed_at(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_here(monkeypatch, "kannel", "--messages=10") == 2
    said = capsys.readouterr()
    assert said.err == "Kannel is not installed: there is no bearerbox and no smsbox\n"
    assert said.out == ""


@pytest.mark.skipif(shutil.which("bearerbox") is None, reason="Kannel is not installed")
def test_kannel_carries_the_same_messages(tmp_path):
    done = run("kannel.py", "--messages=100", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"recado 1", "kannel file 1", "kannel spool 1"}
    assert all(0 < row["messages/s"] <= row["accepted/s"] for row in rows.values())
    assert len(re.findall(r"carries \d+\.\d times as many", done.stdout)) == 2
    assert list(tmp_path.iterdir()) == []


def test_campaign_is_imported_and_sent(tmp_path):
    done = run("campaigns.py", "--recipients=300", f"--folder={tmp_path}")
    told = {words[0]: words for words in map(str.split, done.stdout.splitlines())}
    for name in ("import", "send"):
        rate, _, _, before, peak = (float(word.replace(",", "")) for word in told[name][1:])
        assert rate > 0
        assert peak >= before > 0
    assert list(tmp_path.iterdir()) == []
