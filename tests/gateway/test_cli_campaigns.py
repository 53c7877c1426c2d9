"""``recado import`` and ``recado campaign``, run in this process on a store of its own."""

import asyncio
import csv
import json
import re
import shlex
import signal
import threading
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from recado_core.engine.campaigns.audiences import Audiences
from recado_core.engine.campaigns.views import CampaignRequest, CampaignStatus, CampaignView
from recado_core.engine.failures import UnavailableError
from recado_core.engine.runtime import Engine
from recado_gateway.cli import main
from recado_gateway.cli.following import Watch, look_again

pytestmark = pytest.mark.usefixtures("workplace", "gateway")  # the latter's file is found there

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "campaigns.md"
TEXT = ("--text", "Oi, {{ nome }}!", "--account", "main")


@pytest.fixture
def write(tmp_path):
    """Write a file of these lines and return its name."""

    def write_file(*lines, name="people.csv"):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return name

    return write_file


@pytest.fixture
def people(write):
    """A file of two recipients, one of them twice, and a number that is none."""
    return write("telefone;nome", "+5511900000001;Ana", "11900000002;João", "11900000002;J", "12;R")


@contextmanager
def working(gateway):
    """Run a worker in a thread of its own, as `recado worker` does in a process of its own."""
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()

    async def work():
        engine = Engine(gateway.engine, gateway.plugins)
        await engine.open()
        await engine.start()
        await stopping.wait()
        await engine.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    yield
    loop.call_soon_threadsafe(stopping.set)
    thread.join()
    loop.close()


@pytest.fixture
def worker(gateway):
    """A worker that runs meanwhile."""
    with working(gateway):
        yield


def ask(capsys, *arguments, code=0):
    """Run a command with ``--json`` and return what it answers."""
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def read(capsys, *arguments, code=0):
    """Run a command and return the lines that it prints, and those that it complains with."""
    assert main([*arguments]) == code
    said = capsys.readouterr()
    return [line.rstrip() for line in said.out.splitlines()], said.err.splitlines()


def campaigns(capsys):
    return ask(capsys, "campaign", "list")["items"]


# ---------------------------------------------------------------- files


def test_file_becomes_a_campaign_that_is_named_after_it(capsys, people):
    lines, faults = read(capsys, "import", people, *TEXT)
    (campaign,) = campaigns(capsys)
    assert re.fullmatch(r"people\.csv [0-9a-f]{12}", campaign["name"])
    assert lines == [
        f"campaign {campaign['id']} {campaign['name']}",
        "4 rows: 2 accepted, 1 duplicate, 1 invalid",
    ]
    assert [fault.partition(":")[0] for fault in faults] == [
        "line 4, column address",
        "line 5, column address",
    ]
    assert (campaign["status"], campaign["text"]) == ("draft", "Oi, {{ nome }}!")
    assert campaign["recipients"]["valid"] == 2


