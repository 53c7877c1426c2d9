"""Audiences: what files say, whom they repeat, and going on where one was broken off."""

import json

import pytest
from recado_core.engine.campaigns import audience_rows
from recado_core.engine.failures import ConflictError, DraftError, NotFoundError
from recado_core.engine.store.statements import campaigns

from .campaign_house import Campaigner, number
from .resilience.troubles import Statements

pytestmark = pytest.mark.whole

TRIES = 400


@pytest.fixture
def campaigner(house, tmp_path):
    return Campaigner(house, tmp_path)


class BreakError(Exception):
    """Stands for whatever can go wrong."""


def told(report):
    return report.rows, report.accepted, report.duplicates, report.invalid


def faults_of(report):
    return [(fault.line, fault.column) for fault in report.faults]


# ---------------------------------------------------------------- what files say


async def test_columns_become_variables_under_names_that_a_text_can_hold(campaigner):
    campaign_id = await campaigner.create(text="Oi {{ Nome }}, {{ valor_da_parcela }}")
    text = "Telefone;Nome;Valor da parcela;CPF\r\n(11) 90000-0001;José;R$ 10,00;529.982.247-25\r\n"
    report = await campaigner.take(campaign_id, text, encoding="cp1252")
    assert told(report) == (1, 1, 0, 0)
    (row,) = await campaigner.audience(campaign_id)
    assert row["address"] == "+5511900000001"
    assert row["variables"] == {"Nome": "José", "valor_da_parcela": "R$ 10,00"}
    assert len(row["document_hash"]) == 64
    assert "529" not in json.dumps(row["variables"])


async def test_list_without_a_header_is_of_addresses(campaigner):
    campaign_id = await campaigner.create()
    report = await campaigner.take(campaign_id, f"{number(1)}\n{number(2)}\n")
    assert told(report) == (2, 2, 0, 0)


async def test_lines_of_json_say_whom_and_what_in_either_form(campaigner):
    campaign_id = await campaigner.create(text="Oi {{ name }} {{ points }}")
    lines = [
        {"to": number(1), "variables": {"name": "Ana", "points": 7}},
        {"phone": "11900000002", "name": "Bia", "points": "8", "document": "52998224725"},
        {"address": number(3), "name": "Du", "points": None},
    ]
    text = "\ufeff" + "\n\n".join(json.dumps(line) for line in lines)
    report = await campaigner.take(campaign_id, text)
    assert told(report) == (3, 2, 0, 1)
    assert faults_of(report) == [(5, "variables")]
    assert "points" in report.faults[0].detail
    first, second, _ = await campaigner.audience(campaign_id)
    assert first["variables"] == {"name": "Ana", "points": 7}
    assert second["address"] == "+5511900000002"
    assert second["document_hash"] is not None


async def test_lines_that_are_no_object_are_faults_that_spoil_no_other(campaigner, monkeypatch):
    monkeypatch.setattr(audience_rows, "_BLOCK", 200)
    campaign_id = await campaigner.create()
    lines = [
        json.dumps({"to": number(1)}),
        "[1]",
        "{",
        '{"to": "' + "9" * 500 + '"}',
        json.dumps({"to": [number(2)]}),
        json.dumps({"to": number(2), "phone": number(3)}),
        json.dumps({"name": "Ana"}),
        json.dumps({"to": number(2)}),
    ]
    report = await campaigner.take(campaign_id, "\n".join(lines), "ndjson")
    assert told(report) == (8, 2, 0, 6)
    assert [line for line, _ in faults_of(report)] == [2, 3, 4, 5, 6, 7]


async def test_every_kind_of_fault_is_told_by_line_and_spoils_no_other(campaigner):
    campaign_id = await campaigner.create(text="Oi {{ name }}")
    text = (
        "phone,name,cpf\n"
        f"{number(1)},Ana,\n"
        "123,Bia,\n"
        f"{number(2)},,\n"
        f'{number(3)},"D"u,\n'
        f"{number(4)},Eva,11111111111\n"
        f"{number(1)},Ana,\n"
        f"{number(5)},Flor,,,x\n"
        ",Gil,\n"
        f"{number(6)},Hugo,\n"
    )
    report = await campaigner.take(campaign_id, text)
    assert told(report) == (9, 2, 1, 6)
    assert faults_of(report) == [
        (3, "address"),
        (4, "variables"),
        (5, None),
        (6, "document"),
        (7, "address"),
        (8, None),
        (9, "address"),
    ]
    assert report.more == 0
    rows = await campaigner.audience(campaign_id)
    assert [row["position"] for row in rows] == list(range(1, 10))
    assert [row["line"] for row in rows if row["fault"] is None] == [2, 10]
    assert (await campaigner.get(campaign_id)).recipients.valid == 2


async def test_campaigns_own_variables_stand_in_for_empty_cells(campaigner):
    campaign_id = await campaigner.create(text="Oi {{ name }}", variables={"name": "cliente"})
    report = await campaigner.take(campaign_id, f"phone,name\n{number(1)},\n{number(2)},Ana\n")
    assert told(report) == (2, 2, 0, 0)
    await campaigner.campaigns.start(campaign_id)
    await campaigner.house.settle()
    assert [each.text for each in campaigner.house.vendor.sent] == ["Oi cliente", "Oi Ana"]


async def test_first_hundred_faults_are_told_and_the_rest_counted(campaigner):
    campaign_id = await campaigner.create()
    text = "phone\n" + "".join(f"12{index % 10}\n" for index in range(130)) + number(1)
    report = await campaigner.take(campaign_id, text)
    assert told(report) == (131, 1, 0, 130)
    assert (len(report.faults), report.more) == (100, 30)


