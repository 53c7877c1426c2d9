"""Campaigns: made, tried, started, held, ended; told of; run again by a schedule."""

import json
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from recado_core import (
    AccountError,
    ContentError,
    Deferral,
    Media,
    OnFailure,
    Refusal,
    TransientSendError,
)
from recado_core.engine.campaigns import audience_rows, campaigning
from recado_core.engine.campaigns.campaigns import CampaignFilter, CampaignRequest
from recado_core.engine.clients.idempotency import IdempotencyKey
from recado_core.engine.failures import ConflictError, DraftError, NotFoundError
from recado_core.testing.clock import MONDAY_NOON

from .campaign_house import Campaigner, number

pytestmark = pytest.mark.whole

MINUTE = timedelta(minutes=1)
PICTURES = [Media(url="https://example.com/a.png")]


def refuse(message):  # noqa: ARG001  # whatever it is
    """Refuse a text as a provider that will not carry it."""
    raise ContentError("refused by the vendor")


@pytest.fixture
def campaigner(house, tmp_path):
    return Campaigner(house, tmp_path)


class Judge:
    """A check that says what the test tells it to, by address."""

    id = "judge"
    on_failure = OnFailure.ALLOW
    time_limit = 5.0

    def __init__(self):
        self.said = {}

    async def check(self, recipients):
        return [self.said.get(recipient.address) for recipient in recipients]


@pytest.fixture
async def judged(open_house, tmp_path):
    """A campaigner whose house has a check, and the check."""
    judge = Judge()
    async with open_house(checks=[judge], accounts={"main": {"price": Decimal("0.08")}}) as house:
        yield Campaigner(house, tmp_path), judge


@pytest.fixture
async def jobbed(open_house, tmp_path):
    """A campaigner whose provider knows jobs."""
    async with open_house(capabilities={"jobs": True}) as house:
        vendor = house.vendor
        vendor.jobs, vendor.job_error = [], None

        async def switch(name, job):
            if vendor.job_error is not None:
                raise vendor.job_error
            vendor.jobs.append((name, job))

        vendor.hold_job = partial(switch, "hold")
        vendor.release_job = partial(switch, "release")
        yield Campaigner(house, tmp_path)


def small_steps(monkeypatch, *, at_once=4, queued=10):
    monkeypatch.setattr(campaigning, "AT_ONCE", at_once)
    monkeypatch.setattr(campaigning, "QUEUED", queued)


# ---------------------------------------------------------------- made


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"name": " "}, ["/name"]),
        ({"name": "x" * 121, "throttle": "fast"}, ["/name", "/throttle"]),
        ({"text": None}, ["/text"]),
        ({"text": "oi {{"}, ["/variables"]),
        ({"text": " "}, ["/text"]),
        ({"text": "x" * 5000}, ["/text"]),
        ({"media": PICTURES}, ["/media"]),
        ({"text": "oi {{ name }}", "media": PICTURES}, ["/media"]),
        ({"text": None, "template": "nothing"}, ["/template"]),
        ({"text": "oi", "template": "x"}, ["/template"]),
        ({"channel": "pigeon"}, ["/channel"]),
        ({"account": "nobody"}, ["/account"]),
        ({"expires_at": MONDAY_NOON}, ["/expires_at"]),
        (
            {"scheduled_at": MONDAY_NOON + 2 * MINUTE, "expires_at": MONDAY_NOON + MINUTE},
            ["/expires_at"],
        ),
        ({"scheduled_at": MONDAY_NOON.replace(tzinfo=None)}, ["/scheduled_at"]),
        ({"cost_centre": "x" * 65, "metadata": {"x": "y" * 9000}}, ["/cost_centre", "/metadata"]),
    ],
)
async def test_campaign_of_which_nothing_could_be_sent_is_refused(campaigner, fields, pointers):
    with pytest.raises(DraftError) as refused:
        await campaigner.create(**fields)
    assert [fault.pointer for fault in refused.value.faults] == pointers
    assert (await campaigner.campaigns.list(CampaignFilter())).items == []


