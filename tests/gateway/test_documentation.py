"""The pages about configuration, API and errors leave nothing out and make nothing up."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from recado_core import Capabilities
from recado_core.engine.accounts.account import AccountView
from recado_core.engine.deliver.sinks import SinkView
from recado_core.engine.readiness import Component
from recado_core.engine.settings import (
    DEFAULT_LANGUAGES,
    AccountSettings,
    CheckSettings,
    DoNotDisturbSettings,
    LanguageSettings,
    LimitSettings,
    OptOutSettings,
    QuietHoursSettings,
    RouteMatch,
    RouteSettings,
    ScheduleSettings,
    SinkSettings,
    SuppressionSettings,
)
from recado_core.engine.suppressions.import_rows import ENTRY_COLUMNS
from recado_gateway.api import HANDLERS
from recado_gateway.endpoints import OPTION
from recado_gateway.metrics import Figures
from recado_gateway.problems import all_kinds
from recado_gateway.settings import GatewayTable
from recado_gateway.uploads import CSV_TYPES

COMPONENTS = [Component(name="database", ok=True, detail="answers")]
ACCOUNTS = [
    AccountView(
        name="main",
        provider="probe",
        channels=["sms"],
        status="active",
        reason=None,
        paused_at=None,
        rate="500/60s",
        concurrency=1,
        batch_size=1,
        capabilities=Capabilities(),
        queued=0,
        balance=Decimal("12.50"),
        balance_at=datetime(2030, 1, 1, tzinfo=UTC),
        balance_threshold=Decimal(20),
        balance_low=True,
        calls_limit=500,
        calls_left=499,
    )
]
SINKS = [
    SinkView(
        name="desk",
        kind="desk",
        status="up",
        reason=None,
        pending=0,
        dead=0,
        lag=0.0,
        delivered_at=None,
    )
]
DOCS = Path(__file__).parents[2] / "docs"


def rows(name, section=None):
    """Return the cells of every row of the tables on a page, or in one section of it."""
    text = (DOCS / name).read_text(encoding="utf-8")
    if section:
        _, _, text = text.partition(f"\n## {section}\n")
        text, _, _ = text.partition("\n## ")
    found = re.findall(r"^\| (`.+)\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in found]


def fields(kind):
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("`[gateway]`", GatewayTable),
        ("`[accounts.NAME]`", AccountSettings),
        ("`[[routes]]`", RouteSettings),
        ("`[sinks.NAME]`", SinkSettings),
        ("`[suppressions]`", SuppressionSettings),
        ("`[do_not_disturb]`", DoNotDisturbSettings),
        ("`[quiet_hours]`", QuietHoursSettings),
        ("`[limits]`", LimitSettings),
        ("`[opt_out]`", OptOutSettings),
        ("`[schedules]`", ScheduleSettings),
        ("`[checks.ID]`", CheckSettings),
    ],
)
def test_every_key_has_its_row(section, kind):
    known = set(fields(kind)) - {"own"}
    assert {row[0].strip("`") for row in rows("configuration.md", section)} == known


@pytest.mark.parametrize(
    ("section", "kind"), [("`[gateway]`", GatewayTable), ("`[sinks.NAME]`", SinkSettings)]
)
def test_defaults_are_as_written(section, kind):
    for key, default, *_ in rows("configuration.md", section):
        field = fields(kind)[key.strip("`")]
        if default == "needed":
            assert field.required, key
            continue
        value = field.default
        written = "none" if value is None else f"`{msgspec.json.encode(value).decode()}`"
        assert default.replace(" ", "").replace(".0", "") == written.replace(" ", "").replace(
            ".0", ""
        ), key


def test_every_key_and_word_of_a_language_is_written():
    found = rows("configuration.md", "`[opt_out.languages.NAME]`")
    named = {row[0].strip("`"): row for row in found}
    assert set(named) == set(fields(LanguageSettings)) | set(DEFAULT_LANGUAGES)
    for name, language in DEFAULT_LANGUAGES.items():
        assert named[name][1:3] == [", ".join(language.stop), ", ".join(language.start)]


def test_every_match_of_a_route_is_named():
    (row,) = [row for row in rows("configuration.md", "`[[routes]]`") if row[0] == "`match`"]
    assert all(f"`{name}`" in row[2] for name in fields(RouteMatch))


def test_every_kind_of_problem_has_its_row():
    written = {(row[0].strip("`"), row[1]) for row in rows("errors.md") if "/problems" in row[0]}
    assert written == {(kind.type, str(kind.status)) for kind in all_kinds()}


def test_every_call_has_its_row_with_its_scope():
    written = {row[0].strip("`"): row[1].strip("`") for row in rows("http-api.md", "Calls")}
    declared = {
        f"{method} {re.sub(r':(?:str|path)', '', path)}": handler.opt[OPTION].scope
        for handler in HANDLERS
        for method in handler.http_methods
        for path in handler.paths
    }
    assert set(written) == set(declared)
    assert all(scope in {None, written[call]} for call, scope in declared.items())


def test_every_column_of_a_file_is_written():
    text = (DOCS / "http-api.md").read_text(encoding="utf-8")
    section = text.partition("\n## Files\n")[2].partition("\n## ")[0]
    written = set(re.findall(r"`([^`\n]+)`", section.replace("```", "")))
    aliases = {alias for names in ENTRY_COLUMNS.aliases.values() for alias in names}
    assert aliases | set(ENTRY_COLUMNS.aliases) <= written
    assert set(CSV_TYPES) <= written


def test_every_metric_has_its_row_with_its_labels():
    text = (DOCS / "operations.md").read_text(encoding="utf-8").partition("### Metrics")[2]
    rows = re.findall(r"^\| `(recado_\w+)` \| `(\w+(?:`, `\w+)*)` \|", text, re.MULTILINE)
    written = {name: labels.replace("`, `", " ") for name, labels in rows}
    families = list(Figures(COMPONENTS, ACCOUNTS, SINKS, {"main": {}}).collect())
    samples = [sample for family in families for sample in family.samples]
    assert written == {sample.name: " ".join(sample.labels) for sample in samples}
    assert len(families) == len(written) == len(rows)
