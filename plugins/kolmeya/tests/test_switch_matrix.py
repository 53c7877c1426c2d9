"""The whole plugin under every value of every switch of the simulator, and under pairs of them.

The scenes of ``matrix/`` use all that the plugin offers. Each is played under each value of each
switch, and ends as it does without the switch, except for what ``matrix/differences.py`` names.
"""

from itertools import combinations

import msgspec
import pytest
from recado_kolmeya.operations import OPERATIONS
from recado_kolmeya.simulator.switches import Fault, Switches

from .matrix import accounts, operations, sending, webhooks
from .matrix.differences import CHANCY, DIFFERENCES, UNSEEN
from .matrix.expectations import expect
from .matrix.rows import DEFAULTS, FAULTS, PAIRS, ROWS, SHAPES, VALUES, Row
from .matrix.scenes import SCENES
from .matrix.stage import make_switches, open_stage

MODULES = (accounts, operations, sending, webhooks)  # in which the scenes are
PLAYED = {}
"""What has come of a scene under some switches, so that no test need play it again."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def play(scene, switches):
    """Return the parts of a scene, and the trace of all that passed."""
    key = (scene, switches)
    if key not in PLAYED:
        async with open_stage(switches) as stage:
            parts = stage.show(await SCENES[scene].play(stage))
            ran = frozenset(stage.ran)
            PLAYED[key] = parts, stage.trace(), ran
    return PLAYED[key]


def differences(values):
    names = (Row(name, value, {}).name for name, value in values.items())
    return [DIFFERENCES[name] for name in names if name in DIFFERENCES]


# ---------------------------------------------------------------- the matrix is whole


@pytest.mark.parametrize("name", Switches.__struct_fields__)
def test_every_switch_is_varied(name):
    assert len(set(VALUES[name])) == len(VALUES[name]) > 1


def test_every_field_of_a_fault_is_varied():
    plain = msgspec.structs.asdict(Fault(kind=""))
    changed = {
        name for fault in FAULTS for name, value in plain.items() if getattr(fault, name) != value
    }
    assert changed == set(Fault.__struct_fields__)


def test_every_difference_and_exception_is_of_a_row():
    names = {row.name for row in ROWS}
    assert len(names) == len(ROWS)
    assert (DIFFERENCES.keys() | UNSEEN.keys() | CHANCY.keys()) <= names
    assert all(
        (difference.parts or {}).keys() <= SCENES.keys() for difference in DIFFERENCES.values()
    )


async def test_every_operation_is_run():
    ran = set()
    for scene in SCENES:
        ran |= (await play(scene, DEFAULTS))[2]
    assert ran == {operation.name for operation in OPERATIONS}


def test_any_two_values_of_two_shapes_meet():
    met = {pair for chosen in PAIRS for pair in combinations(chosen.items(), 2)}
    for one, other in combinations(SHAPES, 2):
        for first in VALUES[one]:
            for second in VALUES[other]:
                assert ((one, first), (other, second)) in met


# ---------------------------------------------------------------- what comes of it


@pytest.mark.parametrize("scene", SCENES)
async def test_scene_ends_as_usual(scene):
    assert (await play(scene, DEFAULTS))[0] == SCENES[scene].usual


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_switch_changes_what_it_means_to_and_nothing_else(row, scene):
    parts, _, _ = await play(scene, row.switches)
    assert parts == expect(scene, *differences({row.switch: row.value}))


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("chosen", PAIRS, ids=map(str, range(len(PAIRS))))
async def test_shapes_may_be_put_together(chosen, scene):
    parts, _, _ = await play(scene, make_switches(**chosen))
    assert parts == expect(scene, *differences(chosen))


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.name not in CHANCY], ids=lambda row: row.name
)
async def test_switch_is_seen_by_the_plugin_unless_it_is_said_why_not(row):
    beside = make_switches(**row.beside)
    traces = [
        ((await play(scene, row.switches))[1], (await play(scene, beside))[1]) for scene in SCENES
    ]
    is_seen = any(one != other for one, other in traces)
    assert is_seen is (row.name not in UNSEEN)
