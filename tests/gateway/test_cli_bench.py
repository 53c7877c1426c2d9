"""`recado bench`: what it prints, what it leaves behind, and what it refuses."""

import json
import sqlite3
import sys

import pytest
from recado_core.engine.store.database import upgrade_database
from recado_gateway.benchmark import processes, runs
from recado_gateway.benchmark.runs import HEADS, Figures, StandstillError, median_of, until
from recado_gateway.cli import bench, main

FIGURES = Figures(
    messages_per_second=1234.5,
    cpu_us=80.2,
    peak_mb=99.6,
    accept_p50_ms=12.34,
    accept_p99_ms=56.78,
    accepted_seconds=1.0,
    seconds=2.0,
    simulator_us=None,
    client_us=4.4,
)


@pytest.fixture
def plans(monkeypatch):
    """Measure nothing, and return what would have been."""
    made = []

    def measure(plan, folder):
        made.append((plan, folder))
        return FIGURES

    monkeypatch.setattr(bench, "measure", measure)
    return made


def test_messages_go_the_whole_way_and_nothing_is_left(tmp_path, capsys):
    switches = ["--messages=30", "--mode=single", "--clients=4", "--receipts=7", "--json"]
    assert main(["bench", *switches, f"--folder={tmp_path}"]) == 0
    told = json.loads(capsys.readouterr().out)
    figures = told.pop("figures")
    assert told.pop("cores") > 0
    assert told == {
        "messages": 30,
        "mode": "single",
        "clients": 4,
        "receipts": 7,
        "database": "sqlite",
    }
    assert 0 < figures["messages_per_second"] <= 30 / figures["accepted_seconds"]
    assert 0 < figures["accept_p50_ms"] <= figures["accept_p99_ms"]
    assert figures["accepted_seconds"] <= figures["seconds"]
    if sys.platform == "linux":
        assert figures["cpu_us"] > 0
        assert figures["peak_mb"] > 0
    assert list(tmp_path.iterdir()) == []


def test_table_has_a_column_for_each_figure(plans, tmp_path, capsys):
    assert main(["bench", f"--folder={tmp_path}"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == " ".join(HEADS).split()
    assert row.split() == ["1,234", "80", "100", "12.3", "56.8", "1.0", "2.0", "-", "4"]
    (plan, folder) = plans[0]
    assert (plan.messages, plan.clients, plan.receipts) == (50_000, 4, 1000)
    assert folder == tmp_path


def test_single_messages_come_from_more_clients(plans):
    assert main(["bench", "--mode", "single"]) == 0
    assert plans[0][0].clients == 64


def test_database_that_a_gateway_has_used_is_refused(plans, tmp_path, capsys):
    file = tmp_path / "used.db"
    upgrade_database(f"sqlite+aiosqlite:///{file}")
    assert main(["bench", "--database", f"sqlite+aiosqlite:///{file}"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "recado: --database: it is not empty; a benchmark fills it"
    )
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    assert plans == []


@pytest.mark.parametrize(
    "wrong", [["--messages=0"], ["--messages=x"], ["--receipts=1001"], ["--clients=-1"]]
)
def test_wrong_number_is_wrong_use(plans, wrong):
    assert main(["bench", *wrong]) == 2
    assert plans == []


def test_folder_that_is_not_there_is_named(plans, tmp_path, capsys):
    assert main(["bench", "--folder", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is no folder" in capsys.readouterr().err
    assert plans == []


def test_median_is_of_each_figure_and_leaves_out_what_is_not_known():
    others = [FIGURES.__class__(**{**as_dict(FIGURES), "cpu_us": cpu}) for cpu in (70.0, None)]
    median = median_of([FIGURES, *others])
    assert median.cpu_us == pytest.approx(75.1)
    assert median.simulator_us is None
    assert median.seconds == FIGURES.seconds


def as_dict(figures):
    return {name: getattr(figures, name) for name in figures.__struct_fields__}


class Living:
    def check(self):
        pass


async def test_run_in_which_nothing_moves_is_given_up(monkeypatch):
    monkeypatch.setattr(runs, "STANDSTILL", 0.2)
    monkeypatch.setattr(runs, "LOOK", 0.01)

    async def count():
        return 3

    with pytest.raises(StandstillError, match="3 of 4"):
        await until(count, 4, Living())


async def test_program_that_ends_tells_what_it_said(tmp_path):
    words = ("-c", "import sys; sys.exit('no such luck')")
    with pytest.raises(processes.ProgramError, match="gateway ended with exit code 1: no such"):
        async with processes.running("the gateway", tmp_path, *words):
            pytest.fail("it is not up")
