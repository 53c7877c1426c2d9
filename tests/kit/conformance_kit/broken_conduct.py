"""Providers that retry, wait, go their own ways, or tell what nobody may read."""

import asyncio
import logging
import time
from asyncio import sleep as doze

import httpx
import msgspec
from recado_core import (
    AccountError,
    InDoubtError,
    TransientSendError,
)
from toy_conformance import TestConformance as Good
from toy_faults import toy
from toy_operations import OPERATIONS, PAUSE, REPORT, pause_job, read_report
from toy_provider import ToyProvider, ToySettings

log = logging.getLogger(__name__)


class Retrying(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except TransientSendError:
            return await super().send(batch)


class TestRetrying(Good):
    breaks = "test_failure_ends_after_one_request"
    provider_type = toy(Retrying)


class Asking(ToyProvider):
    async def balance(self):
        try:
            return await super().balance()
        except InDoubtError:
            return await super().balance()


class TestAskingTwice(Good):
    breaks = "test_failure_ends_after_one_request"
    provider_type = toy(Asking)


class Sleeping(ToyProvider):
    async def send(self, batch):
        await asyncio.sleep(3600)
        return await super().send(batch)


class TestSleeping(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Sleeping)


class Dozing(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except TransientSendError:
            await doze(3600)
            raise


class OwnSettings(ToySettings, frozen=True, kw_only=True):
    """Settings of this module, so that it is the plugin's package."""


class TestDozing(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Dozing, settings=OwnSettings)


class Blocking(ToyProvider):
    async def balance(self):
        time.sleep(3600)  # noqa: ASYNC251  # the fault
        return await super().balance()


class TestBlocking(Good):
    breaks = "test_plugin_never_sleeps"
    provider_type = toy(Blocking)


class Independent(ToyProvider):
    def __init__(self, context):
        super().__init__(context)
        self.other = httpx.AsyncClient(verify=False)  # noqa: S501  # quick to make


class TestIndependent(Good):
    breaks = "test_plugin_uses_only_the_client_it_was_given"
    provider_type = toy(Independent)


class Beacon(ToyProvider):
    async def send(self, batch):
        try:
            await asyncio.open_connection("telemetry.example.com", 443)
        except OSError:
            log.info("no telemetry")
        return await super().send(batch)


class TestBeacon(Good):
    breaks = "test_plugin_uses_only_the_client_it_was_given"
    provider_type = toy(Beacon)


class Chatty(ToyProvider):
    async def post(self, path, payload):
        log.debug("asking", extra={"token": self._settings.token.reveal()})
        return await super().post(path, payload)


class Echoing(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except InDoubtError as error:
            error.raw = f"{error.raw} to {self._settings.token.reveal()}"
            raise


class TestEchoing(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Echoing)


class TestChatty(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Chatty)


class Quoting(ToyProvider):
    async def send(self, batch):
        try:
            return await super().send(batch)
        except AccountError as error:
            raise AccountError(f"{self._settings.token.reveal()} is no good") from error


class TestQuoting(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Quoting)


class Open(ToyProvider):
    def __repr__(self):
        return f"Open({self._webhook_url})"


class TestOpen(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(Open)


class InQuery(ToyProvider):
    async def post(self, path, payload):
        return await super().post(f"{path}?key={self._settings.token.reveal()}", payload)


class TestInQuery(Good):
    breaks = "test_no_secret_is_shown"
    provider_type = toy(InQuery)


class Naming(ToyProvider):
    async def send(self, batch):
        log.info("sending to %s", ", ".join(m.to for m in batch.messages))
        return await super().send(batch)


class TestNaming(Good):
    breaks = "test_no_whole_number_is_shown"
    provider_type = toy(Naming)


class Listing(ToyProvider):
    async def suppress(self, entries):
        await super().suppress(entries)
        log.info("blocked for %s", [entry.document for entry in entries])


class TestListing(Good):
    breaks = "test_no_whole_number_is_shown"
    provider_type = toy(Listing)


class Overhearing(ToyProvider):
    async def poll_replies(self, since):
        async for page in super().poll_replies(since):
            log.info("wrote: %s", [reply.sender for reply in page])
            yield page


class TestOverhearing(Good):
    breaks = "test_no_whole_number_is_shown"
    provider_type = toy(Overhearing)


async def report_aloud(provider, request, progress):
    report = await read_report(provider, request, progress)
    log.info("reported: %s", report)
    return report


class TestReportingAloud(Good):
    breaks = "test_no_whole_number_is_shown"
    provider_type = toy(
        operations=(msgspec.structs.replace(REPORT, call=report_aloud), *OPERATIONS[1:])
    )


async def pause_twice(provider, request, progress):
    try:
        return await pause_job(provider, request, progress)
    except TransientSendError:
        return await pause_job(provider, request, progress)


class TestPausingTwice(Good):
    breaks = "test_failure_ends_after_one_request"
    provider_type = toy(
        operations=(*OPERATIONS[:1], msgspec.structs.replace(PAUSE, call=pause_twice))
    )