async def test_campaign_is_made_once_under_one_idempotency_key(campaigner):
    key = IdempotencyKey(owner="k", key="1", fingerprint="f")
    request = CampaignRequest(name="sale", text="oi", throttle="5/1s", cost_centre="shop")
    first = await campaigner.campaigns.create(request, key)
    again = await campaigner.campaigns.create(request, key)
    assert (first.status, again.replayed, again.body) == (201, True, first.body)
    view = json.loads(first.body)
    assert (view["status"], view["category"], view["priority"]) == ("draft", "marketing", 3)
    assert (view["throttle"], view["cost_centre"], view["progress"]) == ("5/1s", "shop", 0.0)
    assert len((await campaigner.campaigns.list(CampaignFilter())).items) == 1


async def test_campaigns_are_listed_page_by_page_and_by_status(campaigner):
    ids = [await campaigner.create(name=f"sale {index}") for index in range(3)]
    page = await campaigner.campaigns.list(CampaignFilter(), 2)
    rest = await campaigner.campaigns.list(CampaignFilter(), 2, page.next_cursor)
    assert [each.id for each in (*page.items, *rest.items)] == ids[::-1]
    assert rest.next_cursor is None
    await campaigner.campaigns.cancel(ids[1])
    wanted = CampaignFilter(status="canceled")
    assert [each.id for each in (await campaigner.campaigns.list(wanted)).items] == [ids[1]]
    assert (await campaigner.campaigns.list(CampaignFilter(name="\0"))).items == []


async def test_what_is_not_there_is_not_found(campaigner):
    campaigns = campaigner.campaigns
    for call in (
        campaigns.get,
        campaigns.test,
        campaigns.start,
        campaigns.pause,
        campaigns.resume,
        campaigns.cancel,
        campaigns.dry_run,
        campaigns.recipients,
    ):
        with pytest.raises(NotFoundError):
            await call("no\0where")


# ---------------------------------------------------------------- sent


async def test_everyone_gets_one_message_and_the_campaign_is_finished(campaigner, monkeypatch):
    small_steps(monkeypatch)
    campaign_id = await campaigner.running(30, text="Oi {{ name }}", reference="r", priority=4)
    await campaigner.house.settle()
    assert campaigner.sent_to() == [number(index) for index in range(30)]
    assert {message.text for message in campaigner.house.vendor.sent} == {
        f"Oi Ana {index}" for index in range(30)
    }
    view = await campaigner.get(campaign_id)
    assert (view.status, view.position, view.progress) == ("finished", 30, 1.0)
    assert (view.stats.accepted, view.stats.sent, view.stats.segments) == (30, 30, 30)
    assert view.finished_at is not None
    kinds = [kind for kind, _ in await campaigner.told(campaign_id)]
    assert kinds == ["campaign.started", "campaign.finished"]
    _, last = (await campaigner.told(campaign_id))[-1]
    assert (last["name"], last["status"], last["recipients"]["valid"]) == ("sale", "finished", 30)
    assert last["messages"]["taken"] == 30


async def test_no_more_than_so_many_messages_are_queued_at_a_time(
    open_house, tmp_path, monkeypatch
):
    small_steps(monkeypatch)
    async with open_house(capabilities={"max_batch": 5}) as house:
        campaigner = Campaigner(house, tmp_path)
        await campaigner.running(30)
        house.vendor.answers = [AccountError("stop", code="1")]
        await house.engine.run_once()
        for _ in range(5):
            await house.engine.run_once()
        view = house.engine.accounts.by_name["main"]
        assert view.paused_at is not None
        listed = await house.engine.accounts.list()
        assert 4 <= listed[0].queued <= 10
        await house.engine.accounts.resume("main")
        await house.settle()
        assert campaigner.sent_to()[-1] == number(29)
        assert len(set(campaigner.sent_to())) == 30


async def test_campaign_is_finished_only_when_none_of_it_waits(campaigner):
    campaigner.house.vendor.answers = [TransientSendError("busy", code="503")]
    campaign_id = await campaigner.running(3)
    await campaigner.house.settle()
    view = await campaigner.get(campaign_id)
    assert (view.status, view.position, view.progress) == ("running", 3, 0.0)
    await campaigner.house.advance(120)
    assert (await campaigner.get(campaign_id)).status == "finished"
    assert len(set(campaigner.sent_to())) == 3


