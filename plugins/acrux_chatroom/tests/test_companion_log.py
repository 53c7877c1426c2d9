import logging
import logging.config

import pytest
from recado_acrux_chatroom.companion.log import NOISY, quiet_odoorpc
from recado_core import SendError

from .odoo_rpc.companions import ANA, MSGID, add_connector, companion_of
from .odoo_rpc.process import DATABASE, LOGIN, PASSWORD

EVERYTHING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {name: {"level": "DEBUG"} for name in NOISY},
    "root": {"level": "DEBUG"},
}


async def call_everything(rpc):
    companion = companion_of(rpc.url)
    add_connector(rpc)
    await companion.has_message(ANA, MSGID)
    await companion.probe()
    rpc.fail("broken")
    with pytest.raises(SendError):
        await companion.has_message(ANA, MSGID)


async def test_password_is_in_no_log_record(rpc, caplog):
    caplog.set_level(logging.DEBUG)
    for name in NOISY:
        caplog.set_level(logging.DEBUG, logger=name)
    logging.getLogger("recado").debug("records are taken")
    await call_everything(rpc)
    assert "records are taken" in caplog.messages
    for record in caplog.records:
        assert PASSWORD not in record.getMessage()
        assert PASSWORD not in repr(record.__dict__)


async def test_later_configuration_of_logging_does_not_bring_the_password_back(rpc, caplog):
    companion = companion_of(rpc.url)
    await companion.has_message(ANA, MSGID)
    logging.config.dictConfig(EVERYTHING)
    logging.getLogger().addHandler(caplog.handler)
    await companion.has_message(ANA, MSGID)
    assert PASSWORD not in caplog.text
    assert not [it for it in caplog.records if it.name.startswith("odoorpc")]


def test_odoorpc_itself_would_write_the_password(rpc, caplog):
    import odoorpc  # noqa: PLC0415  # what the rest of this module is about

    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger(NOISY[-1])
    logger.setLevel(logging.DEBUG)
    filters, logger.filters = logger.filters, []
    try:
        host, port = rpc.url.removeprefix("http://").split(":")
        odoorpc.ODOO(host, port=int(port), version="15.0").login(DATABASE, LOGIN, PASSWORD)
    finally:
        logger.filters = filters
    assert PASSWORD in caplog.text


def test_warnings_of_odoorpc_are_still_written(caplog):
    quiet_odoorpc()
    quiet_odoorpc()
    logger = logging.getLogger(NOISY[-1])
    logger.warning("kept")
    logger.info("kept too")
    logger.debug("not kept")
    assert "kept" in caplog.text
    assert "not kept" not in caplog.text
    assert len(logger.filters) == 1
