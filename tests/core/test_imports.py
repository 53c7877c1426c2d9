import asyncio
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import uuid_utils
from recado_core import Category, Secret, SuppressionReason
from recado_core.engine.channels import SmsChannel
from recado_core.engine.failures import DraftError, NotFoundError, UnavailableError
from recado_core.engine.files.delimited import CsvFaults
from recado_core.engine.settings import EngineSettings
from recado_core.engine.store import schema
from recado_core.engine.store.database import Database
from recado_core.engine.store.documents import Documents
from recado_core.engine.store.statements import do_not_disturb
from recado_core.engine.suppressions import imports
from recado_core.engine.suppressions.import_rows import EntryReader, ImportDefaults
from recado_core.engine.suppressions.imports import DoNotDisturbList, ImportReport, Imports
from recado_core.engine.suppressions.suppressing import Suppressing
from recado_core.engine.suppressions.suppressions import SuppressionFilter
from recado_core.testing import Clock
from recado_core.testing.clock import MONDAY_NOON

pytestmark = pytest.mark.whole

ANA, BIA = "+5511900000001", "+5511900000002"
CPF = "123.456.789-09"
SECRET = Secret("a-key-of-nobody")

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
"""For what is found in the file before any statement can be another one on PostgreSQL."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(imports, "CHUNK", 20)


@pytest.fixture
def file(tmp_path):
    """Write a file and return its path."""

    def written(content, encoding="utf-8"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return written


def address(index):
    return f"+55119{index:08d}"


def lines(indices, header="telefone", end=""):
    return header + "\n" + "".join(f"{address(index)}{end}\n" for index in indices)


def report(rows, added=0, changed=0, unchanged=0):
    return ImportReport(rows=rows, added=added, changed=changed, unchanged=unchanged)


async def fetch(house, table, *order):
    async with house.database.read() as connection:
        found = await connection.execute(sa.select(table).order_by(*order or table.primary_key))
        return [dict(row) for row in found.mappings()]


async def suppressed(house):
    return [row["address"] for row in await fetch(house, schema.suppressions, "address")]


async def listed(house, indices=range(1000)):
    """Tell which addresses are on which list, as the check asks."""
    async with house.database.read() as connection:
        return await do_not_disturb.protected(connection, [address(index) for index in indices])


async def stored(house):
    """Count the addresses of every version, of lists or not."""
    counted = sa.select(schema.do_not_disturb.c.version, sa.func.count()).group_by("version")
    async with house.database.read() as connection:
        return {version: count for version, count in await connection.execute(counted)}  # noqa: C416


async def told(house):
    rows = await fetch(house, schema.events)
    return [row["data"] for row in rows if row["type"] == "suppression.added"]


# ---------------------------------------------------------------- what a row says


@pytest.fixture
def read():
    """Read one row as an entry: ``read(telefone=…)``; faults are raised."""

    def said(defaults=None, **cells):
        faults = CsvFaults()
        reader = EntryReader(
            {"sms": SmsChannel(), "letter": SmsChannel()},
            "BR",
            ZoneInfo("America/Sao_Paulo"),
            Documents(None, SECRET),
            defaults or ImportDefaults(),
            MONDAY_NOON,
        )
        entry = reader.read(7, cells, faults)
        assert (entry is None) is bool(faults)
        return entry or [(fault.line, fault.column, fault.detail) for fault in faults.kept]

    return said


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-01-31", datetime(2026, 2, 1, 3, tzinfo=UTC)),
        ("31/01/2026", datetime(2026, 2, 1, 3, tzinfo=UTC)),
        ("2026-01-05", datetime(2026, 1, 6, 3, tzinfo=UTC)),
        ("2026-01-31T09:00:00-05:00", datetime(2026, 1, 31, 14, tzinfo=UTC)),
        ("2026-01-31T09:00:00.5Z", datetime(2026, 1, 31, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31 09:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("31/01/2026 09:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_an_end_is_a_time_or_the_end_of_a_day_in_the_zone_of_the_gateway(read, text, end):
    assert read(address=ANA, expires_at=text).expires_at == end


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("31/02/2026", "must be a date or a time, like 2026-01-31, 31/01/2026 or"),
        ("01/31/2026", "must be a date"),
        ("2026", "must be a date"),
        ("2026-W05-1", "must be a date"),
        ("2026-01-31T25:00", "must be a date"),
        ("amanhã", "must be a date"),
        ("04/01/2026", "must be in the future"),
        ("2026-01-05T12:00:00Z", "must be in the future"),
        ("31/12/9999", "must be in the future, in the year 9998 at the latest"),
    ],
)
def test_an_end_that_is_over_or_no_time_is_a_fault(read, text, fault):
    [(line, column, detail)] = read(address=ANA, expires_at=text)
    assert (line, column) == (7, "expires_at")
    assert detail.startswith(fault)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((reason.value, reason) for reason in SuppressionReason),
        ("Opt-out", "opt_out"),
        ("DESCADASTRO", "opt_out"),
        ("Lista negra", "blacklist"),
        ("Não perturbe", "do_not_disturb"),
        ("Número inválido", "invalid"),
        ("reclamação", "complaint"),
    ],
)
def test_reasons_are_known_by_their_usual_words(read, text, reason):
    assert read(address=ANA, reason=text).reason == reason


@pytest.mark.parametrize(
    ("text", "category"),
    [("Marketing", "marketing"), ("transacional", "transactional"), ("OTP", "otp")],
)
def test_categories_are_known_by_their_usual_words(read, text, category):
    assert read(address=ANA, category=text).category == category


def test_every_fault_of_a_row_is_named_with_its_column(read):
    cells = {
        "address": "123",
        "document": "12345678900",
        "category": "spam",
        "reason": "+5511900000001",
        "source": "a\tb",
    }
    found = read(**cells)
    assert [column for _, column, _ in found] == [
        "category",
        "reason",
        "source",
        "address",
        "document",
    ]
    shown = " ".join(detail for _, _, detail in found)
    assert "there is opt_out, blacklist" in shown
    assert "there is transactional, marketing, otp" in shown
    assert "900000001" not in shown
    assert "12345678900" not in shown


def test_address_of_an_unknown_channel_is_not_judged(read):
    [(_, column, detail)] = read(address="a@example.com", channel="email")
    assert (column, detail) == ("channel", "unknown; there is letter, sms")


def test_a_row_wins_over_the_defaults(read):
    later = MONDAY_NOON + timedelta(days=1)
    defaults = ImportDefaults(channel="sms", category=Category.OTP, source="crm", expires_at=later)
    left = read(defaults, address=ANA, channel="", category="", source="")
    assert (left.channel, left.category, left.reason) == ("sms", "otp", "manual")
    assert (left.source, left.expires_at) == ("crm", later)
    said = read(defaults, address=ANA, channel="Letter", category="marketing", source="fax")
    assert (said.channel, said.category, said.source) == ("letter", "marketing", "fax")


def test_an_address_longer_than_there_is_room_for_is_a_fault():
    class Letter(SmsChannel):
        def normalise_address(self, address, region):  # noqa: ARG002  # as declared
            return address

    reader = EntryReader(
        {"letter": Letter()}, "BR", UTC, None, ImportDefaults(channel="letter"), MONDAY_NOON
    )
    faults = CsvFaults()
    assert reader.read(1, {"address": "a" * 320}, faults).address == "a" * 320
    assert reader.read(2, {"address": "a" * 321}, faults) is None
    assert [(fault.line, fault.column) for fault in faults.kept] == [(2, "address")]


# ---------------------------------------------------------------- the suppression list


async def test_rows_become_entries_of_the_suppression_list(house, file):
    content = (
        "Celular;CPF;Canal;Categoria;Motivo;Origem;Validade\n"
        f"(11) 90000-0002;;;;;;\n11900000001;{CPF};SMS;marketing;reclamação;sac;31/12/2026\n"
    )
    done = await house.engine.imports.suppressions(file(content), ImportDefaults())
    assert done == report(2, added=2)
    ana, bia = await fetch(house, schema.suppressions, "address")
    assert (ana["address"], ana["channel"], ana["category"]) == (ANA, "sms", "marketing")
    assert (ana["reason"], ana["source"]) == ("complaint", "sac")
    assert ana["expires_at"] == datetime(2027, 1, 1, 3, tzinfo=UTC)
    assert (bia["address"], bia["channel"], bia["category"]) == (BIA, "", "")
    assert (bia["reason"], bia["source"], bia["expires_at"]) == ("manual", "import", None)
    assert bia["document_hash"] == ""
    page = await house.engine.suppressions.list(SuppressionFilter(document=CPF))
    assert [item.address for item in page.items] == [ANA]


async def test_a_document_alone_suppresses_the_person_at_any_address(house, file):
    done = await house.engine.imports.suppressions(file(f"documento\n{CPF}\n"), ImportDefaults())
    assert done == report(1, added=1)
    page = await house.engine.suppressions.list(SuppressionFilter(document=CPF))
    assert [(item.address, item.by_document) for item in page.items] == [(None, True)]


@on_sqlite
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("número;motivo\n(11) 90000-0001;reclamação\n", "cp1252"),
        ("Número,Motivo\n+5511900000001,Reclamação\n", "utf-8-sig"),
        ("NÚMERO\tMOTIVO\r\n11900000001\tRECLAMAÇÃO\r\n", "utf-16"),
        ('sep=|\n"número"|"motivo"\n"0 11 90000-0001"|"reclamação"\n', "utf-8"),
    ],
)
async def test_any_encoding_and_delimiter_is_read(house, file, content, encoding):
    path = file(content, encoding)
    assert await house.engine.imports.suppressions(path, ImportDefaults()) == report(1, added=1)
    [entry] = await fetch(house, schema.suppressions)
    assert (entry["address"], entry["reason"]) == (ANA, "complaint")


async def test_without_a_header_the_only_column_is_the_address(house, file):
    await house.engine.imports.suppressions(file("11900000001\n11900000002"), ImportDefaults())
    assert await suppressed(house) == [ANA, BIA]


async def test_a_file_with_a_header_alone_adds_nothing(house, file):
    done = await house.engine.imports.suppressions(file("telefone\n"), ImportDefaults())
    assert done == report(0)
    assert await told(house) == []


LATE = 130  # the line of the row that is broken, chunks after the first
BROKEN = [
    ("telefone", "0011", "/130/address", "line 130, column address: this is no number"),
    ("telefone", "5,51199E+12", "/130/address", "line 130, column address: a number can't hold"),
    ("telefone;cpf", f"{ANA};1", "/130/document", "line 130, column document: is not a CPF"),
    ("cpf;telefone;motivo", ";;spam", "/130/address", "line 130, column address: it is empty"),
    ("telefone;canal", f"{ANA};fax", "/130/channel", "line 130, column channel: unknown; there is"),
    ("telefone;motivo", f"{ANA};oi", "/130/reason", "line 130, column reason: unknown: 'oi'; ther"),
    ("telefone;categoria", f"{ANA};oi", "/130/category", "line 130, column category: unknown: "),
    ("telefone;validade", f"{ANA};2025-01-01", "/130/expires_at", "line 130, column expires_at: m"),
    ("telefone;origem", f"{ANA};{'a' * 121}", "/130/source", "line 130, column source: must have"),
    ("telefone;origem", f"{ANA};{'a' * 1001}", "/130/source", "line 130, column source: the cell"),
    ("telefone;origem", f"{ANA};sac;x", "/130", "line 130: the row has 3 cells for 2 columns"),
    ("telefone;origem", f'{ANA};"sac', "/130", "line 130: a quote is never closed"),
    ("telefone;origem", f"{ANA};s\0ac", "/130", "line 130: there is a zero byte"),
]


@on_sqlite
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[2])
async def test_a_broken_file_names_line_and_column_and_changes_nothing(house, file, broken):
    header, row, pointer, detail = broken
    before = file(f"telefone\n{ANA}\n")
    await house.engine.imports.suppressions(before, ImportDefaults())
    found = [await fetch(house, table) for table in (schema.suppressions, schema.events)]
    first = header.startswith("telefone")
    good = [f"{'' if first else ';'}{address(index)}" for index in range(LATE + 100)]
    content = "\n".join([header, *good[: LATE - 2], row, *good[LATE - 1 :]])
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.suppressions(file(content), ImportDefaults())
    [fault] = raised.value.faults
    assert fault.pointer == pointer
    assert fault.detail.startswith(detail)
    assert found == [await fetch(house, table) for table in (schema.suppressions, schema.events)]


@on_sqlite
@pytest.mark.parametrize(
    ("content", "pointer", "detail"),
    [
        ("", "/1", "line 1: the file is empty"),
        ("\n\nsep=;\n", "/3/address", "line 3, column address: a number can't hold 's'"),
        ("\ntelefone;nome\n1;2\n", "/2/nome", "line 2, column nome: unknown column 'nome'"),
        ("telefone;a/b~c\n1;2\n", "/1/a~1b~0c", "line 1, column a/b~c: unknown column"),
        ("sep=;\nmotivo;origem\nspam;x\n", "/2/address", "line 2, column address: give this"),
        ("telefone;celular\n1;2\n", "/1/celular", "line 1, column celular: a second column"),
        (b"telefone\n11900000001\n\x81\n", "/3", "line 3: the text is neither UTF-8 nor"),
    ],
)
async def test_a_file_without_its_columns_is_refused(house, file, content, pointer, detail):
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.suppressions(file(content), ImportDefaults())
    assert raised.value.faults[0].pointer == pointer
    assert raised.value.faults[0].detail.startswith(detail)
    assert await suppressed(house) == []


async def test_a_hundred_faults_are_named_in_their_order_and_the_rest_counted(house, file):
    content = "telefone;motivo\n" + f"{ANA};spam\n1190;spam\n{ANA};oi\n" * 60
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.suppressions(file(content), ImportDefaults())
    pointers = [fault.pointer for fault in raised.value.faults]
    wrong = [line for line in range(2, 182) if line % 3 != 2]
    columns = {0: "address", 1: "reason"}
    assert pointers == [f"/{line}/{columns[line % 3]}" for line in wrong[:100]]
    assert raised.value.faults[-1].detail.endswith("; and there are 20 more faults")


async def test_no_fault_shows_a_number(house, file):
    content = "telefone;motivo\n55119000000012345;spam\n+5511900000001;11900000002\n"
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.suppressions(file(content), ImportDefaults())
    assert len(raised.value.faults) == 2
    assert "90000" not in str(raised.value)


async def test_defaults_that_make_no_sense_are_named(house, file):
    defaults = ImportDefaults(channel="fax", source="", expires_at=house.clock.now())
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.suppressions(file(lines([1])), defaults)
    assert [fault.pointer for fault in raised.value.faults] == [
        "/channel",
        "/source",
        "/expires_at",
    ]
    assert await suppressed(house) == []


async def test_repeats_in_a_file_are_one_entry_that_lasts_as_long_as_the_longest(house, file):
    ends = ["2026-03-01T00:00Z", "2026-05-01T00:00Z", "2026-04-01T00:00Z"]
    content = "telefone;validade\n"
    content += "".join(f"{ANA};{end}\n" for end in ends)  # in one chunk
    content += "".join(f"{address(index)};\n" for index in range(100, 130))
    content += "".join(f"(11) 90000-0001;{end}\n" for end in ends)  # in another
    content += f"{BIA};{ends[0]}\n{BIA};\n{BIA};{ends[1]}\n"
    done = await house.engine.imports.suppressions(file(content), ImportDefaults())
    assert done == report(39, added=32, unchanged=7)
    ana, bia, *_ = await fetch(house, schema.suppressions, "address")
    assert (ana["address"], ana["expires_at"]) == (ANA, datetime(2026, 5, 1, tzinfo=UTC))
    assert (bia["address"], bia["expires_at"]) == (BIA, None)


async def test_a_second_import_changes_only_what_lasts_longer(house, file):
    path = file(lines(range(50)) + "")
    until = ImportDefaults(expires_at=house.clock.now() + timedelta(days=30))
    assert await house.engine.imports.suppressions(path, until) == report(50, added=50)
    again = await house.engine.imports.suppressions(path, until)
    assert again == report(50, unchanged=50)
    sooner = ImportDefaults(expires_at=house.clock.now() + timedelta(days=1))
    assert await house.engine.imports.suppressions(path, sooner) == report(50, unchanged=50)
    some = file("telefone\n" + f"{ANA}\n{address(99)}\n")
    done = await house.engine.imports.suppressions(some, ImportDefaults())
    assert done == report(2, added=1, changed=1)
    rows = await fetch(house, schema.suppressions, "address")
    assert len(rows) == 51
    assert [row["address"] for row in rows if row["expires_at"] is None] == [ANA, address(99)]


async def test_entries_that_are_over_are_added_again(house, file):
    soon = ImportDefaults(expires_at=house.clock.now() + timedelta(hours=1))
    await house.engine.imports.suppressions(file(lines([1, 2])), soon)
    house.clock.advance(3601)
    done = await house.engine.imports.suppressions(file(lines([2, 3])), ImportDefaults())
    assert done == report(2, added=2)


async def test_one_event_tells_of_a_whole_import(house, file):
    path = file(lines(range(45)))
    crm = ImportDefaults(source="crm")
    await house.engine.imports.suppressions(path, crm)
    await house.engine.imports.suppressions(path, crm)
    await house.engine.imports.suppressions(file(lines(range(40, 50))), ImportDefaults())
    assert await told(house) == [
        {"import": "crm", "rows": 45, "added": 45, "changed": 0, "unchanged": 0},
        {"import": "import", "rows": 10, "added": 5, "changed": 0, "unchanged": 5},
    ]


async def test_imported_opt_outs_are_in_the_history_of_consent(house, file):
    content = f"telefone;motivo;cpf\n{ANA};opt-out;\n{BIA};spam;\n;opt-out;{CPF}\n"
    for _ in range(2):
        await house.engine.imports.suppressions(file(content), ImportDefaults(source="crm"))
    history = (await house.engine.suppressions.history()).items
    assert [(each.address, each.act, each.source) for each in history] == [(ANA, "opt_out", "crm")]


# ---------------------------------------------------------------- do-not-disturb lists


async def test_a_list_is_replaced_whole(house, file):
    first = await house.engine.imports.do_not_disturb("procon", file(lines(range(50))))
    assert first == report(50, added=50)
    house.clock.advance(60)
    second = await house.engine.imports.do_not_disturb("procon", file(lines(range(40, 100))))
    assert second == report(60, added=50, unchanged=10)
    assert await listed(house) == {address(index): "procon" for index in range(40, 100)}
    [only] = await house.engine.imports.do_not_disturb_lists()
    assert only == DoNotDisturbList(name="procon", size=60, imported_at=house.clock.now())
    assert list((await stored(house)).values()) == [60]


async def test_a_list_holds_a_repeated_address_once(house, file):
    indices = [1, 1, *range(2, 60), 1, 59]
    done = await house.engine.imports.do_not_disturb("procon", file(lines(indices)))
    assert done == report(62, added=59, unchanged=3)
    assert (await house.engine.imports.do_not_disturb_lists())[0].size == 59
    again = await house.engine.imports.do_not_disturb("procon", file(lines(indices)))
    assert again == report(62, unchanged=62)


async def test_other_columns_of_a_list_are_not_looked_at(house, file):
    content = "Data;Telefone;Assinante\n01/01/2026;(11) 90000-0001;x\n;11900000002\n"
    await house.engine.imports.do_not_disturb("procon", file(content, "cp1252"))
    assert set(await listed(house)) == {ANA, BIA}
    await house.engine.imports.do_not_disturb("procon", file("11900000001,SP,2026\n"))
    assert set(await listed(house)) == {ANA}


async def test_a_list_protects_a_mobile_with_the_ninth_digit_and_without(house, file):
    content = "telefone\n1188887777\n11988886666\n1130000001\n"
    await house.engine.imports.do_not_disturb("procon", file(content))
    statuses = [
        await house.status(await house.accept(to=to, category=Category.MARKETING))
        for to in ("+5511988887777", "+551188886666", "+5511930000001")
    ]
    assert statuses == ["suppressed", "suppressed", "queued"]


BROKEN_LISTS = [
    ("", "/1", "line 1: the file is empty"),
    ("telefone\n", "", "there is no address in the file"),
    ("telefone\n\n\n", "", "there is no address in the file"),
    ("sep=;\n", "/1", "line 1: the file is empty"),
    ("nome;data\nx;y\n", "/1/address", "line 1, column address: a number can't hold"),
    ("sep=;\ntelefone;CPF\n1;2\n", "/2/document", "line 2, column document: a do-not-disturb"),
    (lines(range(200)) + "\n\n1190\n", "/204/address", "line 204, column address: 4 digits are"),
    (lines(range(200), "telefone;data") + f"{ANA};x;y", "/202", "line 202: the row has 3 cells"),
    (lines(range(200), "telefone;data", ";x") + ";x\n", "/202/address", "line 202, column address"),
    (lines(range(200)).encode() + b'"\n', "/202", "line 202: a quote is never closed"),
    (lines(range(200)).encode() + b"\x81\n", "/202", "line 202: the text is neither UTF-8"),
]


@pytest.mark.parametrize(("content", "pointer", "detail"), BROKEN_LISTS)
async def test_a_broken_file_leaves_the_list_as_it_was(house, file, content, pointer, detail):
    await house.engine.imports.do_not_disturb("procon", file(lines(range(30))))
    before = await stored(house)
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.do_not_disturb("procon", file(content))
    assert raised.value.faults[0].pointer == pointer
    assert raised.value.faults[0].detail.startswith(detail)
    assert len(await listed(house)) == 30
    assert await stored(house) == before


async def test_a_header_in_which_nothing_is_known_is_taken_for_one(house, file):
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.do_not_disturb("procon", file("linha\n11900000001\n"))
    assert [fault.pointer for fault in raised.value.faults] == ["/1/address", "/1"]
    assert "is this a header?" in raised.value.faults[1].detail


@on_sqlite
@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "é", "a/b", "a\n", "a\0"])
async def test_a_list_needs_a_plain_name(house, file, name):
    with pytest.raises(DraftError) as raised:
        await house.engine.imports.do_not_disturb(name, file(lines([1])))
    assert [fault.pointer for fault in raised.value.faults] == ["/name"]
    with pytest.raises(NotFoundError):
        await house.engine.imports.delete_do_not_disturb(name)


async def test_a_list_is_deleted_and_no_other(house, file):
    for name in ("procon", "Anatel_2"):
        await house.engine.imports.do_not_disturb(name, file(lines(range(50))))
    await house.engine.imports.delete_do_not_disturb("procon")
    assert set((await listed(house)).values()) == {"Anatel_2"}
    assert [each.name for each in await house.engine.imports.do_not_disturb_lists()] == ["Anatel_2"]
    assert list((await stored(house)).values()) == [50]
    with pytest.raises(NotFoundError):
        await house.engine.imports.delete_do_not_disturb("procon")


async def test_whoever_checks_meanwhile_sees_the_old_list_or_the_new_one(house, file, monkeypatch):
    old, new = range(300), range(200, 700)
    await house.engine.imports.do_not_disturb("procon", file(lines(old)))
    insert, during, seen = do_not_disturb.insert, [], []

    async def insert_and_look(connection, version, addresses):
        count = await insert(connection, version, addresses)
        during.append(frozenset(await listed(house)))
        return count

    async def look():
        while True:
            seen.append(frozenset(await listed(house)))

    monkeypatch.setattr(do_not_disturb, "insert", insert_and_look)
    looking = asyncio.create_task(look())
    await house.engine.imports.do_not_disturb("procon", file(lines(new)))
    seen.append(frozenset(await listed(house)))
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    either = [frozenset(map(address, old)), frozenset(map(address, new))]
    assert set(during) == {either[0]}
    assert set(seen) <= set(either)
    order = [either.index(found) for found in seen]
    assert order == sorted(order), "the old list came back"
    assert seen[-1] == either[1]


async def test_what_broken_imports_have_left_is_cleared_away_after_a_day(house, file):
    now = house.clock.now().timestamp()
    ages = {"old": 24.1, "young": 23.9, "standing": 100}
    versions = {
        name: str(uuid_utils.uuid7(nanoseconds=int((now - hours * 3600) * 1e9)))
        for name, hours in ages.items()
    }
    addresses = [address(index) for index in range(50)]
    async with house.database.transaction() as connection:
        for version in versions.values():
            await do_not_disturb.insert(connection, version, addresses)
        await do_not_disturb.replace(
            connection, "standing", versions["standing"], 50, house.clock.now()
        )
    await house.engine.imports.do_not_disturb("procon", file(lines([1])))
    left = await stored(house)
    assert versions["old"] not in left
    assert left[versions["young"]] == left[versions["standing"]] == 50


async def test_a_list_is_replaced_also_where_the_old_one_can_not_be_cleared_away(
    house, file, monkeypatch, caplog
):
    await house.engine.imports.do_not_disturb("procon", file(lines([1])))

    async def fail(*_, **__):
        raise UnavailableError("gone")

    monkeypatch.setattr(do_not_disturb, "clear_away", fail)
    done = await house.engine.imports.do_not_disturb("procon", file(lines([2])))
    assert done == report(1, added=1)
    assert set(await listed(house)) == {BIA}
    assert "deleted by a later import" in caplog.text


# ---------------------------------------------------------------- both


@pytest.fixture(params=["suppressions", "do_not_disturb"])
def take(house, request):
    """Import a file, either way: ``await take(path, progress)``."""

    async def taken(path, progress=None):
        if request.param == "suppressions":
            return await house.engine.imports.suppressions(path, ImportDefaults(), progress)
        return await house.engine.imports.do_not_disturb("procon", path, progress)

    async def found():
        if request.param == "suppressions":
            return set(await suppressed(house))
        return set(await listed(house))

    taken.found = found
    taken.at_once = request.param == "do_not_disturb"
    return taken


@pytest.mark.parametrize("rows", [1, 19, 20, 21, 100])
async def test_progress_never_goes_back_and_ends_at_the_total(take, file, rows):
    path = file(lines(range(rows)))
    size = path.stat().st_size
    steps = []
    await take(path, lambda done, total: steps.append((done, total)))
    done = [step[0] for step in steps]
    assert {total for _, total in steps} == {2 * size}
    assert done == sorted(done)
    assert size in done
    assert done[-1] == 2 * size
    assert len(done) == 2 * (rows // 20 + 1)


class Broken(Exception):  # noqa: N818  # what happened, not what it is
    """Something failed."""


def at_step(number, act):
    """Return a progress that acts when it is told for the time of this number."""
    steps = count(1)
    return lambda *_: act() if next(steps) == number else None


@pytest.mark.parametrize("how", ["cancel", "fail"])
@pytest.mark.parametrize("step", [5, 16])  # while it is checked, and while it is written
async def test_an_import_that_breaks_off_is_made_whole_by_the_next(take, file, how, step):
    path = file(lines(range(200)))  # 10 chunks and an empty one
    await take(file(lines([500])))

    def stop():
        if how == "fail":
            raise Broken
        running.cancel()

    running = asyncio.create_task(take(path, at_step(step, stop)))
    with pytest.raises((Broken, asyncio.CancelledError)):
        await running
    written = 0 if take.at_once or step == 5 else 100
    assert await take.found() == {address(index) for index in (*range(written), 500)}
    whole = {address(index) for index in range(200)}
    done = await take(path)
    assert await take.found() == (whole if take.at_once else whole | {address(500)})
    assert (done.rows, done.added) == (200, 200 - written)


CHANGED = {
    "shorter": lines(range(60)),
    "longer": lines(range(180)),
    "no rows": "telefone\n",
    "empty": "",
    "other columns": "fax;x\n1",
    "broken": lines(range(119)) + "1190\n",
}


@on_sqlite
@pytest.mark.parametrize("after", CHANGED.values(), ids=CHANGED)
async def test_a_file_that_changes_meanwhile_is_not_taken_for_the_whole(take, file, after):
    await take(file(lines([500])))
    path = file(lines(range(130)))  # 6 chunks and a half
    with pytest.raises(DraftError):
        await take(path, at_step(7, lambda: path.write_text(after)))
    if take.at_once:
        assert await take.found() == {address(500)}


async def test_others_write_while_a_file_is_imported(take, house, file):
    writing = asyncio.Event()
    steps = []

    def tell(*_):
        steps.append(_)
        if len(steps) > 51:  # all is checked
            writing.set()

    running = asyncio.create_task(take(file(lines(range(1000))), tell))
    await writing.wait()
    await house.accept()
    assert len(steps) < 2 * 51
    await running


async def test_rows_are_read_outside_of_the_event_loop(take, house, file):
    threads = set()

    class Watched(SmsChannel):
        def normalise_address(self, address, region):
            threads.add(threading.current_thread())
            return super().normalise_address(address, region)

    house.engine.plugins.channels["sms"] = Watched()
    await take(file(lines(range(100))))
    assert threads
    assert threading.main_thread() not in threads


async def test_two_imports_of_one_file_at_the_same_time_do_no_harm(take, file):
    path = file(lines(range(300)))
    done = await asyncio.gather(take(path), take(path))
    assert await take.found() == {address(index) for index in range(300)}
    assert {each.rows for each in done} == {300}


async def test_memory_does_not_grow_with_the_file(take, file, monkeypatch):
    monkeypatch.setattr(imports, "CHUNK", 1000)
    few = file(lines(range(2500)))
    many = file(lines(range(10_000)))
    await take(file(lines(range(1001))))  # what is made once and kept is made now
    peaks = {}
    for path in (few, many):
        tracemalloc.start()
        try:
            await take(path)
            peaks[path] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # What the collector has not taken yet comes to a megabyte or so; the rows alone would be ten.
    assert peaks[many] < peaks[few] + 2_000_000
    assert peaks[many] < 4_000_000


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_database_that_is_away_is_said_to_be(file, tmp_path, kind):
    urls = {
        "sqlite": f"sqlite+aiosqlite:///{tmp_path}/none/recado.db",
        "postgres": f"postgresql+asyncpg://recado@/recado?host={tmp_path}&port=5432",
    }
    database = Database(urls[kind])
    settings = EngineSettings(database=urls[kind])
    away = Imports(
        {"sms": SmsChannel()},
        settings,
        database,
        Documents(database, SECRET),
        Suppressing(settings, {}),
        Clock().now,
    )
    path = file(lines(range(100)))
    for call in (
        away.suppressions(path, ImportDefaults()),
        away.do_not_disturb("procon", path),
        away.do_not_disturb_lists(),
        away.delete_do_not_disturb("procon"),
    ):
        with pytest.raises(UnavailableError):
            await call
    await database.close()