def test_options_make_the_campaign(capsys, people):
    told = ask(
        capsys,
        *("import", people, *TEXT, "--name", "Spring", "--channel", "sms", "--cost-centre", "x"),
        *("--category", "transactional", "--throttle", "10/1s", "--set", "loja=Lapa", "--priority"),
        *("4", "--reference", "r", "--transliterate", "--scheduled-at", "2199-01-31T18:00"),
    )
    made = told["campaign"]
    expected = {
        "name": "Spring",
        "cost_centre": "x",
        "category": "transactional",
        "throttle": "10/1s",
        "variables": {"loja": "Lapa"},
        "priority": 4,
        "reference": "r",
        "transliterate": True,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["scheduled_at"].startswith("2199-01-31T21:00")
    assert told["report"]["accepted"] == 2
    assert told["dry_run"] is None


def test_what_a_row_leaves_open_is_set_by_the_option_or_makes_it_invalid(capsys, write, taken):
    file = write("Celular;Primeiro nome", "+5511900000001;Ana", "+5511900000002;")
    text = ("--text", "Oi, {{ primeiro_nome }}!", "--account", "main")
    report = ask(capsys, "import", file, *text, "--name", "strict")["report"]
    assert [report[name] for name in ("accepted", "invalid")] == [1, 1]
    assert report["faults"][0]["line"] == 3
    assert "primeiro_nome" in report["faults"][0]["detail"]
    told = ask(capsys, "import", file, *text, "--set", "primeiro_nome=você")
    assert told["report"]["accepted"] == 2
    tried = ask(capsys, "campaign", "test", told["campaign"]["id"])
    assert [each["text"] for each in tried["recipients"]] == ["Oi, Ana!", "Oi, você!"]
    assert taken == []  # no worker runs


def test_same_command_again_changes_nothing_and_tells_the_same(capsys, people):
    first, again = [ask(capsys, "import", people, *TEXT) for _ in range(2)]
    assert again == first
    assert len(campaigns(capsys)) == 1


def test_another_text_for_the_same_file_is_refused_without_another_name(capsys, people):
    read(capsys, "import", people, *TEXT)
    lines, (said,) = read(capsys, "import", people, "--text", "Tchau", code=1)
    assert lines == []
    assert "there already, with another --text; --name makes a new one" in said
    read(capsys, "import", people, "--text", "Tchau", "--name", "other")
    assert len(campaigns(capsys)) == 2


def test_other_file_of_the_same_name_is_another_campaign(capsys, people, write):
    read(capsys, "import", people, *TEXT)
    read(capsys, "import", write("+5511900000003"), "--text", "Oi")
    one, other = campaigns(capsys)
    assert one["name"] != other["name"]


def test_files_of_one_name_are_one_campaign(capsys, people, write):
    read(capsys, "import", people, *TEXT, "--name", "Spring")
    more = write("telefone;nome", "+5511900000001;Ana", "+5511900000003;Eva", name="more.csv")
    told = ask(capsys, "import", more, "--name", "Spring")
    assert [told["report"][name] for name in ("accepted", "duplicates")] == [1, 1]
    assert told["campaign"]["recipients"]["valid"] == 3


def test_campaign_is_found_behind_any_number_of_its_runs(capsys, people, gateway):
    made = ask(capsys, "import", people, *TEXT, "--name", "Spring")["campaign"]

    async def occur():
        engine = Engine(gateway.engine, gateway.plugins)
        await engine.open()
        at = datetime.now(UTC)
        for hour in range(25):
            await engine.campaigns.run_of_schedule(made["id"], "s", at + timedelta(hours=hour))
        await engine.close()

    asyncio.run(occur())
    again = ask(capsys, "import", people, "--name", "Spring", "--account", "main")
    assert again["campaign"]["id"] == made["id"]


def test_canceled_campaign_is_not_taken_up_again(capsys, people):
    made = ask(capsys, "import", people, *TEXT)["campaign"]
    read(capsys, "campaign", "cancel", made["id"])
    _, (said,) = read(capsys, "import", people, *TEXT, code=1)
    assert said.endswith("was canceled; --name makes a new one")


@pytest.mark.usefixtures("worker")
def test_dry_run_sends_nothing_and_tells_what_it_would_come_to(capsys, people):
    main(["suppressions", "add", "+5511900000002", "--reason", "opt_out"])
    capsys.readouterr()
    told = ask(capsys, "import", people, *TEXT, "--dry-run")
    assert [told["dry_run"][name] for name in ("messages", "suppressed", "segments")] == [1, 1, 1]
    lines, _ = read(capsys, "campaign", "dry-run", told["campaign"]["id"])
    words = [line.split() for line in lines]
    assert ["messages", "1"] in words
    assert any(line[:4] == ["suppressed", "1", "suppressions", "opt_out"] for line in words)
    assert ask(capsys, "messages", "list")["items"] == []


def test_file_of_nobody_is_a_failure(capsys, write):
    lines, (*_, last) = read(capsys, "import", write("telefone", "12"), "--text", "Oi", code=1)
    assert lines[-1] == "1 row: 0 accepted, 0 duplicates, 1 invalid"
    assert last == "recado: there is nobody to send to"


@contextmanager
def interrupted_import():
    """Press Ctrl-C once something has been written."""
    take = Audiences.take

    async def take_and_press(self, campaign_id, path, form=None, progress=None):
        def press(done, total):
            progress(done, total)
            signal.raise_signal(signal.SIGINT)

        return await take(self, campaign_id, path, form, press)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Audiences, "take", take_and_press)
        yield


def test_import_that_is_interrupted_goes_on_when_it_is_repeated(capsys, write):
    many = write("telefone", *(f"+551191000{n:04}" for n in range(5000)))
    with interrupted_import():
        lines, (said,) = read(capsys, "import", many, "--text", "Oi", code=130)
    assert lines == []
    assert said.startswith("recado: people.csv: interrupted; the same command goes on")
    (begun,) = campaigns(capsys)
    assert 0 < begun["recipients"]["total"] < 5000
    assert begun["recipients"]["unfinished"] == 1
    _, (refused,) = read(capsys, "campaign", "start", begun["id"], code=1)
    assert "import the same file again: it goes on where it stopped" in refused
    told = ask(capsys, "import", many, "--text", "Oi")
    assert told["campaign"]["id"] == begun["id"]
    assert told["campaign"]["recipients"]["valid"] == told["report"]["accepted"] == 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("import", "absent.csv", "--text", "Oi"),
        ("import", "people.csv"),
        ("import", "people.csv", "--text", "x", "--template", "y"),
        ("import", "people.csv", "--text", "x", "--start", "--dry-run"),
        ("import", "people.csv", "--text", "x", "--set", "nome"),
        ("campaign",),
        ("campaign", "create", "x"),
        ("campaign", "list", "--status", "happy"),
        ("campaign", "list", "--limit", "0"),
        ("campaign", "recipients", "x", "people.csv", "--status", "invalid"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("people")
def test_wrong_use_ends_with_2(arguments):
    assert main([*arguments]) == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--throttle", "fast"), "--throttle: "),
        (("--account", "absent"), "--account: "),
        (("--channel", "telex"), "--channel: "),
        (("--name", ""), "NAME or --name: "),
        (("--cost-centre", "x" * 100), "--cost-centre: "),
    ],
    ids=lambda it: " ".join(it)[:20] if isinstance(it, tuple) else "",
)
def test_what_is_wrong_is_named_by_its_option(options, named, capsys, people):
    _, (line,) = read(capsys, "import", people, "--text", "Oi", *options, code=1)
    assert line.startswith(f"recado: {named}")


