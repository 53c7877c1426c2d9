"""The simulated vendor as a whole: what its parts share, and how it is reset and changed."""

import os
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random

import httpx
import msgspec

from recado_kolmeya.simulator.clock import Clock, Schedule
from recado_kolmeya.simulator.faults import Faults
from recado_kolmeya.simulator.ids import Ids
from recado_kolmeya.simulator.rates import RateLimit
from recado_kolmeya.simulator.state import Blacklist, State
from recado_kolmeya.simulator.switches import Switches
from recado_kolmeya.simulator.webhooks import Webhooks


class World:
    """Everything a handler needs."""

    def __init__(
        self,
        switches: Switches,
        *,
        now: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.switches = switches
        self._first_switches = switches
        self.clock = Clock(now, manual=switches.clock == "manual")
        self.schedule = Schedule(self.clock)
        self.webhooks = Webhooks(lambda: self.switches, self.schedule, self.clock, transport)
        self.reset()

    def reset(self) -> None:
        """Begin anew, with the switches that the start set."""
        self.switches = switches = self._first_switches
        self.clock.set_manual(manual=switches.clock == "manual")
        self.random = Random(switches.seed)  # noqa: S311 - nothing secret hangs on it
        self.state = State(switches, Ids(int.from_bytes(os.urandom(10))))
        self.rate = RateLimit()
        self.faults = Faults(switches.faults, self.clock.now())
        self.schedule.clear()
        self.webhooks.reset(self.random)

    def change(self, changes: Mapping[str, object]) -> None:
        """Set some switches; raise ``msgspec.ValidationError`` if one is unknown or wrong."""
        merged = {**msgspec.to_builtins(self.switches), **changes}
        self.switches = switches = msgspec.convert(merged, Switches)
        if "faults" in changes:
            self.faults = Faults(switches.faults, self.clock.now())
        if "balance" in changes:
            self.state.balance = Decimal(switches.balance)
        if "blacklist" in changes:
            self.state.blacklist = Blacklist(switches.blacklist)
        if "not_disturb" in changes:
            self.state.set_not_disturb(switches)
        if "seed" in changes:
            self.random.seed(switches.seed)
        if "clock" in changes:
            self.clock.set_manual(manual=switches.clock == "manual")
            self.schedule.arm()