async def test_scheduled_campaign_starts_when_its_time_comes(campaigner):
    at = campaigner.house.clock.now() + 10 * MINUTE
    campaign_id = await campaigner.running(3, scheduled_at=at)
    assert (await campaigner.get(campaign_id)).status == "scheduled"
    assert (await campaigner.campaigns.start(campaign_id)).status == "scheduled", "a repeated call"
    await campaigner.house.advance(9 * 60)
    assert campaigner.sent_to() == []
    await campaigner.house.advance(60)
    view = await campaigner.get(campaign_id)
    assert (view.status, view.started_at) == ("finished", at)
    assert len(campaigner.sent_to()) == 3


async def test_campaign_without_recipients_does_not_start(campaigner):
    campaign_id = await campaigner.create()
    with pytest.raises(ConflictError, match="no recipients"):
        await campaigner.campaigns.start(campaign_id)
    with pytest.raises(ConflictError, match="no recipients"):
        await campaigner.campaigns.test(campaign_id)
    await campaigner.take(campaign_id, "phone\n123\n")
    with pytest.raises(ConflictError, match="no recipients"):
        await campaigner.campaigns.start(campaign_id)


class StoppedError(Exception):
    """Stands for whatever breaks an import off."""


async def break_off(campaigner, campaign_id):
    """Import ten recipients, and break off after the first five; return the file."""
    path = campaigner.file("phone\n" + "\n".join(number(index) for index in range(10, 20)))
    told = []

    def stop(done, size):
        told.append((done, size))
        if len(told) == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        await campaigner.house.engine.audiences.take(campaign_id, path, None, stop)
    assert (await campaigner.get(campaign_id)).recipients.unfinished == 1
    return path


@pytest.fixture
def _small_chunks(monkeypatch):
    monkeypatch.setattr(audience_rows, "CHUNK", 5)


@pytest.mark.usefixtures("_small_chunks")
async def test_scheduled_campaign_waits_for_the_end_of_its_import(campaigner):
    at = campaigner.house.clock.now() + MINUTE
    campaign_id = await campaigner.running(3, scheduled_at=at)
    path = await break_off(campaigner, campaign_id)
    await campaigner.house.advance(120)
    view = await campaigner.get(campaign_id)
    assert view.status == "scheduled"
    assert "broken off" in view.reason
    await campaigner.house.engine.audiences.take(campaign_id, path)
    await campaigner.house.settle()
    view = await campaigner.get(campaign_id)
    assert (view.status, view.reason, view.stats.sent) == ("finished", None, 13)


@pytest.mark.usefixtures("_small_chunks")
async def test_neither_resume_nor_a_run_goes_on_with_half_an_import(campaigner):
    campaign_id = await campaigner.running(3)
    await campaigner.campaigns.pause(campaign_id)
    path = await break_off(campaigner, campaign_id)
    with pytest.raises(ConflictError, match="broken off"):
        await campaigner.campaigns.resume(campaign_id)
    at = campaigner.house.clock.now()
    with pytest.raises(ConflictError, match="broken off"):
        await campaigner.campaigns.run_of_schedule(campaign_id, "s", at)
    await campaigner.house.engine.audiences.take(campaign_id, path)
    await campaigner.campaigns.resume(campaign_id)
    await campaigner.house.settle()
    assert (await campaigner.get(campaign_id)).stats.sent == 13


async def test_test_goes_to_the_first_five_who_are_not_sent_to_again(campaigner):
    campaign_id = await campaigner.create()
    rows = [number(0), "123", *(number(index) for index in range(1, 9))]
    await campaigner.take(campaign_id, "phone\n" + "\n".join(rows))
    tried = await campaigner.campaigns.test(campaign_id)
    assert [each.address for each in tried.recipients] == [number(index) for index in range(5)]
    await campaigner.house.settle()
    assert len(campaigner.sent_to()) == 5
    again = await campaigner.campaigns.test(campaign_id)
    assert [each.message_id for each in again.recipients] == [
        each.message_id for each in tried.recipients
    ]
    assert {each.status for each in again.recipients} == {"sent"}
    await campaigner.campaigns.start(campaign_id)
    with pytest.raises(ConflictError, match="comes before"):
        await campaigner.campaigns.test(campaign_id)
    await campaigner.house.settle()
    assert campaigner.sent_to() == [number(index) for index in range(9)]