def test_file_for_a_campaign_that_is_over_needs_another_name(capsys, people, write, gateway):
    made = ask(capsys, "import", people, *TEXT, "--name", "Spring")["campaign"]
    read(capsys, "campaign", "start", made["id"])
    more = write("+5511900000003", name="more.csv")
    _, said = read(capsys, "import", more, "--name", "Spring", code=1)
    assert said == ["recado: Spring: the campaign is running: pause it first"]
    with working(gateway):
        read(capsys, "campaign", "follow", made["id"])
    _, said = read(capsys, "import", more, "--name", "Spring", code=1)
    assert said == ["recado: Spring: the campaign is finished; --name makes a new one"]


# ---------------------------------------------------------------- sending


@pytest.mark.usefixtures("worker")
def test_import_that_starts_watches_to_the_end(capsys, people, taken):
    campaign = ask(capsys, "import", people, *TEXT, "--start")
    assert (campaign["status"], campaign["stats"]["sent"]) == ("finished", 2)
    assert sorted(taken) == ["Oi, Ana!", "Oi, João!"]
    again = ask(capsys, "import", people, *TEXT, "--start")
    assert again["id"] == campaign["id"]
    assert len(taken) == 2


@pytest.mark.usefixtures("worker")
def test_what_a_campaign_has_come_to_is_told_in_words(capsys, people):
    lines, _ = read(capsys, "import", people, *TEXT, "--start")
    campaign, report, end = lines
    campaign_id = campaign.split()[1]
    assert report == "4 rows: 2 accepted, 1 duplicate, 1 invalid"
    assert end.startswith(f"{campaign_id} finished")
    assert ", 2 sent, cost " in end


@pytest.mark.usefixtures("worker")
def test_campaign_is_sent_step_by_step(capsys, people, taken, tmp_path):
    (campaign_id,), _ = read(capsys, "campaign", "create", "Spring", *TEXT)
    lines, _ = read(capsys, "campaign", "recipients", campaign_id, people)
    assert lines == ["4 rows: 2 accepted, 1 duplicate, 1 invalid"]
    tried = ask(capsys, "campaign", "test", campaign_id)
    assert [each["line"] for each in tried["recipients"]] == [2, 3]
    lines, _ = read(capsys, "campaign", "start", campaign_id, "--follow")
    assert lines[0].startswith(f"{campaign_id} finished")
    assert sorted(taken) == ["Oi, Ana!", "Oi, João!"]
    shown = ask(capsys, "campaign", "show", campaign_id)
    assert shown["stats"]["sent"] == 2
    lines, _ = read(capsys, "campaign", "show", campaign_id)
    assert ["sent", "2"] in [line.split() for line in lines]
    assert main(["campaign", "export", campaign_id, "--output", "results.csv"]) == 0
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        statuses = [row["status"] for row in csv.DictReader(file)]
    assert statuses == ["sent", "sent", "duplicate", "invalid"]


def test_campaign_is_paused_resumed_and_canceled(capsys, people):
    campaign_id = ask(capsys, "import", people, *TEXT)["campaign"]["id"]
    for act, status in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "canceled"),
    ):
        assert read(capsys, "campaign", act, campaign_id) == ([f"{campaign_id} {status}"], [])
    _, (said,) = read(capsys, "campaign", "resume", campaign_id, code=1)
    assert said.startswith("recado: ")
    lines, _ = read(capsys, "campaign", "follow", campaign_id, code=1)
    assert lines[0].startswith(f"{campaign_id} canceled")


def test_what_breaks_off_an_export_elsewhere_is_not_told_as_its_files_fault(
    capsys, people, monkeypatch
):
    made = ask(capsys, "import", people, *TEXT)["campaign"]

    async def lose(*_):
        yield "line\n"
        raise ConnectionResetError("the database is away")

    monkeypatch.setattr("recado_gateway.cli.campaigns.results_of", lose)
    with suppress(ConnectionResetError):
        main(["campaign", "export", made["id"], "--output", "results.csv"])
    assert "can't write" not in capsys.readouterr().err


