"""Jobs: the campaigns made in Kolmeya's own pages, held while they send, and let go on.

What is handed over by ``sms/store`` has none: it has a request with a UUID, which can't be paused.
"""

import msgspec
from recado_core import PermanentSendError

from recado_kolmeya.connection import Connection

LONGEST_JOB = 15
"""Digits."""


class JobAnswer(msgspec.Struct, frozen=True):
    """What Kolmeya says to it, in words."""

    message: str


_read = msgspec.json.Decoder(JobAnswer).decode


async def switch_job(connection: Connection, action: str, job: str) -> None:
    """Carry out ``pause`` or ``play``, or raise a ``SendError``.

    Kolmeya pauses only a job that is still sending, and answers 404 where there is none.
    """
    if not (job.isascii() and job.isdigit() and len(job) <= LONGEST_JOB):
        raise PermanentSendError("a job at Kolmeya is a number, as its pages show it")
    response = await connection.ask(f"sms/jobs/{job}/{action}")
    connection.read_by(response, _read)
