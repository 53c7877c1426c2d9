"""The gateway's engine with an account at the simulator: each learns from the other's list."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from recado_core import Category, Secret, Status, SuppressionReason
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import AccountSettings, EngineSettings, RouteSettings
from recado_core.engine.suppressions.imports import ImportDefaults
from recado_core.engine.suppressions.suppressions import NewSuppression, SuppressionFilter
from recado_kolmeya.simulator.inprocess import BASE_URL, open_bench
from recado_kolmeya.simulator.switches import Fault, FaultKind, Switches

from .account import Recorder
from .bench import magic

ANA = "+5511900000001"
BLACKLISTED, UNDISTURBED = magic(11), magic(12)
DAY = 86_400


@pytest.fixture
def anyio_backend():
    return "asyncio"


class House:
    """The engine, the simulator, and what they said to each other."""

    def __init__(self, engine, bench, recorder, folder):
        self.engine = engine
        self.bench = bench
        self.recorder = recorder
        self.folder = folder

    @property
    def blacklist(self):
        return self.bench.simulator.world.state.blacklist.phones

    def calls(self, path):
        """Return the bodies of the calls to a path that were answered, each with the status."""
        return [
            (json.loads(request.content), response.status_code)
            for request, response in self.recorder.exchanges
            if request.url.path.endswith(path)
        ]

    def sizes(self, path, status=None):
        """Return how many phones the calls named, of those that were answered so."""
        calls = self.calls(path)
        return [len(body["phones"]) for body, came in calls if status in {None, came}]

    def told(self, path):
        """Return the phones that calls named which were answered well."""
        return [
            int(phone["phone"])
            for body, status in self.calls(path)
            if status in {201, 204}
            for phone in body["phones"]
        ]

    def now(self):
        return datetime.fromtimestamp(self.bench.simulator.world.clock.now(), UTC)

    async def settle(self):
        while await self.engine.run_once():
            pass

    async def advance(self, seconds):
        await self.bench.advance(seconds)
        await self.settle()

    async def send(self, to, **fields):
        """Send a message, and return its id and status."""
        answer = await self.engine.accept.message(Draft(to=to, text="Olá", **fields))
        message_id = json.loads(answer.body)["id"]
        await self.settle()
        return (await self.engine.messages.get(message_id)).status

    async def entries(self, **wanted):
        return (await self.engine.suppressions.list(SuppressionFilter(**wanted))).items

    async def suppress(self, address, reason=SuppressionReason.OPT_OUT, category=None):
        new = NewSuppression(address=address, reason=reason, category=category)
        return json.loads((await self.engine.suppressions.add(new)).body)["id"]

    async def import_many(self, addresses, *, days):
        """Import opt-outs that end after some days."""
        file = self.folder / "list.csv"
        file.write_text("\n".join(["phone", *addresses]))
        defaults = ImportDefaults(
            reason=SuppressionReason.OPT_OUT, expires_at=self.now() + timedelta(days=days)
        )
        await self.engine.imports.suppressions(file, defaults)

    async def store(self, address):
        """Send past the gateway, and return the list that Kolmeya puts the phone on."""
        messages = [{"phone": int(address[3:]), "message": "Olá", "reference": "past the gateway"}]
        answer = (await self.bench.call("v1/sms/store", messages=messages)).json()
        return next((name for name in ("blacklist", "not_disturb") if answer[name]), None)


@asynccontextmanager
async def open_house(folder, reasons=("opt_out", "blacklist", "do_not_disturb"), **switches):
    async with open_bench(Switches(**({"clock": "manual"} | switches))) as bench:
        clock = bench.simulator.world.clock
        recorder = Recorder(httpx.ASGITransport(bench.simulator))
        plugins = load_plugins(["kolmeya"])
        kind = plugins.provider_types["kolmeya"]

        def create(context):
            http = httpx.AsyncClient(transport=recorder, event_hooks=context.http.event_hooks)
            return kind.create(msgspec.structs.replace(context, http=http))

        plugins.provider_types["kolmeya"] = msgspec.structs.replace(kind, create=create)
        account = AccountSettings(
            provider="kolmeya",
            push_suppressions=tuple(SuppressionReason(reason) for reason in reasons),
            own={"token": Secret("kolmeya-simulator"), "base_url": BASE_URL},
        )
        engine = Engine(
            EngineSettings(
                database=f"sqlite+aiosqlite:///{folder / 'recado.db'}",
                accounts={"kolmeya_main": account},
                routes=[RouteSettings(accounts=["kolmeya_main"])],
                reply_poll=0.0,
                balance_poll=0.0,
            ),
            plugins,
            now=lambda: datetime.fromtimestamp(clock.now(), UTC),
            monotonic=clock.now,
        )
        await engine.open()
        try:
            yield House(engine, bench, recorder, folder)
        finally:
            await engine.close()


def numbers(count):
    return [f"+55119{number:08d}" for number in range(1, count + 1)]


def national(addresses):
    return [int(address.removeprefix("+55")) for address in addresses]


# ---------------------------------------------------------------- what Kolmeya tells


async def test_blacklisted_phone_is_learned_and_sent_nothing_more(tmp_path):
    async with open_house(tmp_path) as house:
        assert await house.send(BLACKLISTED) is Status.SUPPRESSED
        (entry,) = await house.entries()
        assert (entry.address, entry.channel, entry.category) == (BLACKLISTED, "sms", None)
        assert (entry.reason, entry.source) == (
            SuppressionReason.BLACKLIST,
            "provider:kolmeya_main",
        )
        assert await house.send(BLACKLISTED) is Status.SUPPRESSED
        assert len(house.calls("sms/store")) == 1
        assert await house.send(ANA) is Status.SENT
        await house.advance(91 * DAY)
        assert await house.entries() == []
        assert await house.send(BLACKLISTED) is Status.SUPPRESSED
        assert len(house.calls("sms/store")) == 3


async def test_phone_not_to_be_disturbed_is_learned_for_marketing(tmp_path):
    async with open_house(tmp_path) as house:
        assert await house.send(UNDISTURBED) is Status.SUPPRESSED
        (entry,) = await house.entries()
        assert entry.reason is SuppressionReason.DO_NOT_DISTURB
        assert await house.send(UNDISTURBED, category=Category.MARKETING) is Status.SUPPRESSED
        assert len(house.calls("sms/store")) == 1
        assert await house.send(UNDISTURBED) is Status.SUPPRESSED
        assert len(house.calls("sms/store")) == 2
        assert await house.send(UNDISTURBED, category=Category.OTP) is Status.SENT


async def test_kolmeya_is_not_told_of_what_it_has_told(tmp_path):
    async with open_house(tmp_path) as house:
        await house.send(BLACKLISTED)
        await house.send(UNDISTURBED)
        await house.advance(91 * DAY)
        assert house.sizes("blacklist/store") == house.sizes("blacklist/destroy") == []


async def test_learned_entry_that_a_person_removes_is_removed_at_kolmeya(tmp_path):
    async with open_house(tmp_path, blacklist=(11900000001,)) as house:
        assert await house.send(ANA) is Status.SUPPRESSED
        (entry,) = await house.entries(address=ANA)
        await house.engine.suppressions.remove(entry.id)
        await house.settle()
        assert house.sizes("blacklist/destroy", 204) == [1]
        assert await house.send(ANA) is Status.SENT


# ---------------------------------------------------------------- what Kolmeya is told


async def test_who_opts_out_gets_nothing_by_other_ways_and_is_free_after_opting_in(tmp_path):
    async with open_house(tmp_path) as house:
        opted_out = await house.suppress(ANA)
        await house.settle()
        assert await house.store(ANA) == "blacklist"
        await house.engine.suppressions.remove(opted_out)
        await house.settle()
        assert await house.store(ANA) is None
        assert await house.send(ANA) is Status.SENT


async def test_code_that_kolmeya_holds_back_because_it_was_told_to_is_not_learned(tmp_path):
    async with open_house(tmp_path) as house:
        opted_out = await house.suppress(ANA, category=Category.MARKETING)
        await house.settle()
        assert await house.send(ANA, category=Category.OTP) is Status.SUPPRESSED
        assert [entry.reason for entry in await house.entries()] == ["opt_out"]
        await house.engine.suppressions.remove(opted_out)
        await house.settle()
        assert await house.send(ANA, category=Category.OTP) is Status.SENT


async def test_phone_that_was_on_kolmeyas_blacklist_before_stays_there(tmp_path):
    async with open_house(tmp_path, blacklist=(11900000001,)) as house:
        assert await house.send(ANA) is Status.SUPPRESSED
        opted_out = await house.suppress(ANA)
        await house.settle()
        await house.engine.suppressions.remove(opted_out)
        await house.settle()
        assert house.sizes("blacklist/destroy") == []
        assert await house.store(ANA) == "blacklist"


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.TIMEOUT, FaultKind.THROTTLE])
async def test_list_reaches_kolmeyas_blacklist_in_batches_whatever_goes_wrong(tmp_path, kind):
    addresses = numbers(2001)
    faults = tuple(
        Fault(kind=kind, every=2, next=1, path=f"blacklist/{change}")
        for change in ("store", "destroy")
    )
    async with open_house(tmp_path, faults=faults, timeout_seconds=0.01) as house:
        await house.import_many(addresses, days=1)
        await house.settle()
        assert 0 < len(house.told("blacklist/store")) < 2001
        await house.advance(61)
        assert sorted(house.told("blacklist/store")) == sorted(national(addresses))
        assert house.blacklist == set(national(addresses))
        await house.advance(DAY)
        assert 0 < len(house.told("blacklist/destroy")) < 2001
        await house.advance(61)
        assert sorted(house.told("blacklist/destroy")) == sorted(national(addresses))
        assert house.blacklist == set()
        assert sorted(house.sizes("blacklist/store", 201)) == [1, 1000, 1000]
        assert sorted(house.sizes("blacklist/destroy", 204)) == [1, 1000, 1000]


async def test_numbers_of_elsewhere_spoil_no_call(tmp_path):
    async with open_house(tmp_path) as house:
        await house.suppress("+12025550123")
        await house.suppress(ANA)
        await house.settle()
        assert house.told("blacklist/store") == [11900000001]


async def test_reason_that_is_not_named_is_kept_from_kolmeya(tmp_path):
    async with open_house(tmp_path, reasons=["opt_out"]) as house:
        await house.suppress(ANA, SuppressionReason.COMPLAINT)
        await house.settle()
        assert house.sizes("blacklist/store") == []


async def test_account_with_another_token_tells_nothing_and_loses_nothing(tmp_path):
    async with open_house(tmp_path, token="another-token") as house:
        await house.suppress(ANA)
        await house.settle()
        assert house.sizes("blacklist/store", 401) == [1]
        await house.bench.control("switches", token="kolmeya-simulator")
        await house.advance(601)
        assert house.blacklist == {11900000001}
