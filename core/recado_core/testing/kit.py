"""What every conformance class has: its event loop, its excuses, and that it runs whole."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

PATIENCE = 60.0
"""Seconds after which a plugin that never comes back fails its test."""


def find_kit(mine: type) -> type:
    """Return the class of the kit that a plugin's test class stands on."""
    return next(c for c in mine.__mro__ if c.__module__.startswith(f"{__package__}."))


def find_tests(kit: type) -> list[str]:
    """Return the names of the tests of a class."""
    return [name for name in dir(kit) if name.startswith("test_")]


@pytest.mark.anyio
class Conformance:
    """What the conformance classes share; subclass one of those instead."""

    excused: ClassVar[Mapping[str, str]] = {}
    """Tests that the plugin can't pass, by name (``test_x`` or ``test_x[id]``), and why."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Run under asyncio, whatever the plugin's own settings."""
        return "asyncio"

    @pytest.fixture(autouse=True)
    def _excuse(self, request: pytest.FixtureRequest) -> None:
        """Expect an excused test to fail, and only that."""
        name = request.node.name
        reason = self.excused.get(name) or self.excused.get(name.partition("[")[0]) or ""
        if reason.strip():
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def test_the_kit_runs_whole(self) -> None:
        """A test of the kit may be excused or marked ``xfail(reason=...)``, never replaced."""
        kit = find_kit(type(self))
        tests = find_tests(kit)
        for name in tests:
            mine = getattr(type(self), name)
            if mine is not getattr(kit, name):
                marks = getattr(mine, "pytestmark", [])
                reasons = [m for m in marks if m.name == "xfail" and m.kwargs.get("reason")]
                assert reasons, f"{name} is replaced without xfail(reason=...)"
        for name, reason in self.excused.items():
            assert name.partition("[")[0] in tests, f"{name} is excused and no test of the kit"
            assert reason.strip(), f"{name} is excused without a reason"
