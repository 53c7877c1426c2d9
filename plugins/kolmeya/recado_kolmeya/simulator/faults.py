"""Faults: which one a call meets, and what it makes of the answer."""

from random import Random

import httpx

from recado_kolmeya.simulator.answers import HTML, Answer, error_list, json_answer, message
from recado_kolmeya.simulator.switches import Fault, FaultKind, Switches

PAGE = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


class ConnectionClosedError(httpx.RemoteProtocolError):
    """Closes the connection; in-process it is what the client sees of a closed connection."""


class NeverAnsweredError(httpx.ReadTimeout):
    """Ends the wait of a call that is never answered; in-process the client sees it as it is."""


class _Turn:
    """One fault with the count of the calls that could have met it."""

    def __init__(self, fault: Fault, now: float) -> None:
        self.fault = fault
        self._since = now
        self._matched = 0
        self._happened = 0

    def happens(self, path: str, now: float, random: Random) -> bool:
        fault = self.fault
        if fault.path not in path or not self._in_time(now):
            return False
        if fault.next is not None and self._happened >= fault.next:
            return False
        self._matched += 1
        if self._matched % fault.every or random.random() >= fault.probability:
            return False
        self._happened += 1
        return True

    def _in_time(self, now: float) -> bool:
        begins = self._since + self.fault.after
        during = self.fault.during
        return now >= begins and (during is None or now < begins + during)


class Faults:
    """The faults that are switched on."""

    def __init__(self, faults: tuple[Fault, ...], now: float) -> None:
        self._turns = [_Turn(fault, now) for fault in faults]

    def meet(self, path: str, now: float, random: Random) -> Fault | None:
        """Give the first fault that this call meets."""
        for turn in self._turns:
            if turn.happens(path, now, random):
                return turn.fault
        return None


def faulty_answer(fault: Fault, switches: Switches, good: Answer | None) -> Answer:
    """Give the answer that a fault makes of the good one, or in place of one."""
    if fault.kind is FaultKind.HTML:
        return Answer(fault.status or 502, PAGE, HTML)
    if fault.kind is FaultKind.THROTTLE:
        answer = throttled(switches)
        wait = b"%d" % max(1, round(switches.rate_window))
        return Answer(429, answer.body, headers=((b"retry-after", wait),))
    if fault.kind is FaultKind.JSON:
        whole = good.body if good is not None and good.body else b'{"id":"'
        return Answer(fault.status or 200, whole[: max(1, len(whole) // 2)])
    return message("Server Error", fault.status or 500)


def throttled(switches: Switches) -> Answer:
    """Answer a caller that is too fast."""
    if switches.error_form == "errors":
        return error_list("Too Many Requests", 429)
    return json_answer({"message": "Too Many Attempts."}, 429)