async def test_throttle_holds_also_over_a_pause_and_another_process(
    open_house, tmp_path, monkeypatch
):
    small_steps(monkeypatch, at_once=100, queued=1000)
    async with open_house() as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.running(60, throttle="10/1s")
        counts = []
        for _ in range(10):
            await house.advance(0.2)
            counts.append(len(house.vendor.sent))
        assert counts == [2 * turn for turn in range(1, 11)]
        await campaigner.campaigns.pause(campaign_id)
        await house.advance(60)
        await campaigner.campaigns.resume(campaign_id)
        await house.settle()
        assert len(house.vendor.sent) == 30, "no more than a second's worth at once"
        clock = house.clock
        async with open_house(clock=clock) as other:
            await other.settle()
            assert other.vendor.sent == []
            clock.advance(0.5)
            await other.settle()
            await house.settle()
            assert len(other.vendor.sent) + len(house.vendor.sent) == 35


# ---------------------------------------------------------------- held and ended


async def test_of_a_paused_campaign_nothing_is_claimed_and_of_others_all(campaigner, monkeypatch):
    small_steps(monkeypatch, at_once=100, queued=1000)
    campaign_id = await campaigner.running(8)
    await campaigner.house.engine.campaigning.take_due()  # they are queued
    paused = await campaigner.campaigns.pause(campaign_id, "wrong price")
    assert (paused.status, paused.reason) == ("paused", "wrong price")
    single = await campaigner.house.accept(to=number(99))
    await campaigner.house.settle()
    assert campaigner.sent_to() == [number(99)]
    assert await campaigner.house.status(single) == "sent"
    assert (await campaigner.campaigns.pause(campaign_id, "again")).reason == "wrong price"
    resumed = await campaigner.campaigns.resume(campaign_id)
    assert (resumed.status, resumed.reason) == ("running", None)
    await campaigner.house.settle()
    assert len(campaigner.sent_to()) == 9
    kinds = [kind.partition(".")[2] for kind, _ in await campaigner.told(campaign_id)]
    assert kinds == ["started", "paused", "started", "finished"]


async def test_paused_campaign_goes_no_further(campaigner, monkeypatch):
    small_steps(monkeypatch)
    campaign_id = await campaigner.running(30)
    await campaigner.house.engine.run_once()
    await campaigner.campaigns.pause(campaign_id)
    position = (await campaigner.get(campaign_id)).position
    await campaigner.house.settle()
    assert (await campaigner.get(campaign_id)).position == position < 30
    assert len(campaigner.sent_to()) <= position


async def test_scheduled_campaign_that_is_paused_waits_for_its_time_again(campaigner):
    at = campaigner.house.clock.now() + 10 * MINUTE
    campaign_id = await campaigner.running(3, scheduled_at=at)
    await campaigner.campaigns.pause(campaign_id)
    assert (await campaigner.campaigns.resume(campaign_id)).status == "scheduled"
    await campaigner.campaigns.pause(campaign_id)
    await campaigner.house.advance(11 * 60)
    assert campaigner.sent_to() == []
    await campaigner.campaigns.resume(campaign_id)
    await campaigner.house.settle()
    assert len(campaigner.sent_to()) == 3


async def test_canceled_campaign_takes_back_all_that_has_not_gone(campaigner, monkeypatch):
    small_steps(monkeypatch)
    campaigner.house.vendor.answers = [TransientSendError("busy", code="503")]
    campaign_id = await campaigner.running(30)
    await campaigner.house.engine.run_once()
    queued = (await campaigner.get(campaign_id)).position
    canceled = await campaigner.campaigns.cancel(campaign_id)
    assert canceled.status == "canceled"
    await campaigner.house.settle()
    view = await campaigner.get(campaign_id)
    assert view.stats.statuses.canceled == queued == view.position
    assert view.finished_at is not None
    await campaigner.house.advance(3600)
    assert len(campaigner.house.vendor.batches) == 1, "only what went before"
    _, last = (await campaigner.told(campaign_id))[-1]
    assert (last["status"], last["messages"]["canceled"]) == ("canceled", queued)
    assert (await campaigner.campaigns.cancel(campaign_id)).status == "canceled"
    for call in (
        campaigner.campaigns.start,
        campaigner.campaigns.resume,
        campaigner.campaigns.pause,
    ):
        with pytest.raises(ConflictError, match="canceled"):
            await call(campaign_id)


