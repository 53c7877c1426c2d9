import asyncio
import importlib
import inspect
import itertools
import logging
import os
import shutil
import subprocess
import sys
import threading
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from recado_core import Operation, ProviderType, SinkType
from recado_core.testing import CheckConformance, ProviderConformance, SinkConformance
from recado_core.testing.stage import Stage

STRANGER = Path(__file__).parent / "conformance_kit"
"""Plugins of somebody who has the core and no checkout: copied out, and imported from here."""

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "anyio", "-q"]

LOCK = """
import sys

BLOCKED = {blocked!r}

class Lock:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED or name.startswith("recado_core.engine"):
            raise ImportError(f"a stranger has no {{name}}")

sys.meta_path.insert(0, Lock())
"""


def load(name):
    """Import a module of the stranger's folder by its own name."""
    sys.path.insert(0, str(STRANGER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(STRANGER))


ROOMS = (
    "sending",
    "conduct",
    "questions",
    "replies",
    "suppression",
    "jobs",
    "operations",
    "webhooks",
)
BROKEN = [
    value
    for name in (*(f"broken_{room}" for room in ROOMS), "toy_sink", "toy_check")
    for value in vars(load(name)).values()
    if hasattr(value, "breaks")
]


def find_tests(kit):
    return {name for name in dir(kit) if name.startswith("test_")}


def find_arguments(kit, test):
    """Return the arguments of every run of a test, as pytest would make them."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    choices = [[{mark.args[0]: value} for value in mark.args[1]] for mark in marks]
    if "payload" in inspect.signature(test).parameters:
        choices.append([{"payload": name} for name in kit.webhooks])
    if "event_type" in inspect.signature(test).parameters:
        choices.append([{"event_type": name} for name in kit.sink_type.events])
    for chosen in itertools.product(*choices):
        yield {name: value for one in chosen for name, value in one.items()}


async def fails(kit, name):
    """Tell whether any run of a test fails; pytest itself would take four times as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [])  # pytest's would write every record down
        return await _fails(kit, name)


async def _fails(kit, name):
    for arguments in find_arguments(kit, getattr(kit, name)):
        try:
            outcome = getattr(kit(), name)(**arguments)
            if inspect.isawaitable(outcome):
                await outcome
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  # as pytest sees it
            return True
    return False


# ---------------------------------------------------------------- one fault at a time


def find_changes(broken, good):
    """Return the names of the functions that a class has of its own; None: it changes more."""
    own = vars(broken).keys() - {"__module__", "__doc__", "__parameters__", "breaks"}
    return join([find_changed(vars(broken)[name], getattr(good, name, None)) for name in own])


def find_changed(value, before):
    """Return the names of the functions that differ in a value from the one before, or None."""
    if type(value) is type(before) and value == before:
        return set()
    if is_strangers(value) and is_strangers(before):
        return {before.__code__.co_name}
    if isinstance(value, type) and isinstance(before, type) and issubclass(value, before):
        lineage = value.__mro__[: value.__mro__.index(before)]
        return join([find_changes(one, before) for one in lineage])
    if isinstance(value, tuple) and isinstance(before, tuple) and len(value) == len(before):
        return join([find_changed(*each) for each in zip(value, before, strict=True)])
    if isinstance(value, ProviderType | SinkType | Operation) and type(value) is type(before):
        fields = value.__struct_fields__
        return join([find_changed(getattr(value, f), getattr(before, f)) for f in fields])
    return None


def is_strangers(value):
    """Tell whether a value is a function in the stranger's folder."""
    return inspect.isfunction(value) and value.__code__.co_filename.startswith(str(STRANGER))


def join(found):
    return None if None in found else set().union(*found)


@pytest.fixture(scope="module")
def called():
    """The names of the stranger's functions that each test calls where nothing is wrong."""
    return {}


async def find_called(kit, name):
    """Return the names of the stranger's functions that a test calls."""
    names = set()

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(str(STRANGER)):
            names.add(frame.f_code.co_name)

    Stage._seen.clear()  # noqa: SLF001  # what one test has seen would be called in no other
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        assert not await fails(kit, name)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return names


SAMPLE = 4
"""Of so many tests of other rooms, one is tried with each fault; every fault tries others."""


def find_near(kit):
    """Return the tests of the room of the one that a fault fails, and a sample of the others."""
    tests, room = find_tests(kit), getattr(kit, kit.breaks).__module__
    others = sorted(name for name in tests if getattr(kit, name).__module__ != room)
    return tests - {*others} | {*others[BROKEN.index(kit) % SAMPLE :: SAMPLE]}


@pytest.mark.parametrize("kit", BROKEN, ids=lambda kit: f"{kit.__module__}-{kit.__name__}")
async def test_a_fault_fails_its_own_test_and_no_other(kit, called):
    good = next(one for one in kit.__mro__ if not hasattr(one, "breaks"))
    changes = find_changes(kit, good)
    tests = find_near(kit)
    if changes is not None:  # a test that calls nothing of that goes as it does without the fault
        for name in tests:
            if (good, name) not in called:
                called[good, name] = await find_called(good, name)
        tests = {name for name in tests if called[good, name] & changes}
    assert {name for name in tests if await fails(kit, name)} == {kit.breaks}


