"""Whatever happens to messages, statistics are what counting all messages would give."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from recado_core import (
    InDoubtError,
    Outcome,
    PermanentSendError,
    SendResult,
    SuppressionReason,
    TransientSendError,
)
from recado_core.engine.accept.accepting import Draft
from recado_core.engine.failures import ConflictError, NotFoundError
from recado_core.engine.settings import RouteSettings
from recado_core.engine.statistics.statistics import Group, StatsQuery
from recado_core.engine.store.schema import events, messages, stats, stats_changes
from recado_core.engine.suppressions.suppressions import NewSuppression
from recado_core.testing import Clock

pytestmark = pytest.mark.whole

ZONE = "America/New_York"
BEFORE_SUMMER_TIME = datetime(2026, 3, 7, 20, tzinfo=UTC)
ACCOUNTS = {"main": {"price": "0.08"}, "backup": {"price": "0.065432", "on_doubt": "resend"}}
PRICES = {"main": 80_000, "backup": 65_432}
CAMPAIGNS = ("spring", "autumn")
GONE = {"sent", "delivered", "read", "undelivered"}
COUNTED = GONE | {"expired", "rejected", "failed", "suppressed", "canceled", "unknown"}
SUPPRESSED = "+5511900000009"


def outcome(kind):
    """Let the vendor say the same of every message, whose reference it gives if it took them."""

    def answer(batch):
        return [
            SendResult(
                message_id=each.id,
                outcome=kind,
                provider_ref=f"ref-{each.id}" if kind is Outcome.ACCEPTED else None,
            )
            for each in batch.messages
        ]

    return answer


ANSWERS = [
    *map(outcome, Outcome),
    TransientSendError("busy"),
    PermanentSendError("no", code="400"),
    InDoubtError("no answer"),
]
ACCEPT = st.fixed_dictionaries(
    {
        "to": st.sampled_from(["+5511900000001", "+5511900000002", SUPPRESSED]),
        "text": st.sampled_from(["oi", "oi " * 80, "olá ç " * 30]),
        "cost_centre": st.sampled_from([None, "shop"]),
        "scheduled_in": st.sampled_from([None, None, 3600, 40_000]),
        "expires_in": st.sampled_from([None, None, 90, 50_000]),
    }
)
NUMBER = st.integers(0, 50)
STEPS = st.one_of(
    st.tuples(st.just("accept"), ACCEPT),
    st.tuples(st.just("accept"), ACCEPT),
    st.tuples(st.just("walk"), st.sampled_from(CAMPAIGNS), st.lists(ACCEPT, max_size=4)),
    st.tuples(st.just("answer"), st.sampled_from(list(ACCOUNTS)), st.sampled_from(ANSWERS)),
    st.tuples(st.just("answer"), st.sampled_from(list(ACCOUNTS)), st.sampled_from(ANSWERS)),
    st.tuples(st.just("pass"), st.sampled_from([0, 1, 100, 3600, 30_000])),
    st.tuples(st.just("pass"), st.sampled_from([0, 1, 100, 3600, 30_000])),
    st.tuples(
        st.just("receipt"),
        st.sampled_from(list(ACCOUNTS)),
        NUMBER,
        st.sampled_from(["sent", "delivered", "read", "undelivered", "expired", "rejected"]),
        st.integers(1, 2),
        st.booleans(),
    ),
    st.tuples(
        st.just("write"),
        st.sampled_from(list(ACCOUNTS)),
        st.sampled_from(["+5511900000001", "+5511900000007"]),
        st.sampled_from(["oi", "SAIR", "VOLTAR"]),
        NUMBER,
    ),
    st.tuples(st.just("refuse"), NUMBER),
    st.tuples(st.just("cancel"), NUMBER),
    st.tuples(st.just("resend"), NUMBER),
    st.tuples(st.just("pause"), st.sampled_from(list(ACCOUNTS))),
    st.tuples(st.just("resume"), st.sampled_from(list(ACCOUNTS))),
)


class Play:
    """Does to a house what the steps say."""

    def __init__(self, house):
        self.house = house
        self.written = 0

    async def ids(self):
        async with self.house.database.read() as connection:
            found = await connection.execute(
                sa.select(messages.c.id)
                .where(messages.c.direction == "out")
                .order_by(messages.c.id.desc())
                .limit(30)
            )
            return list(found.scalars()) or ["nobody"]

    async def pick(self, number):
        ids = await self.ids()
        return ids[number % len(ids)]

    def draft(self, said):
        now = self.house.clock.now()
        fields = {name: said[name] for name in ("to", "text", "cost_centre")}
        scheduled, expires = said["scheduled_in"], said["expires_in"]
        if scheduled:
            fields["scheduled_at"] = now + timedelta(seconds=scheduled)
        if expires:
            fields["expires_at"] = now + timedelta(seconds=expires + (scheduled or 0))
        return fields

    async def accept(self, said):
        await self.house.accept(**self.draft(said))

    async def walk(self, campaign, said):
        async def move_on(_connection, _faults):
            return True

        await self.house.engine.accept.walk(
            [Draft(**self.draft(each)) for each in said],
            [{"campaign_id": campaign, "recipient": place} for place in range(1, len(said) + 1)],
            move_on,
        )

    async def answer(self, account, said):
        self.house.vendors[account].answers.append(said)

    async def pass_(self, seconds):
        self.house.clock.advance(seconds)
        for _ in range(4):
            await self.house.engine.run_once()

    async def receipt(self, account, number, status, times, is_early):
        message_id = await self.pick(number)
        said = {"status": status}
        said |= {"provider_ref": f"ref-{message_id}"} if is_early else {"message_id": message_id}
        for _ in range(times):
            await self.house.webhook(["status", said], account=account)
        await self.house.engine.receive.process()

    async def write(self, account, sender, text, number):
        self.written += 1
        at = self.house.clock.now()
        said = {
            "provider_ref": f"mo-{at}-{self.written}",
            "sender": sender,
            "text": text,
            "received_at": at - timedelta(hours=number),
        }
        if number % 2:
            said["answers_message_id"] = await self.pick(number)
        for _ in range(2):
            await self.house.webhook(["message", said], account=account)
        await self.house.engine.receive.process()

    async def refuse(self, number):
        shown = await self.house.show(await self.pick(number)) if await self.any() else None
        for attempt in shown.attempts[-1:] if shown else ():
            said = {"batch_reference": attempt.id, "code": "late"}
            await self.house.webhook(["rejected", said], account=attempt.account)
        await self.house.engine.receive.process()

    async def any(self):
        return await self.ids() != ["nobody"]

    async def cancel(self, number):
        with suppress(ConflictError, NotFoundError):
            await self.house.engine.messages.cancel(await self.pick(number))

    async def resend(self, number):
        with suppress(ConflictError, NotFoundError):
            await self.house.engine.accept.resend(await self.pick(number))

    async def pause(self, account):
        await self.house.engine.accounts.pause(account)

    async def resume(self, account):
        await self.house.engine.accounts.resume(account)


async def recount(house):
    """Count all messages, one by one; by the key of statistics and the metric."""
    async with house.database.read() as connection:
        rows = [dict(row) for row in (await connection.execute(sa.select(messages))).mappings()]
        told = [dict(row) for row in (await connection.execute(sa.select(events))).mappings()]
    by_id = {row["id"]: row for row in rows}
    steps = {}
    for event in sorted(told, key=lambda event: event["id"]):
        steps.setdefault(event["message_id"], []).append(event)
    found = Counter()
    for row in rows:
        day = row["created_at"].astimezone(ZoneInfo(ZONE)).date().isoformat()
        if row["direction"] == "in":
            mt = by_id.get(row["answers_id"], {"campaign_id": None, "cost_centre": None})
            whose = mt["campaign_id"] or "", mt["cost_centre"] or ""
            found[day, row["account"], "sms", *whose, "received"] += 1
            found[day, row["account"], "sms", *whose, "replies"] += row["answers_id"] is not None
            continue
        whose = row["campaign_id"] or "", row["cost_centre"] or ""
        found[day, steps[row["id"]][0]["account"], "sms", *whose, "accepted"] += 1
        key = (day, row["account"], "sms", *whose)
        if row["status"] in COUNTED:
            found[*key, row["status"]] += 1
        went = any(step["to_status"] in GONE for step in steps[row["id"]])
        assert row["cost"] == (row["segments"] * PRICES[row["account"]] if went else None)
        if went:
            found[*key, "taken"] += 1
            found[*key, "segments"] += row["segments"]
            found[*key, "cost"] += row["cost"]
    return Counter({key: value for key, value in found.items() if value})


async def counted(house):
    """Return what statistics hold, folded and not, by their key and the metric."""
    found = Counter()
    async with house.database.read() as connection:
        for table in (stats, stats_changes):
            names = ("day", "account", "channel", "campaign_id", "cost_centre", "metric", "value")
            statement = sa.select(*(table.c[name] for name in names)).where(table.c.day != "")
            for row in await connection.execute(statement):
                found[tuple(row[:-1])] += row.value
    return Counter({key: value for key, value in found.items() if value})


async def check(house):
    true = await recount(house)
    assert await counted(house) == true
    engine = house.engine
    every = StatsQuery(
        since=date(2026, 1, 1), until=date(2027, 1, 1), group_by=(Group.CAMPAIGN, Group.ACCOUNT)
    )
    told = await engine.statistics.query(every)
    sums = Counter()
    for (_, _, _, _, _, metric), value in true.items():
        sums[metric] += value
    totals = told.totals
    assert totals.sent == sums["taken"] == sum(item.sent for item in told.items)
    assert totals.delivered == sums["delivered"] + sums["read"]
    assert totals.cost == Decimal(sums["cost"]) / 1_000_000
    assert (totals.replies, totals.segments) == (sums["replies"], sums["segments"])
    of_accounts = await engine.statistics.of_accounts()
    assert sum(of_accounts.values(), Counter()) == +sums
    of_campaigns = await engine.statistics.of_campaigns([*CAMPAIGNS, "never"])
    for campaign, counts in of_campaigns.items():
        expected = Counter()
        for (_, _, _, whose, _, metric), value in true.items():
            expected[metric] += value * (whose == campaign)
        assert +counts == +expected


@given(steps=st.lists(STEPS, min_size=5, max_size=40))
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.generate],  # all examples share one database: what failed is not to be made less
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_statistics_are_a_full_recount_whatever_happens(open_house, steps):
    routes = [RouteSettings(accounts=list(ACCOUNTS))]
    clock = Clock(BEFORE_SUMMER_TIME)
    async with open_house(
        ACCOUNTS, clock=clock, routes=routes, timezone=ZONE, retry_delays=(60.0,)
    ) as house:
        await house.engine.suppressions.add(
            NewSuppression(address=SUPPRESSED, reason=SuppressionReason.MANUAL)
        )
        play = Play(house)
        for name, *arguments in steps:
            await getattr(play, {"pass": "pass_"}.get(name, name))(*arguments)
        await check(house)
        for account in ACCOUNTS:
            await house.engine.accounts.resume(account)
        await play.pass_(10 * 86_400)
        await check(house)
        async with house.database.read() as connection:
            left = await connection.execute(sa.select(sa.func.count()).select_from(stats_changes))
            assert left.scalar() == 0


@pytest.mark.parametrize("database_url", ["sqlite_url"], indirect=True)
async def test_the_play_reaches_every_status(open_house):
    """A play that reached few of them would prove little."""
    routes = [RouteSettings(accounts=list(ACCOUNTS))]
    async with open_house(ACCOUNTS, routes=routes, timezone=ZONE, retry_delays=()) as house:
        play = Play(house)
        said = {"text": "oi", "cost_centre": None, "scheduled_in": None, "expires_in": None}
        for status in ("sent", "delivered", "read", "undelivered", "rejected"):
            message_id = await house.accept(to="+5511900000001")
            await house.settle()
            await house.webhook(["status", {"message_id": message_id, "status": status}])
            await house.settle()
        await house.engine.suppressions.add(
            NewSuppression(address=SUPPRESSED, reason=SuppressionReason.MANUAL)
        )
        await play.accept(said | {"to": SUPPRESSED})
        for answers in ([TransientSendError("busy")] * 2, [outcome(Outcome.UNKNOWN)]):
            for account, answer in zip(ACCOUNTS, answers, strict=False):
                await play.answer(account, answer)
            await play.accept(said | {"to": "+5511900000002"})
            await house.settle()
            await house.advance(600)  # whoever failed is tried again
        await play.accept(said | {"to": "+5511900000002", "scheduled_in": 60})
        await play.cancel(0)
        await house.engine.accounts.pause("main")
        await house.engine.accounts.pause("backup")
        await play.accept(said | {"to": "+5511900000002", "expires_in": 60})
        await house.advance(61)
        await check(house)
        assert {metric for *_, metric in await counted(house)} >= COUNTED
