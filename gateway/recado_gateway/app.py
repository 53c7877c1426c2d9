"""The application: the HTTP API around an engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from recado_core.engine.runtime import Engine

from recado_gateway import openapi
from recado_gateway.api import HANDLERS
from recado_gateway.problems import answer_failure
from recado_gateway.requests import add_request_id
from recado_gateway.settings import Settings


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
    return Litestar(
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


def make_state(settings: Settings, engine: Engine, *, worker: bool) -> dict[str, object]:
    """Return all in which one application differs from another."""
    return {
        "engine": engine,
        "plugins": settings.plugins,
        "public_url": settings.engine.public_url,
        "worker": worker,
    }


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
