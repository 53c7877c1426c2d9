"""Gateways and simulators, started for a test or for a module and stopped after it."""

import pytest

from .stack import Gateway, Simulator


def start_in(folder, started):
    """Return what starts a simulator and what starts a gateway in this folder."""

    def simulate(**switches):
        started.append(Simulator(folder, **{"rate_limit": 0} | switches))
        return started[-1]

    def serve(simulator, **settings):
        started.append(Gateway(folder, simulator, **settings))
        return started[-1]

    return simulate, serve


@pytest.fixture
def house(tmp_path):
    """``simulate, serve``: start a simulator with some switches, and a gateway in front of it."""
    started = []
    yield start_in(tmp_path, started)
    for thing in reversed(started):
        thing.close()


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    """As ``house``, for all tests of a module."""
    started = []
    yield start_in(tmp_path_factory.mktemp("house"), started)
    for thing in reversed(started):
        thing.close()
