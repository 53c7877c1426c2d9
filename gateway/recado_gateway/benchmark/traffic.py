"""The messages of a benchmark, as requests that are quickly made."""

from collections.abc import Callable, Iterator

Post = Callable[[str, bytes], bytes]
"""Makes a whole HTTP request of a path and a body."""

BATCH = 1000

_TO_BATCH = b'{"to":"+55119%08d","text":"Your order %d has left our house."}'
_ALONE = b'{"to":"+55119%08d","text":"Your code is %d."}'


def batches(post: Post, count: int, first: int = 0) -> Iterator[bytes]:
    """Yield requests with ``BATCH`` messages each, to as many numbers."""
    end = first + count
    for start in range(first, end, BATCH):
        numbers = range(start, min(start + BATCH, end))
        items = b",".join([_TO_BATCH % (number, number) for number in numbers])
        yield post("/v1/messages/batch", b'{"messages":[%b]}' % items)


def singles(post: Post, count: int) -> Iterator[bytes]:
    """Yield requests with one message each, to as many numbers."""
    for number in range(count):
        yield post("/v1/messages", _ALONE % (number, number))
