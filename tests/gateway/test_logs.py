import io
import logging

import pytest
from recado_gateway.logs import configure_logging, hide_private


@pytest.fixture
def log():
    """Configure the log, give back what it is written to, and leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def configure(name="info"):
        configure_logging(name, stream)
        return stream

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_line_tells_level_logger_message_and_what_goes_with_it(log):
    stream = log()
    logging.getLogger("recado_core.engine.x").info("account paused", extra={"account": "main"})
    line = stream.getvalue()
    assert line.endswith("INFO recado_core.engine.x: account paused account=main\n")


@pytest.mark.parametrize(
    ("name", "level", "said"),
    [
        ("recado_core.engine", logging.INFO, True),
        ("recado_core.engine", logging.DEBUG, False),
        ("recado_kolmeya", logging.INFO, True),
        ("httpx", logging.INFO, False),
        ("httpcore.http11", logging.INFO, False),
        ("uvicorn.access", logging.INFO, False),
        ("sqlalchemy.engine", logging.INFO, False),
        ("somebody", logging.INFO, False),
        ("somebody", logging.WARNING, True),
        ("httpx", logging.WARNING, True),
    ],
)
def test_others_are_heard_from_warnings_upwards(log, name, level, said):
    stream = log()
    logging.getLogger(name).log(level, "line")
    assert bool(stream.getvalue()) is said


def test_debug_is_of_our_own_modules_alone(log):
    stream = log("debug")
    logging.getLogger("recado_core.engine").debug("ours")
    logging.getLogger("aiosqlite").debug("executing INSERT")
    assert "ours" in stream.getvalue()
    assert "INSERT" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sent to +5511900000001.", "sent to +5511*****0001."),
        ("('+5511900000001', '+15550000001')", "('+5511*****0001', '+155****0001')"),
        ("POST /webhooks/main/s3cr-t_x HTTP", "POST /webhooks/main/*** HTTP"),
        ("https://a.b/webhooks/main/s3cret?x=1", "https://a.b/webhooks/main/***?x=1"),
        ("offset +00:00, 1 + 2, id 019a1fd2", "offset +00:00, 1 + 2, id 019a1fd2"),
    ],
)
def test_numbers_and_tokens_are_masked(text, hidden):
    assert hide_private(text) == hidden


def test_traceback_is_masked_too(log):
    stream = log()
    try:
        int("+5511900000001.")
    except ValueError:
        logging.getLogger("recado_core").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "+5511900000001" not in stream.getvalue()
