"""Bodies that are files: taken to the disk as they come, and deleted once they have been read."""

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from recado_gateway.failures import BodyTypeError, StorageFullError
from recado_gateway.requests import Request, body_parts, media_type, refuse_packed

CSV_TYPES = ("text/csv", "application/csv", "text/plain", "application/octet-stream")
"""What a body that is a CSV file may claim to be."""
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
"""What a body with a JSON object on every line may claim to be; none of them is registered."""
AT_ONCE = 1024 * 1024
"""How many bytes of a body are collected before they are written."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@asynccontextmanager
async def received_csv(request: Request) -> AsyncIterator[Path]:
    """Take a body that claims to be CSV, or claims nothing, and give it as a file.

    Raises:
        RequestError: As ``received_file`` does.
    """
    async with received_file(request, CSV_TYPES, "text/csv") as path:
        yield path


@asynccontextmanager
async def received_file(
    request: Request, types: Collection[str], wanted: str
) -> AsyncIterator[Path]:
    """Take a body that claims to be of one of these types, or claims nothing; give it as a file.

    Args:
        request: The request.
        types: What it may claim to be.
        wanted: What it should claim to be, in words.

    Raises:
        BodyTypeError: It claims to be something else, or to be compressed.
        BodyTooLargeError: It is longer than the call allows.
        MalformedRequestError: The client hung up before its end.
        StorageFullError: There is no room for it.
    """
    claimed = media_type(request)
    if claimed is not None and claimed not in types:
        raise BodyTypeError(
            f"send the file as it is, with Content-Type: {wanted}; not in a form, and not packed"
        )
    refuse_packed(request)
    path = _make()
    try:
        await _receive(request, path)
        yield path
    finally:
        path.unlink(missing_ok=True)  # not in a thread: waiting for it could be cancelled


async def _receive(request: Request, path: Path) -> None:
    parts: list[bytes] = []
    size = 0
    async for part in body_parts(request):
        parts.append(part)
        size += len(part)
        if size >= AT_ONCE:
            await asyncio.to_thread(_append, path, parts)
            parts, size = [], 0
    await asyncio.to_thread(_append, path, parts)


def _make() -> Path:
    with _need_room():
        handle, name = tempfile.mkstemp(prefix="recado-")
    os.close(handle)
    return Path(name)


def _append(path: Path, parts: list[bytes]) -> None:
    # Not "ab": where the request was cancelled, that would make the deleted file anew.
    with _need_room(), path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.writelines(parts)


@contextmanager
def _need_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFullError("there is no room for the file now") from error
