"""Health: is the process alive, and can it do its work?"""

from typing import Literal

import msgspec
from recado_core.engine.readiness import Component

from recado_gateway.endpoints import Endpoint, answer_with, endpoint, engine_of
from recado_gateway.requests import Request
from recado_gateway.responses import Response

TAG = "Health"
ONE_OF_MANY = ("account.", "sink.")
"""How the names of components begin whose failure leaves the gateway ready for all others."""


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """How the gateway stands.

    *degraded* is ready, though some account can't send now, or some sink takes nothing.
    """

    status: Literal["ok", "degraded", "unavailable"]
    components: list[Component]


@endpoint("GET", "/health/live", Endpoint(tag=TAG, answer=Liveness))
async def get_liveness(request: Request) -> Response:  # noqa: ARG001  # that it is answered is all
    """Tell that the process is alive."""
    return answer_with(Liveness())


@endpoint("GET", "/health/ready", Endpoint(tag=TAG, answer=Readiness, statuses=(503,)))
async def get_readiness(request: Request) -> Response:
    """Tell whether the gateway can do its work, component by component."""
    readiness = judge(await engine_of(request).readiness())
    return answer_with(readiness, 503 if readiness.status == "unavailable" else 200)


def judge(components: list[Component]) -> Readiness:
    """Return how the gateway stands when its components stand like this."""
    failed = [component.name for component in components if not component.ok]
    if not failed:
        return Readiness(status="ok", components=components)
    needed = [name for name in failed if not name.startswith(ONE_OF_MANY)]
    return Readiness(status="unavailable" if needed else "degraded", components=components)


HANDLERS = [get_liveness, get_readiness]