def test_draft_is_not_watched(capsys, people):
    campaign_id = ask(capsys, "import", people, *TEXT)["campaign"]["id"]
    _, (said,) = read(capsys, "campaign", "follow", campaign_id, code=1)
    assert f"`recado campaign start {campaign_id}` sends it" in said


def test_recipients_are_listed_by_status_and_by_pages(capsys, people):
    campaign_id = ask(capsys, "import", people, *TEXT)["campaign"]["id"]
    arguments = ("campaign", "recipients", campaign_id)
    lines, _ = read(capsys, *arguments, "--status", "invalid")
    assert lines[1].split()[:3] == ["5", "12", "invalid"]
    page = ask(capsys, *arguments, "--limit", "3")
    rest = ask(capsys, *arguments, "--cursor", page["next_cursor"])
    assert [len(page["items"]), len(rest["items"])] == [3, 1]


def test_campaigns_are_listed_by_name_and_status(capsys, people):
    for name in ("one", "two"):
        read(capsys, "import", people, *TEXT, "--name", name)
    (only,) = ask(capsys, "campaign", "list", "--name", "one")["items"]
    assert only["name"] == "one"
    assert ask(capsys, "campaign", "list", "--status", "running")["items"] == []
    lines, _ = read(capsys, "campaign", "list")
    assert [line.split()[3] for line in lines[1:]] == ["two", "one"]


@pytest.mark.parametrize(
    "act", ["show", "test", "dry-run", "follow", "start", "pause", "resume", "cancel", "export"]
)
def test_campaign_that_is_not_there_is_a_failure(act, capsys):
    lines, (said,) = read(capsys, "campaign", act, "absent", code=1)
    assert lines == []
    assert said == "recado: there is no campaign 'absent'"


# ---------------------------------------------------------------- watching


@pytest.fixture
def seen(gateway):
    """A running campaign as it is shown."""

    async def make():
        engine = Engine(gateway.engine, gateway.plugins)
        await engine.open()
        try:
            request = CampaignRequest(name="Spring", text="Oi")
            made = await engine.campaigns.create(request)
            return msgspec.json.decode(made.body, type=CampaignView)
        finally:
            await engine.close()

    return msgspec.structs.replace(asyncio.run(make()), status=CampaignStatus.RUNNING)


def test_campaign_of_which_nothing_goes_is_told_once(capsys, seen):
    times = iter([0.0, 0.0, 14.0, 15.0, 30.0])
    watch = Watch(lambda: next(times))
    for _ in range(4):
        watch.look(seen)
    assert capsys.readouterr().err == (
        "recado: nothing has gone for 15 s: does `recado serve` run?\n"
    )


async def test_watching_outlasts_a_database_that_is_away(gateway, seen, monkeypatch):
    async def fail(*_):
        raise UnavailableError("away")

    engine = Engine(gateway.engine, gateway.plugins)
    monkeypatch.setattr(engine.campaigns, "get", fail)
    assert await look_again(engine, seen) is seen


def test_pause_is_told_with_its_reason_once(capsys, seen):
    watch = Watch(lambda: 0.0)
    paused = msgspec.structs.replace(seen, status=CampaignStatus.PAUSED, reason="too many faults")
    for each in (seen, paused, msgspec.structs.replace(paused, progress=0.5), seen):
        watch.look(each)
    assert capsys.readouterr().err == (
        f"recado: paused: too many faults; `recado campaign resume {seen.id}` goes on\n"
    )


# ---------------------------------------------------------------- the page


def page():
    return (DOCS / PAGE).read_text("utf-8")


def blocks(language):
    """Return what the page shows in this language, or as output."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_commands_of_the_page_do_what_it_says(tmp_path, capsys, gateway):
    (name,) = re.findall(r"`(\w+\.csv)`, as a spreadsheet", page())
    (text,) = blocks("csv")
    (tmp_path / name).write_text(text, encoding="utf-8")
    campaign_id, said = "", ""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) > 12
    for line in lines:
        program, *arguments = shlex.split(line.replace("ID", campaign_id), comments=True)
        watches = {"--start", "follow"} & set(arguments)  # else it may be over before it is paused
        with working(gateway) if watches else nullcontext():
            assert (program, main(arguments)) == ("recado", 0), line
        out, err = capsys.readouterr()
        said += out + err
        if arguments[:2] == ["campaign", "create"]:
            campaign_id = out.strip()
    for line in "".join(blocks("")).splitlines():
        assert line in said.splitlines(), line


def test_links_of_the_page_lead_somewhere():
    for name, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page()):
        text = (DOCS / (name or PAGE)).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not anchor or anchor in anchors, anchor