async def test_message_that_comes_back_from_its_provider_is_taken_back_as_well(campaigner):
    campaign_id = await campaigner.running(2)

    async def cancel_meanwhile(_):
        await campaigner.campaigns.cancel(campaign_id)
        await campaigner.house.engine.campaigning.take_due()
        raise TransientSendError("busy", code="503")

    campaigner.house.vendor.send = cancel_meanwhile
    await campaigner.house.engine.run_once()
    await campaigner.house.advance(10)
    view = await campaigner.get(campaign_id)
    assert view.stats.statuses.canceled == 2
    assert view.finished_at is not None


async def test_finished_campaign_stays_so(campaigner):
    campaign_id = await campaigner.running(1)
    await campaigner.house.settle()
    for call in (
        campaigner.campaigns.start,
        campaigner.campaigns.pause,
        campaigner.campaigns.resume,
        campaigner.campaigns.cancel,
    ):
        with pytest.raises(ConflictError, match="finished"):
            await call(campaign_id)


async def test_draft_is_neither_paused_nor_resumed(campaigner):
    campaign_id = await campaigner.ready(1)
    for call in (campaigner.campaigns.pause, campaigner.campaigns.resume):
        with pytest.raises(ConflictError, match="draft"):
            await call(campaign_id)


async def test_campaign_whose_time_runs_out_sends_no_more(campaigner):
    ends = campaigner.house.clock.now() + MINUTE
    campaign_id = await campaigner.running(100, throttle="1/1s", expires_at=ends)
    await campaigner.house.advance(5)
    await campaigner.house.advance(120)
    view = await campaigner.get(campaign_id)
    assert (view.status, view.reason) == ("finished", "its time ran out (expires_at)")
    assert len(campaigner.sent_to()) == 1
    faults = [row["fault"] for row in await campaigner.audience(campaign_id)]
    assert faults == [None] * 100


# ---------------------------------------------------------------- faults


async def test_message_that_can_no_longer_be_made_is_its_recipients_fault(campaigner):
    campaign_id = await campaigner.ready(3)
    request = {"text": "Oi {{ city }}", "category": "marketing", "name": "sale"}

    async def change_text(connection):
        await connection.exec_driver_sql(
            f"UPDATE campaigns SET request = '{json.dumps(request)}'"  # noqa: S608  # the test's own
        )
        await connection.exec_driver_sql(
            'UPDATE recipients SET variables = \'{"city": "Rio"}\' WHERE position = 2'
        )

    await campaigner.house.database.write(change_text)
    await campaigner.campaigns.start(campaign_id)
    await campaigner.house.settle()
    assert campaigner.sent_to() == [number(1)]
    page = await campaigner.campaigns.recipients(campaign_id)
    assert [each.status for each in page.items] == ["invalid", "sent", "invalid"]
    assert "city" in page.items[0].fault
    view = await campaigner.get(campaign_id)
    assert (view.status, view.recipients.valid, view.recipients.invalid) == ("finished", 1, 2)


async def test_what_is_wrong_with_all_messages_pauses_the_campaign_and_spoils_nobody(
    open_house, tmp_path
):
    async with open_house() as house:
        campaigner = Campaigner(house, tmp_path)
        named = await campaigner.ready(3, account="main")
        routed = await campaigner.ready(12)
    async with open_house(accounts={"other": {}}, routes=[]) as house:
        campaigner = Campaigner(house, tmp_path)
        for campaign_id in (named, routed):
            await campaigner.campaigns.start(campaign_id)
        await house.settle()
        first, second = [await campaigner.get(each) for each in (named, routed)]
        assert (first.status, first.reason) == ("paused", "account: there is no 'main'")
        assert second.status == "paused"
        assert "no route" in second.reason
        assert (first.position, second.position) == (0, 0)
    async with open_house() as house:
        campaigner = Campaigner(house, tmp_path)
        for campaign_id in (named, routed):
            await campaigner.campaigns.resume(campaign_id)
        await house.settle()
        assert len(campaigner.sent_to()) == 15


