"""docs/conformance-kit.md names what the kit has, and its Python runs."""

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from recado_core import testing
from recado_core.testing import CheckConformance, ProviderConformance, SinkConformance
from recado_core.testing.provider_stage import COMMON_KEYS
from recado_core.testing.stage import Stage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance-kit.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
KITS = (ProviderConformance, SinkConformance, CheckConformance)


def run_blocks(monkeypatch):
    """Execute the page's blocks in one module; return the test classes that they make."""
    example = ModuleType("recado_example")
    example.register_providers = example.register_sinks = lambda: [SimpleNamespace(events=())]
    checks = ModuleType("recado_example.checks")
    checks.SchoolDay = object
    monkeypatch.setitem(sys.modules, "recado_example", example)
    monkeypatch.setitem(sys.modules, "recado_example.checks", checks)
    names, classes = {"__name__": "conformance_kit_page"}, []
    for block in BLOCKS:
        above = TEXT[: TEXT.index(block)].count("\n")  # an error names the page's line
        exec(compile("\n" * above + block, PAGE, "exec"), names)  # noqa: S102  # our own page
        classes += [names.pop("TestConformance")] if "TestConformance" in names else []
    return classes


def test_page_overrides_only_what_the_kit_has(monkeypatch):
    classes = run_blocks(monkeypatch)
    assert {kit for kit in KITS if any(issubclass(mine, kit) for mine in classes)} == set(KITS)
    for mine in classes:
        given = {name for name in vars(mine) if not name.startswith("__")}
        assert given <= known(mine.__base__)
        for test in getattr(mine, "excused", {}):
            assert hasattr(mine, test.partition("[")[0])


def known(kit):
    """Return the attributes of a class, those without a value included."""
    return {name for part in kit.__mro__ for name in (*vars(part), *inspect.get_annotations(part))}


def find_rows(heading, *, until):
    """Return the names in code style in the first cells of a section's tables."""
    start = TEXT.index(heading)
    section = TEXT[start : TEXT.index(until, start + len(heading))]
    cells = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)", cell)}


@pytest.mark.parametrize(
    ("kit", "heading", "until"),
    [
        (ProviderConformance, "### What you give", "### Payloads"),
        (SinkConformance, "## A sink", "## A check"),
        (CheckConformance, "## A check", "## Excuses"),
    ],
)
def test_tables_name_attributes_of_the_kit(kit, heading, until):
    named = find_rows(heading, until=until)
    assert named
    assert named <= known(kit)


def test_everything_that_raises_until_it_is_given_is_on_the_page():
    named = find_rows("### What you give", until="### Payloads")
    stage = ProviderConformance()
    for method, arguments in {
        "accepted": [None],
        "rejected": [None],
        "listed": [None],
        "lookup_found": [None],
        "lookup_missing": [],
        "statuses_told": [None],
        "replies_told": [],
        "reply_told_again": [],
        "suppressed": [None],
        "unsuppressed": [None],
        "balance_told": [],
        "credentials_confirmed": [],
    }.items():
        with pytest.raises(NotImplementedError):
            getattr(stage, method)(*arguments)
        assert method in named
    assert vars(Stage)["settings"] == {}


def test_common_keys_are_listed():
    section = TEXT[TEXT.index("### Settings") : TEXT.index("### What is tested")]
    assert set(re.findall(r"`(\w+)`", section)) >= COMMON_KEYS


def test_everything_public_is_on_the_page():
    for name in set(testing.__all__):
        assert f"`{name}" in TEXT
