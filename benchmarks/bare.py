#!/usr/bin/env python3
"""The way of a message stripped to its bones: what a gateway of this kind could do at the most.

It answers the three calls of end_to_end.py (batches, Kolmeya's webhook, and how many messages are
delivered) with nothing but their work: decode, insert, claim a thousand, POST them, update;
no key is checked, no number read, no event written. SQLite as the gateway has it: WAL and
`synchronous=FULL`, one connection that writes.
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from recado_gateway.server import Server, run_async, stopping_on_signals

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, address TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL,
    provider_ref TEXT
);
CREATE INDEX waiting ON messages (id) WHERE status = 'queued';
CREATE INDEX sent ON messages (provider_ref) WHERE status = 'sent';
"""
CLAIM = """
UPDATE messages SET status = 'sending' WHERE id IN (
    SELECT id FROM messages WHERE status = 'queued' ORDER BY id LIMIT 1000
) RETURNING id, address, text
"""

DELIVERED = 3

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Item(msgspec.Struct):
    """One message of a batch."""

    to: str
    text: str


class Batch(msgspec.Struct):
    """The body of ``POST /v1/messages/batch``."""

    messages: list[Item]


class Valid(msgspec.Struct):
    """A message that Kolmeya took."""

    id: str
    reference: str


class Answer(msgspec.Struct):
    """Kolmeya's answer to ``sms/store``."""

    valids: list[Valid]


class Receipt(msgspec.Struct):
    """One status of a webhook."""

    id: str
    status_code: int


class Receipts(msgspec.Struct):
    """Kolmeya's webhook."""

    messages: list[Receipt]


class Gateway:
    """An ASGI application that does no more than it must."""

    def __init__(self, path: str, vendor: str, concurrency: int) -> None:
        self._store = sqlite3.connect(path, isolation_level=None)
        self._store.executescript(SCHEMA)
        self._vendor = httpx.AsyncClient(base_url=vendor, timeout=60)
        self._slots = asyncio.Semaphore(concurrency)
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._delivered = 0
        self.url = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:  # noqa: ANN401  # ASGI's
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError("there is nothing to begin and to end")
        parts = []
        while True:
            message = await receive()
            parts.append(message["body"])
            if not message["more_body"]:
                break
        answer = self._answer(scope["path"], b"".join(parts))
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, path: str, body: bytes) -> bytes:
        if path == "/v1/messages/batch":
            batch = msgspec.json.decode(body, type=Batch)
            rows = [(item.to, item.text) for item in batch.messages]
            self._write(
                "INSERT INTO messages (address, text, status) VALUES (?, ?, 'queued')", rows
            )
            self._wake.set()
            return b'{"accepted": %d}' % len(rows)
        if path == "/webhook":
            told = msgspec.json.decode(body, type=Receipts).messages
            self._delivered += self._write(
                "UPDATE messages SET status = 'delivered' "
                "WHERE provider_ref = ? AND status = 'sent'",
                [(each.id,) for each in told if each.status_code == DELIVERED],
            )
            return b"{}"
        return b'{"delivered": %d}' % self._delivered

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        self._store.execute("BEGIN IMMEDIATE")
        changed = self._store.executemany(statement, rows).rowcount
        self._store.execute("COMMIT")
        return changed

    async def work(self) -> None:
        """Claim and send for ever."""
        while True:
            self._wake.clear()
            await self._slots.acquire()
            self._store.execute("BEGIN IMMEDIATE")
            rows = self._store.execute(CLAIM).fetchall()
            self._store.execute("COMMIT")
            if not rows:
                self._slots.release()
                await self._wake.wait()
                continue
            call = asyncio.create_task(self._send(rows))
            self._calls.add(call)
            call.add_done_callback(self._ended)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._slots.release()
        call.result()

    async def _send(self, rows: list[tuple[int, str, str]]) -> None:
        messages = [
            {"phone": int(address[1:]), "message": text, "reference": str(key)}
            for key, address, text in rows
        ]
        body = msgspec.json.encode({"messages": messages, "webhook_url": self.url})
        headers = {"Authorization": "Bearer kolmeya-simulator", "Content-Type": "application/json"}
        answer = await self._vendor.post("/v1/sms/store", content=body, headers=headers)
        answer.raise_for_status()
        taken = msgspec.json.decode(answer.content, type=Answer).valids
        self._write(
            "UPDATE messages SET status = 'sent', provider_ref = ? WHERE id = ?",
            [(each.id, int(each.reference)) for each in taken],
        )


def say(url: str) -> None:
    """Print where it listens."""
    sys.stdout.write(f"The bare way listens on {url}\n")
    sys.stdout.flush()


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    gateway = Gateway(options.database, options.vendor, options.concurrency)
    server = Server(gateway, "127.0.0.1", options.port)
    gateway.url = f"{server.url}/webhook"
    worker = asyncio.create_task(gateway.work())
    with stopping_on_signals(server.stop):
        await server.run(lambda: say(server.url))
    worker.cancel()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--vendor", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=4)
    run_async(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