@pytest.mark.parametrize("size", [3, 60])
@pytest.mark.parametrize("house_options", [{"routes": []}, {"kind": {"check_message": refuse}}])
async def test_test_of_which_no_message_can_be_made_spoils_nobody(
    open_house, tmp_path, size, house_options
):
    async with open_house(**house_options) as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.ready(size)
        with pytest.raises(DraftError, match=r"no route|refused by"):
            await campaigner.campaigns.test(campaign_id)
        view = await campaigner.get(campaign_id)
        assert (view.position, view.recipients.valid, view.recipients.invalid) == (0, size, 0)
    async with open_house(clock=house.clock) as house:
        campaigner = Campaigner(house, tmp_path)
        assert len((await campaigner.campaigns.test(campaign_id)).recipients) == min(size, 5)


@pytest.mark.parametrize(
    ("size", "fields"), [(60, {"throttle": "5/1s"}), (9, {}), (1, {"throttle": "1/1s"})]
)
async def test_few_at_a_time_of_whom_none_can_be_sent_to_pause_the_campaign(
    open_house, tmp_path, size, fields
):
    async with open_house(kind={"check_message": refuse}) as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.running(size, **fields)
        await house.advance(1)
        view = await campaigner.get(campaign_id)
        assert (view.status, view.position, view.recipients.invalid) == ("paused", 0, 0)
        assert "refused by the vendor" in view.reason


async def test_last_few_who_can_no_longer_be_sent_to_pause_the_campaign(
    open_house, tmp_path, monkeypatch
):
    small_steps(monkeypatch, at_once=5)
    refusing = []
    kind = {"check_message": lambda message: refuse(message) if refusing else None}
    async with open_house(kind=kind) as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.running(12)
        while (await campaigner.get(campaign_id)).position < 10:
            await house.engine.campaigning.take_due()
        refusing.append(True)
        await house.settle()
        view = await campaigner.get(campaign_id)
        assert (view.status, view.position, view.recipients.valid) == ("paused", 10, 12)
        refusing.clear()
        await campaigner.campaigns.resume(campaign_id)
        await house.settle()
        assert campaigner.sent_to() == [number(index) for index in range(12)]


async def test_few_who_alone_can_not_be_sent_to_do_not_hold_the_others_up(
    open_house, tmp_path, monkeypatch
):
    small_steps(monkeypatch)
    lost = {number(index) for index in (0, 1, 2, 3, 4, 10, 11)}
    kind = {"check_message": lambda message: refuse(message) if message.to in lost else None}
    async with open_house(kind=kind) as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.running(12)
        await house.settle()
        view = await campaigner.get(campaign_id)
        assert (view.status, view.recipients.invalid) == ("finished", len(lost))
        assert campaigner.sent_to() == [number(index) for index in range(5, 10)]


# ---------------------------------------------------------------- told


async def test_dry_run_tells_what_would_come_of_it_and_sends_nothing(judged):
    campaigner, judge = judged
    campaign_id = await campaigner.ready(8, text="x" * 161)
    later = campaigner.house.clock.now() + MINUTE
    judge.said = {
        number(1): Refusal(check="judge", reason="on the list"),
        number(2): Refusal(check="judge", reason="on the list"),
        number(3): Deferral(check="judge", reason="at night", until=later),
    }
    seen = []
    run = await campaigner.campaigns.dry_run(campaign_id, lambda *told: seen.append(told))
    assert (run.recipients, run.messages, run.deferred, run.suppressed) == (8, 6, 1, 2)
    assert (run.segments, run.cost) == (12, Decimal("0.96"))
    (reason,) = run.suppressions
    assert (reason.check, reason.reason, reason.count) == ("judge", "on the list", 2)
    assert [example.line for example in reason.examples] == [3, 4]
    assert all("*" in example.address for example in reason.examples)
    assert [each.count for each in run.deferrals] == [1]
    assert seen[-1] == (8, 8)
    await campaigner.house.settle()
    assert campaigner.sent_to() == []
    assert (await campaigner.get(campaign_id)).position == 0