@pytest.mark.parametrize(
    "text", ["", "phone;name\n", "fone;nome\nx;y\n", "nome;phone;telefone\nAna;1;2\n"]
)
async def test_file_that_names_nobody_or_has_a_strange_header_is_refused(campaigner, text):
    campaign_id = await campaigner.create()
    with pytest.raises(DraftError):
        await campaigner.take(campaign_id, text)
    assert await campaigner.audience(campaign_id) == []
    assert (await campaigner.get(campaign_id)).recipients.unfinished == 0


# ---------------------------------------------------------------- repeats


async def test_one_line_is_one_recipient_however_it_is_written_and_in_whatever_file(campaigner):
    campaign_id = await campaigner.create()
    first = await campaigner.take(campaign_id, "phone\n11991234567\n+55 11 9123-4567\n1191234567\n")
    assert told(first) == (3, 1, 2, 0)
    second = await campaigner.take(campaign_id, f"phone\n+5511991234567\n{number(2)}\n", suffix="x")
    assert told(second) == (2, 1, 1, 0)
    assert faults_of(second) == [(2, "address")]
    assert (await campaigner.get(campaign_id)).recipients.total == 5


async def test_same_file_again_changes_nothing_and_is_told_of_as_before(campaigner):
    campaign_id = await campaigner.create()
    text = f"phone\n{number(1)}\n123\n{number(1)}\n"
    before = await campaigner.take(campaign_id, text)
    await campaigner.take(campaign_id, f"phone\n456\n{number(7)}\n")
    assert await campaigner.take(campaign_id, text) == before
    rows = await campaigner.audience(campaign_id)
    await campaigner.campaigns.start(campaign_id)
    assert await campaigner.take(campaign_id, text) == before, "what changes nothing may be asked"
    assert await campaigner.audience(campaign_id) == rows


# ---------------------------------------------------------------- broken off


async def test_import_goes_on_where_it_broke_off_wherever_that_was(campaigner, monkeypatch):
    monkeypatch.setattr(audience_rows, "CHUNK", 3)
    lines = [number(1), "123", number(2), f'"{number(3)}"x', number(4), number(1), number(5), "9"]
    text = "phone\n" + "\n".join(lines)
    for broken_at in range(1, TRIES):

        def fail(count, broken_at=broken_at):
            if count == broken_at:
                raise BreakError

        campaign_id = await campaigner.create()
        with Statements(fail) as statements:
            try:
                report = await campaigner.take(campaign_id, text)
            except BreakError:
                report = None
        if statements.count < broken_at:
            break
        report = await campaigner.take(campaign_id, text)
        assert told(report) == (8, 4, 1, 3), broken_at
        assert faults_of(report) == [(3, "address"), (5, None), (7, "address"), (9, "address")]
        rows = await campaigner.audience(campaign_id)
        assert [row["line"] for row in rows] == list(range(2, 10))
        assert (await campaigner.get(campaign_id)).recipients.unfinished == 0
    else:
        pytest.fail("the import never got through")


async def test_import_that_broke_off_shows_in_the_campaign(campaigner, monkeypatch):
    monkeypatch.setattr(audience_rows, "CHUNK", 2)
    campaign_id = await campaigner.create()
    path = campaigner.file("phone\n" + "\n".join(map(number, range(5))))
    seen = []

    def stop(done, size):
        seen.append((done, size))
        raise BreakError

    with pytest.raises(BreakError):
        await campaigner.house.engine.audiences.take(campaign_id, path, progress=stop)
    view = await campaigner.get(campaign_id)
    assert (view.recipients.total, view.recipients.unfinished) == (2, 1)
    with pytest.raises(ConflictError, match="import the same file again"):
        await campaigner.campaigns.start(campaign_id)
    report = await campaigner.house.engine.audiences.take(
        campaign_id, path, progress=lambda *told: seen.append(told)
    )
    assert told(report) == (5, 5, 0, 0)
    assert seen[-1][0] == seen[-1][1] > 0


# ---------------------------------------------------------------- which campaigns


async def test_audience_grows_only_while_nothing_of_the_campaign_is_sent(campaigner):
    with pytest.raises(NotFoundError):
        await campaigner.take("nowhere", f"phone\n{number(1)}")
    campaign_id = await campaigner.running(2, throttle="1/1s")
    with pytest.raises(ConflictError, match="pause"):
        await campaigner.take(campaign_id, f"phone\n{number(7)}")
    await campaigner.campaigns.pause(campaign_id)
    assert told(await campaigner.take(campaign_id, f"phone\n{number(8)}")) == (1, 1, 0, 0)
    await campaigner.campaigns.resume(campaign_id)
    for _ in range(4):
        await campaigner.house.advance(1)
    assert campaigner.sent_to() == [number(0), number(1), number(8)]
    await campaigner.house.settle()
    with pytest.raises(ConflictError, match="finished"):
        await campaigner.take(campaign_id, f"phone\n{number(9)}")


async def test_start_in_the_middle_of_an_import_breaks_it_off_loudly(campaigner, monkeypatch):
    monkeypatch.setattr(audience_rows, "CHUNK", 2)
    campaign_id = await campaigner.create()
    path = campaigner.file("phone\n" + "\n".join(map(number, range(5))))
    audiences, started = campaigner.house.engine.audiences, []
    lock = campaigns.lock

    async def start_before_the_second(connection, campaign_id):
        started.append(campaign_id)
        if len(started) == 2:
            await connection.exec_driver_sql("UPDATE campaigns SET status = 'running'")
        return await lock(connection, campaign_id)

    monkeypatch.setattr(campaigns, "lock", start_before_the_second)
    with pytest.raises(ConflictError, match="pause it first"):
        await audiences.take(campaign_id, path)
    assert len(await campaigner.audience(campaign_id)) == 2