@pytest.mark.parametrize("kit", [kit for kit in BROKEN if kit.__name__ == "TestBeacon"])
def test_a_connection_is_seen_on_pythons_own_event_loop_too(kit):
    assert asyncio.run(fails(kit, kit.breaks))


@pytest.mark.parametrize("kit", [ProviderConformance, SinkConformance, CheckConformance])
def test_every_test_of_the_kit_can_fail(kit):
    found = {broken.breaks for broken in BROKEN if issubclass(broken, kit)}
    assert find_tests(kit) == found | {"test_the_kit_runs_whole"}


# ---------------------------------------------------------------- in a stranger's repository


def find_dependencies(name, extra=""):
    """Return the names of what a distribution needs, all the way down."""
    found = {canonicalize_name(name)}
    for text in requires(name) or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            found |= find_dependencies(need.name)
    return found


@pytest.fixture(scope="module")
def run_there(tmp_path_factory):
    """Run files of the stranger's, where nothing but ``recado-core[testing]`` can be imported."""
    allowed = find_dependencies("recado-core", "testing")
    blocked = {
        package
        for package, owners in packages_distributions().items()
        if not allowed & {canonicalize_name(owner) for owner in owners}
    }

    def run(*names, only=""):
        place = tmp_path_factory.mktemp("stranger")
        shutil.copytree(STRANGER, place, dirs_exist_ok=True)
        for name in names:
            (place / f"test_{name}.py").write_text((STRANGER / f"{name}.py").read_text())
        (place / "conftest.py").write_text(LOCK.format(blocked=blocked))
        strange = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        done = subprocess.run(
            [
                *PYTEST,
                "--junitxml=outcomes.xml",
                "-k",
                only,
                *(f"test_{name}.py" for name in names),
            ],
            cwd=place,
            env=strange | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done, read_outcomes(place / "outcomes.xml")

    return run


def read_outcomes(path):
    """Return (class, test) pairs by outcome."""
    outcomes = {"passed": set(), "failure": set(), "error": set(), "skipped": set()}
    for case in ET.parse(path).iter("testcase"):  # noqa: S314  # written by pytest
        told = next((child.tag for child in case if child.tag in outcomes), "passed")
        name = case.get("name").partition("[")[0]
        outcomes[told].add((case.get("classname").rpartition(".")[2], name))
    return outcomes


def test_a_good_plugin_passes_every_test_in_its_own_repository(run_there):
    done, outcomes = run_there("toy_conformance", "good_sink_and_check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not outcomes["failure"] | outcomes["error"]
    for name, kit in (
        ("TestConformance", ProviderConformance),
        ("TestSink", SinkConformance),
        ("TestCheck", CheckConformance),
    ):
        assert {test for mine, test in outcomes["passed"] if mine == name} == find_tests(kit)


@pytest.fixture(scope="module")
def excuses(run_there):
    excused = "runs_whole or unharmed or balance_is_read or transient_answer"
    return run_there("excuses", only=f"{excused} or TestBare")


def test_no_test_can_be_replaced_and_no_excuse_outlives_its_reason(excuses):
    done, outcomes = excuses
    assert outcomes["failure"] == {
        ("TestReplaced", "test_the_kit_runs_whole"),
        ("TestExcusedForNothing", "test_the_kit_runs_whole"),
        ("TestExcusedWithoutReason", "test_the_kit_runs_whole"),
        ("TestExcusedAndFine", "test_balance_is_read"),
    }, done.stdout + done.stderr
    assert not outcomes["error"]


def test_failing_asserts_tell_what_they_saw(excuses):
    done, _ = excuses
    assert "AssertionError: test_text_goes_out_unharmed is replaced" in done.stdout
    assert "assert []" in done.stdout  # only a rewritten assert shows its value


def test_a_check_that_puts_nobody_off_skips_what_is_about_deferrals(excuses):
    _, outcomes = excuses
    skipped = {test for mine, test in outcomes["skipped"] if mine == "TestBareCheck"}
    passed = {test for mine, test in outcomes["passed"] if mine == "TestBareCheck"}
    assert skipped == {"test_deferral_says_why_and_until_when", "test_deferral_ends_when_it_says"}
    assert skipped | passed == find_tests(CheckConformance)


def test_a_provider_that_only_sends_skips_what_it_does_not_declare(excuses):
    _, outcomes = excuses
    skipped = {test for mine, test in outcomes["skipped"] if mine == "TestBare"}
    passed = {test for mine, test in outcomes["passed"] if mine == "TestBare"}
    assert not skipped & passed
    assert {"test_lookup_never_guesses", "test_captured_payload_says_what_it_should"} <= skipped
    assert {"test_no_secret_is_shown", "test_failure_ends_after_one_request"} <= passed
