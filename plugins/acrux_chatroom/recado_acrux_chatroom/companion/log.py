"""odoorpc's log, from which its DEBUG records are kept: they hold the password in clear."""

import logging

NOISY = ("odoorpc", "odoorpc.rpc", "odoorpc.rpc.jsonrpclib")
"""A filter holds for what a logger itself writes, not for what those below it write."""


def quiet_odoorpc() -> None:
    """Let odoorpc write nothing below INFO, whatever the configuration of logging says later.

    odoorpc 0.10.1 masks a parameter called ``password``, but every call carries the password in a
    list. The level spares the making of the records; the filter stays when another level is set,
    as neither ``dictConfig`` nor ``fileConfig`` takes a logger's filters away.
    """
    for name in NOISY:
        logger = logging.getLogger(name)
        logger.addFilter(_is_harmless)  # a second time changes nothing
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)


def _is_harmless(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
