"""A vendor that answers what a test queues and remembers what it was asked."""

from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

from recado_core.testing.clock import Clock

Reply = httpx.Response | Exception
Answer = Reply | Callable[[httpx.Request], Reply]
"""A response, a failure to raise (``httpx.ReadTimeout("")``), or a function that returns either."""


class FakeVendor:
    """Stands in for a vendor's API: no socket, no thread, no framework.

    Every request takes the next answer; the last one stays. With a clock, every request moves it
    on by ``delay`` seconds, as a slow vendor would.
    """

    def __init__(self, *answers: Answer, clock: Clock | None = None, delay: float = 0.0) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = deque(answers)
        self._clock = clock
        self._delay = delay

    def answer(self, *answers: Answer) -> None:
        """Forget the answers that are left and queue these."""
        self._answers = deque(answers)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request: what ``httpx.MockTransport`` calls."""
        self.requests.append(request)
        if self._clock:
            self._clock.advance(self._delay)
        if not self._answers:
            raise LookupError(f"{request.method} {request.url.path} came and no answer is queued")
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        reply = answer(request) if callable(answer) else answer
        if isinstance(reply, Exception):
            raise reply.with_traceback(None) from None  # it may have been raised before
        return _copy(reply)

    def client(self, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401  # httpx's own options
        """Return a client whose every request comes here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle), **options)


def _copy(response: httpx.Response) -> httpx.Response:
    """Return the response anew: a client changes the one that it is given."""
    headers = httpx.Headers(response.headers)
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)  # the body is decoded, and whole
    return httpx.Response(response.status_code, headers=headers, content=response.content)
