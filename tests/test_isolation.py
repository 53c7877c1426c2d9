"""No test finds what another one has left behind."""

import io
import logging
from pathlib import Path

import pytest
from recado_gateway.logs import configure_logging

SHARED = Path(__file__).parent.parent / "conftest.py"


def state_of(logger):
    return logger.handlers[:], logger.level, logger.disabled


def test_logging_is_put_back_after_each_test(request):
    (shared,) = (
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(SHARED)
    )
    loggers = [logging.root, logging.getLogger("httpx"), logging.getLogger("recado_core")]
    before = [state_of(logger) for logger in loggers]

    around = shared.pytest_runtest_protocol()
    next(around)
    configure_logging("debug", io.StringIO())
    logging.getLogger("recado_core").setLevel(logging.ERROR)
    logging.getLogger("recado_core").disabled = True
    logging.getLogger("recado_core.made.by.a.test").setLevel(logging.DEBUG)
    assert all(state_of(logger) != was for logger, was in zip(loggers, before, strict=True))
    with pytest.raises(StopIteration):
        next(around)

    assert [state_of(logger) for logger in loggers] == before
    assert logging.getLogger("recado_core.made.by.a.test").level == logging.NOTSET
