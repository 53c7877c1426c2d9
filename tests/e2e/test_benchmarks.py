"""The benchmarks run, and print what their page says they print."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(name, *arguments):
    words = (sys.executable, BENCHMARKS / name, *arguments)
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
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


def test_whole_way_is_compared_with_the_bare_one(tmp_path):
    done = run("end_to_end.py", "--messages=2000", f"--folder={tmp_path}")
    told = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert told["mode"][1] == "messages/s"
    assert all(float(told[mode][1].replace(",", "")) > 0 for mode in ("recado", "bare"))
    assert re.fullmatch(r"The gateway does \d+% of the bare way\.", done.stdout.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


def test_campaign_is_imported_and_sent(tmp_path):
    done = run("campaigns.py", "--recipients=1500", f"--folder={tmp_path}")
    told = {words[0]: words for words in map(str.split, done.stdout.splitlines())}
    for name in ("import", "send"):
        rate, _, _, before, peak = (float(word.replace(",", "")) for word in told[name][1:])
        assert rate > 0
        assert peak >= before > 0
    assert list(tmp_path.iterdir()) == []
