"""Webhooks: their shapes, the queue they wait in, and everything that may go wrong with them."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from random import Random
from uuid import uuid4

import httpx
from msgspec import UNSET, Struct, UnsetType, structs

from recado_kolmeya.simulator.answers import encode
from recado_kolmeya.simulator.clock import Clock, Schedule
from recado_kolmeya.simulator.switches import Switches

log = logging.getLogger(__name__)

HEADERS = {"Content-Type": "application/json", "User-Agent": "GuzzleHttp/7"}  # Laravel's client
LOG_BYTES = 32_000_000  # so much of what was sent is kept for another time
STATUS_TEXTS = {
    3: "entregue",
    4: "não entregue",
    5: "rejeitado no broker",
    6: "expirada",
    99: "desconhecido",
}
REJECTION = "Requisição rejeitada por não passar pelos critérios de homologação."


class MessageStatus(Struct, frozen=True, gc=False):
    """One status of a kind 1 webhook."""

    id: str
    reference: str | None
    status_code: int
    status: str


class StatusBody(Struct, frozen=True):
    """Kind 1: messages reached a final status."""

    id: str
    reference: str | None
    messages: list[MessageStatus]


class Original(Struct, frozen=True):
    """The message that a reply answers; old documents call its text ``content``."""

    id: str
    reference: str | None
    phone: int | str
    message: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ReplyEntry(Struct, frozen=True):
    """One reply of a kind 2 webhook."""

    id: str
    reply: str
    received_at: str
    message: Original


class ReplyBody(Struct, frozen=True):
    """Kind 2: phones answered."""

    id: str
    reference: str | None
    reply: list[ReplyEntry]


class ReplyObjectBody(Struct, frozen=True):
    """Kind 2 as old documents have it: one reply, and no word of the request."""

    reply: ReplyEntry


class RejectionBody(Struct, frozen=True):
    """Kind 3: the whole request failed Kolmeya's review."""

    id: str
    reference: str | None
    status: str = "rejected"
    status_message: str = REJECTION


class CampaignBody(Struct, frozen=True, kw_only=True):
    """Something happened in a web campaign."""

    job_id: int
    job_name: str
    type: int
    type_description: str
    data: object
    timestamp: int


class Parcel(Struct, kw_only=True):
    """One webhook on its way, and how it fared."""

    url: str
    body: bytes
    tries: int = 0
    status: int = 0
    error: str = ""


class Webhooks:
    """Sends webhooks in the background, as many at once as the switches allow."""

    def __init__(
        self,
        switches: Callable[[], Switches],
        schedule: Schedule,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._switches = switches
        self._schedule = schedule
        self._clock = clock
        self._transport = transport
        self._random = Random()  # noqa: S311 - nothing secret hangs on it
        self._client: httpx.AsyncClient | None = None
        self._waiting: deque[Parcel] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent_bytes = 0
        self.sent: deque[Parcel] = deque()
        self.counts: Counter[str] = Counter()

    def reset(self, random: Random) -> None:
        """Forget what waits and what was sent."""
        self._random = random
        self._waiting.clear()
        self.sent.clear()
        self._sent_bytes = 0
        self.counts.clear()

    @property
    def waiting(self) -> int:
        """Count the webhooks that wait or are under way."""
        return len(self._waiting) + len(self._tasks)

    def happens(self, share: float) -> bool:
        """Decide by chance."""
        return share > 0 and self._random.random() < share

    def post(self, url: str | None, body: Struct) -> None:
        """Send a webhook, unless a switch makes it go wrong."""
        switches = self._switches()
        if url is None or not switches.webhooks:
            return
        if self.happens(switches.webhook_drop):
            self.counts["dropped"] += 1
            return
        if isinstance(body, StatusBody) and self.happens(switches.webhook_unknown_id):
            body = structs.replace(body, messages=[_unknown_status(), *body.messages])
        data = encode({"payload": body} if switches.webhook_payload else body)
        copies = 2 if self.happens(switches.webhook_duplicate) else 1
        for _ in range(copies):
            self.send(Parcel(url=url, body=data))

    def send(self, parcel: Parcel) -> None:
        """Send a webhook after the delay that is switched on."""
        switches = self._switches()
        delay = switches.webhook_delay + switches.webhook_jitter * self._random.random()
        if delay:
            self._schedule.at(self._clock.now() + delay, partial(self._enqueue, parcel))
        else:
            self._enqueue(parcel)

    def _enqueue(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)
        if len(self._tasks) < self._switches().webhook_concurrency:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._waiting:
            newest_first = self._switches().webhook_reorder
            await self._deliver(self._waiting.pop() if newest_first else self._waiting.popleft())

    async def _deliver(self, parcel: Parcel) -> None:
        parcel.tries += 1
        parcel.status, parcel.error = await self.call(parcel.url, parcel.body)
        if parcel.status // 100 == 2:  # noqa: PLR2004 - 2xx
            self.counts["sent"] += 1
        else:
            self._note_failure(parcel)
        self._keep(parcel)

    def _note_failure(self, parcel: Parcel) -> None:
        self.counts["failed"] += 1
        switches = self._switches()
        reason = parcel.error or parcel.status
        log.warning("webhook not taken", extra={"reason": reason, "tries": parcel.tries})
        if parcel.tries <= switches.webhook_retries:
            self.counts["retried"] += 1
            again = Parcel(url=parcel.url, body=parcel.body, tries=parcel.tries)
            due = self._clock.now() + switches.webhook_retry_delay
            self._schedule.at(due, partial(self._enqueue, again))

    def _keep(self, parcel: Parcel) -> None:
        self.sent.append(parcel)
        self._sent_bytes += len(parcel.body)
        while self._sent_bytes > LOG_BYTES:
            self._sent_bytes -= len(self.sent.popleft().body)

    def open(self) -> httpx.AsyncClient:
        """Give the client; its making loads certificates, which no first webhook need wait for."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport, headers=HEADERS, trust_env=False
            )
        return self._client

    async def call(self, url: str, body: bytes) -> tuple[int, str]:
        """Call an address; give the status it answers with, or 0 and the name of the failure."""
        client, timeout = self.open(), self._switches().webhook_timeout
        try:
            answer = await client.post(url, content=body, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return 0, type(error).__name__
        return answer.status_code, ""

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Stop sending and close the connections."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _unknown_status() -> MessageStatus:
    return MessageStatus(str(uuid4()), f"unknown-{uuid4().hex[:8]}", 3, STATUS_TEXTS[3])
