"""The benchmarks run, and print what their page says they print."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name, *arguments, code=0, **environment):
    done = subprocess.run(
        (sys.executable, BENCHMARKS / name, *arguments),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


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


@pytest.mark.parametrize("name", ["accept.py", "load.py"])
def test_help_tells_what_is_measured(name):
    said = run(name, "--help").stdout
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


def test_accept_keeps_to_a_rate(tmp_path):
    brief = ("--clients=8", "--rounds=1", "--seconds=1", "--warm-up=0.2", "--rate=20")
    done = run("accept.py", *brief, f"--folder={tmp_path}")
    (median,) = [line.split() for line in done.stdout.splitlines() if "median  grouped" in line]
    assert 10 <= float(median[2]) <= 30


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


def test_whole_way_is_compared_with_the_bare_one(tmp_path):
    done = run("end_to_end.py", "--messages=1500", "--rounds=2", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {
        f"{way} {which}" for way in ("recado", "bare") for which in ("1", "2", "median")
    }
    rates = {way: row["messages/s"] for way, row in rows.items()}
    assert min(rates["recado 1"], rates["recado 2"]) <= rates["recado median"]
    assert min(rates.values()) > 0
    assert re.fullmatch(r"The gateway does \d+% of the bare way\.", done.stdout.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


def test_single_messages_go_through_a_filled_store_that_stays_for_the_next_run(tmp_path):
    brief = ("--messages=40", "--mode=single", "--receipts=1", "--rows=2500")
    for made in (1, 0):
        done = run("end_to_end.py", *brief, f"--folder={tmp_path}")
        assert done.stdout.count("is made") == made
        assert set(rows_of(done.stdout)) == {"recado 1", "filled 1"}
        assert re.search(r"With 2,500 messages in the store it does \d+% of that", done.stdout)
    (store,) = tmp_path.iterdir()
    with closing(sqlite3.connect(store)) as database:
        for table, count in {"messages": 2500, "events": 7500, "conversations": 250}.items():
            found = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # our own words
            assert found == (count,)


@pytest.mark.whole
def test_whole_way_goes_over_a_postgresql_of_its_own(database_folder):
    folder = database_folder / "benchmark"  # which PostgreSQL's user gets through to
    folder.mkdir()
    brief = ("--messages=1000", "--database=postgresql", "--rows=1500", "--without-bare")
    done = run("end_to_end.py", *brief, f"--folder={folder}")
    assert set(rows_of(done.stdout)) == {"recado 1", "filled 1"}
    assert list(folder.iterdir()) == []


def test_memory_is_told_of_messages_that_wait_and_as_they_go(tmp_path):
    done = run("end_to_end.py", "--queued=1200", f"--folder={tmp_path}")
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
    done = run("end_to_end.py", "--receipts-only", "--messages=300", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"1", "10"}
    for size, row in rows.items():
        assert row["DLRs/s"] == pytest.approx(row["webhooks/s"] * int(size), rel=0.2)
        assert 0 < row["processed/s"] <= row["DLRs/s"] + 1


def test_kannel_that_is_not_installed_is_told_and_not_guessed_at(tmp_path):
    done = run("kannel.py", "--messages=10", code=2, PATH=str(tmp_path))
    assert done.stderr == "Kannel is not installed: there is no bearerbox and no smsbox\n"
    assert done.stdout == ""


@pytest.mark.skipif(shutil.which("bearerbox") is None, reason="Kannel is not installed")
def test_kannel_carries_the_same_messages(tmp_path):
    done = run("kannel.py", "--messages=300", f"--folder={tmp_path}")
    rows = rows_of(done.stdout)
    assert set(rows) == {"recado 1", "kannel file 1", "kannel spool 1"}
    assert all(0 < row["messages/s"] <= row["accepted/s"] for row in rows.values())
    assert len(re.findall(r"carries \d+\.\d times as many", done.stdout)) == 2
    assert list(tmp_path.iterdir()) == []


def test_campaign_is_imported_and_sent(tmp_path):
    done = run("campaigns.py", "--recipients=1500", f"--folder={tmp_path}")
    told = {words[0]: words for words in map(str.split, done.stdout.splitlines())}
    for name in ("import", "send"):
        rate, _, _, before, peak = (float(word.replace(",", "")) for word in told[name][1:])
        assert rate > 0
        assert peak >= before > 0
    assert list(tmp_path.iterdir()) == []
