"""The application: the HTTP API around an engine."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send
from litestar.utils import normalize_path
from recado_core.engine.runtime import Engine

from recado_gateway import openapi
from recado_gateway.api import HANDLERS
from recado_gateway.endpoints import Call
from recado_gateway.problems import answer_failure
from recado_gateway.requests import add_request_id, find_header
from recado_gateway.settings import Settings

_is_plain_host = re.compile(rb"[A-Za-z0-9.:\[\]_-]+").fullmatch


def create_app(
    settings: Settings, *, engine: Engine | None = None, worker: bool = True
) -> Litestar:
    """Build the application.

    Its lifespan opens the engine and starts the worker; at its end the worker claims no more,
    finishes what is in flight and leaves the rest queued.

    Args:
        settings: The configuration.
        engine: The engine to use instead of one made of the settings; not open yet.
        worker: Whether this process sends, or only takes messages for others to send.

    Raises:
        ConfigurationError: The settings don't fit the plugins; the text names the key.
    """
    made = engine or Engine(settings.engine, settings.plugins)
    app = Litestar(
        [*HANDLERS, *openapi.HANDLERS],
        lifespan=[_run_engine],
        state=State(make_state(settings, made, worker=worker), deep_copy=False),
        exception_handlers={Exception: answer_failure},
        before_send=[add_request_id],
        openapi_config=None,  # recado_gateway.openapi makes a truer one
        logging_config=None,  # recado_gateway.logs
        debug=False,
        pdb_on_exception=False,
    )
    app.asgi_handler = ShortWay(app)
    return app


def make_state(settings: Settings, engine: Engine, *, worker: bool) -> dict[str, object]:
    """Return all in which one application differs from another."""
    return {
        "engine": engine,
        "plugins": settings.plugins,
        "public_url": settings.engine.public_url,
        "worker": worker,
    }


class ShortWay:
    """Leads a request to its call as soon as Litestar's router has found it.

    Litestar leads there too, by a longer way, which is left to what is no call or no plain request:
    other addresses and methods, paths that are not written as the router has them.
    """

    def __init__(self, app: Litestar) -> None:
        self._find = app.asgi_router.handle_routing
        self._long_way = app.asgi_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self._call_of(scope) or self._long_way)(scope, receive, send)

    def _call_of(self, scope: Scope) -> Call | None:
        """Return the call that a plain request is for, and put into the scope what it needs."""
        path, host = scope["path"], find_header(scope, b"host") or b""
        if scope.get("root_path") or not _is_plain_host(host) or path != normalize_path(path):
            return None
        try:
            found, handler, _, parameters, template = self._find(
                path=path, method=scope.get("method")
            )
        except HTTPException:  # which Litestar answers, when it comes upon it
            return None
        if not isinstance(found, Call):
            return None
        scope["route_handler"], scope["path_params"] = handler, parameters
        scope["path_template"] = template
        return found


@asynccontextmanager
async def _run_engine(app: Litestar) -> AsyncIterator[None]:
    engine: Engine = app.state.engine
    try:
        await engine.open()
        if app.state.worker:
            await engine.start()
        yield
    finally:
        await engine.close()