async def test_suppressed_are_told_of_and_what_was_sent_is_paid_for(judged):
    campaigner, judge = judged
    judge.said = {number(1): Refusal(check="judge", reason="on the list")}
    campaign_id = await campaigner.running(3)
    await campaigner.house.settle()
    page = await campaigner.campaigns.recipients(campaign_id)
    told = [(each.status, each.cost, each.code) for each in page.items]
    paid = Decimal("0.08")
    assert told == [("sent", paid, None), ("suppressed", None, "judge"), ("sent", paid, None)]
    stats = (await campaigner.get(campaign_id)).stats
    assert (stats.cost, stats.statuses.suppressed) == (Decimal("0.16"), 1)


async def test_recipients_are_told_page_by_page_by_status_and_all_in_an_export(
    campaigner, monkeypatch
):
    small_steps(monkeypatch)
    campaign_id = await campaigner.create(throttle="5/1s")
    rows = [number(0), "123", number(0), *(number(index) for index in range(1, 11))]
    await campaigner.take(campaign_id, "phone\n" + "\n".join(rows))
    await campaigner.campaigns.start(campaign_id)
    await campaigner.house.advance(1)
    campaigns = campaigner.campaigns
    found, cursor = [], None
    while True:
        page = await campaigns.recipients(campaign_id, 5, cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [each.position for each in found] == list(range(1, 14))
    counts = {}
    for each in found:
        counts[each.status] = counts.get(each.status, 0) + 1
    assert counts["invalid"] == counts["duplicate"] == 1
    assert counts["sent"] >= 2
    for status, count in counts.items():
        some = (await campaigns.recipients(campaign_id, 500, None, str(status))).items
        assert [each.status for each in some] == [status] * count
    half = counts["sent"] - 1
    first = await campaigns.recipients(campaign_id, half, None, "sent")
    rest = await campaigns.recipients(campaign_id, half, first.next_cursor, "sent")
    assert len(first.items) + len(rest.items) == counts["sent"]
    assert rest.items[0].position > first.items[-1].position
    of_all = await campaigns.recipients(campaign_id, 5)
    for cursor, status in [
        *((first.next_cursor, each) for each in (None, "pending", "invalid", "delivered")),
        *((of_all.next_cursor, each) for each in ("sent", "pending", "deleted")),
    ]:
        with pytest.raises(DraftError, match="another"):
            await campaigns.recipients(campaign_id, 5, cursor, status)
    exported = [each async for some in campaigns.export(campaign_id) for each in some]
    assert exported == found
    with pytest.raises(NotFoundError):
        await anext(campaigns.export("nowhere"))


# ---------------------------------------------------------------- runs of a schedule


async def test_occurrence_of_a_schedule_is_one_run_with_the_same_audience(campaigner):
    campaign_id = await campaigner.ready(3)
    at = campaigner.house.clock.now()
    run = await campaigner.campaigns.run_of_schedule(campaign_id, "s", at)
    assert await campaigner.campaigns.run_of_schedule(campaign_id, "s", at) == run
    await campaigner.house.settle()
    other = await campaigner.campaigns.run_of_schedule(campaign_id, "s", at + MINUTE)
    await campaigner.house.settle()
    assert campaigner.sent_to() == sorted(2 * [number(index) for index in range(3)])
    views = [await campaigner.get(each) for each in (run, other)]
    assert [(view.status, view.schedule_id, view.stats.sent) for view in views] == [
        ("finished", "s", 3)
    ] * 2
    assert (await campaigner.get(campaign_id)).status == "draft"
    listed = await campaigner.campaigns.list(CampaignFilter(schedule_id="s"))
    assert {each.id for each in listed.items} == {run, other}
    with pytest.raises(ConflictError, match="audience is that of"):
        await campaigner.take(run, f"phone\n{number(9)}")


async def test_runs_of_a_schedule_are_left_out_of_the_list_by_an_empty_one(campaigner):
    campaign_id = await campaigner.ready(1)
    await campaigner.campaigns.run_of_schedule(campaign_id, "s", campaigner.house.clock.now())
    assert len((await campaigner.campaigns.list(CampaignFilter())).items) == 2
    (only,) = (await campaigner.campaigns.list(CampaignFilter(schedule_id=""))).items
    assert only.id == campaign_id


async def test_what_was_canceled_or_has_no_audience_does_not_run_again(campaigner):
    at = campaigner.house.clock.now()
    empty = await campaigner.create()
    with pytest.raises(ConflictError, match="no recipients"):
        await campaigner.campaigns.run_of_schedule(empty, "s", at)
    canceled = await campaigner.ready(1)
    await campaigner.campaigns.cancel(canceled)
    with pytest.raises(ConflictError, match="canceled"):
        await campaigner.campaigns.run_of_schedule(canceled, "s", at)
    with pytest.raises(NotFoundError):
        await campaigner.campaigns.run_of_schedule("nowhere", "s", at)


async def test_who_can_not_be_sent_to_in_one_run_is_sent_to_in_the_next(open_house, tmp_path):
    lost = {number(1)}
    kind = {"check_message": lambda message: refuse(message) if message.to in lost else None}
    async with open_house(kind=kind) as house:
        campaigner = Campaigner(house, tmp_path)
        campaign_id = await campaigner.ready(3)
        at = house.clock.now()
        run = await campaigner.campaigns.run_of_schedule(campaign_id, "s", at)
        await house.settle()
        view = await campaigner.get(run)
        assert (view.status, view.stats.sent) == ("finished", 2)
        assert "position 2: not sent: refused by the vendor" in view.reason
        assert (await campaigner.get(campaign_id)).recipients.valid == 3
        lost.clear()
        other = await campaigner.campaigns.run_of_schedule(campaign_id, "s", at + MINUTE)
        await house.settle()
        view = await campaigner.get(other)
        assert (view.stats.sent, view.reason) == (3, None)


async def test_each_run_has_as_much_time_as_its_campaign_had(campaigner):
    clock = campaigner.house.clock
    campaign_id = await campaigner.ready(3, expires_at=clock.now() + MINUTE)
    clock.advance(7200)
    run = await campaigner.campaigns.run_of_schedule(campaign_id, "s", clock.now())
    assert (await campaigner.get(run)).expires_at == clock.now() + MINUTE
    await campaigner.house.settle()
    assert (await campaigner.get(run)).stats.sent == 3


# ---------------------------------------------------------------- jobs at a provider


async def test_job_at_the_provider_is_held_and_released_with_the_campaign(jobbed):
    campaign_id = await jobbed.running(100, throttle="1/1s", account="main", job="5000001")
    assert jobbed.house.vendor.jobs == []
    await jobbed.campaigns.pause(campaign_id, "wrong price")
    await jobbed.campaigns.resume(campaign_id)
    await jobbed.campaigns.cancel(campaign_id)
    assert jobbed.house.vendor.jobs == [
        ("hold", "5000001"),
        ("release", "5000001"),
        ("hold", "5000001"),
    ]
    view = await jobbed.get(campaign_id)
    assert (view.job, view.reason) == ("5000001", None)


async def test_campaign_is_paused_even_if_its_job_is_not_and_says_so(jobbed):
    campaign_id = await jobbed.running(100, throttle="1/1s", account="main", job="5000001")
    jobbed.house.vendor.job_error = TransientSendError("busy", code="503")
    paused = await jobbed.campaigns.pause(campaign_id, "wrong price")
    assert paused.status == "paused"
    assert paused.reason == (
        "wrong price; its job 5000001 could not be paused at the provider: busy"
    )
    jobbed.house.vendor.job_error = None
    await jobbed.campaigns.pause(campaign_id)
    assert jobbed.house.vendor.jobs == [("hold", "5000001")], "asked again, it is tried again"


@pytest.mark.parametrize(
    "fields", [{"job": "1"}, {"job": "", "account": "main"}, {"job": "x" * 65, "account": "main"}]
)
async def test_job_is_of_one_account(jobbed, fields):
    with pytest.raises(DraftError) as refused:
        await jobbed.create(**fields)
    assert [fault.pointer for fault in refused.value.faults] == ["/job"]


async def test_account_whose_provider_knows_no_jobs_takes_none(campaigner):
    with pytest.raises(DraftError, match="knows no jobs"):
        await campaigner.create(account="main", job="1")


async def test_run_of_a_schedule_has_no_job(jobbed):
    campaign_id = await jobbed.ready(1, account="main", job="5000001")
    at = jobbed.house.clock.now()
    run = await jobbed.campaigns.run_of_schedule(campaign_id, "s", at)
    assert (await jobbed.get(run)).job is None
