"""A fake of Kolmeya's HTTP API, for tests, demonstrations and load tests (see SIMULATOR.md)."""

from recado_kolmeya.simulator.app import Simulator, create_simulator
from recado_kolmeya.simulator.command import add_arguments, run, switches_from
from recado_kolmeya.simulator.switches import Fault, FaultKind, Switches

__all__ = [
    "Fault",
    "FaultKind",
    "Simulator",
    "Switches",
    "add_arguments",
    "create_simulator",
    "run",
    "switches_from",
]
