"""What holds for every test of the workspace, those of the plugins too."""

import logging
from collections.abc import Generator, Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Leave logging as it was before the test: a handler left behind writes into the next one.

    What pytest itself adds for each phase of a test has come and gone by then, and what it adds
    for the whole run was there before.
    """
    handlers = logging.root.handlers[:]
    before = {logger: (logger.level, logger.disabled) for logger in _loggers()}
    try:
        return (yield)
    finally:
        logging.root.handlers[:] = handlers
        for logger in _loggers():
            level, logger.disabled = before.get(logger, (logging.NOTSET, False))
            if logger.level != level:  # setting it costs a walk over all loggers
                logger.setLevel(level)
        logging.captureWarnings(capture=False)


def _loggers() -> Iterator[logging.Logger]:
    """Yield the root logger, and every other that has been asked for."""
    yield logging.root
    for found in list(logging.root.manager.loggerDict.values()):
        if isinstance(found, logging.Logger):  # else it stands for the loggers below that name
            yield found
