import asyncio
import json
from datetime import timedelta

import pytest
from recado_core import (
    Category,
    ConfigurationError,
    Deferral,
    OnFailure,
    Recipient,
    Refusal,
    TransientSendError,
)
from recado_core.engine.accept.accepting import BatchRequest, Draft
from recado_core.engine.checks.checking import CLEAR, Checking
from recado_core.engine.checks.own import own_checks
from recado_core.engine.plugins import load_plugins
from recado_core.engine.runtime import Engine
from recado_core.engine.settings import CheckSettings, EngineSettings, QuietHoursSettings
from recado_core.engine.store.documents import read_document
from recado_core.testing import Clock
from recado_core.testing.check import TAKEN

ANA, BIA, EVA = "+5511900000001", "+5511900000002", "+5511900000003"
CPF = "123.456.789-09"
NOON = Clock().now()
HOUR = timedelta(hours=1)


@pytest.fixture
def database_url(sqlite_url):
    """What a check decides does not depend on the database."""
    return sqlite_url


class Blacklist:
    """A check that a test can fill, break, delay and confuse."""

    def __init__(self, *addresses, name="blacklist", on_failure=OnFailure.HOLD):
        self.id = name
        self.on_failure = on_failure
        self.time_limit = 5.0
        self.addresses = set(addresses)
        self.error = None
        self.delay = 0.0
        self.extra = []
        self.until = None
        self.asked: list[list[Recipient]] = []
        self.at_once = self.most_at_once = 0

    async def check(self, recipients):
        self.asked.append(list(recipients))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.delay)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        return [
            self.refuse() if recipient.address in self.addresses else None
            for recipient in recipients
        ] + self.extra

    def refuse(self):
        return Refusal(check=self.id, reason=f"on the {self.id}", until=self.until)

    @property
    def sizes(self):
        return [len(call) for call in self.asked]


class Siesta(Blacklist):
    """As above, but those on the list only have to wait."""

    def __init__(self, *addresses, name="siesta", until=NOON + HOUR, **fields):
        super().__init__(*addresses, name=name, **fields)
        self.until = until

    def refuse(self):
        return Deferral(check=self.id, reason=f"waits for the {self.id}", until=self.until)


class BlacklistUntil(Blacklist):
    """As above, but the list ends at a time."""

    def __init__(self, *addresses, until):
        super().__init__(*addresses)
        self.until = until

    async def check(self, recipients):
        said = await super().check(recipients)
        return [
            answer if recipient.at < self.until else None
            for recipient, answer in zip(recipients, said, strict=True)
        ]


def broken(**fields):
    check = Blacklist(ANA, name="broken", **fields)
    check.error = ConnectionError("the list can't be reached")
    return check


def late(**fields):
    check = Blacklist(ANA, name="late", **fields)
    check.time_limit, check.delay = 0.01, 60.0
    return check


def confused(**fields):
    check = Blacklist(ANA, name="confused", **fields)
    check.extra = [None]
    return check


def answering(said):
    """Return what makes a check that answers this, whatever it is asked."""

    def make(**fields):
        check = Blacklist(name="answering", **fields)

        async def answer(_recipients):
            return said

        check.check = answer
        return check

    return make


NONSENSE = [
    answering(None),
    answering([True, False]),
    answering([None, Deferral(check="x", reason="x", until=NOON.replace(tzinfo=None))]),
    answering([None, Refusal(check="x", reason="x", until=NOON.replace(tzinfo=None))]),
    answering([None, Refusal(check="x", reason=None)]),
    answering([None, Deferral(check=None, reason="x", until=NOON)]),
]


def recipients(*addresses):
    return [
        Recipient(address=address, channel="sms", category=Category.TRANSACTIONAL, at=NOON)
        for address in addresses
    ]


def many(count):
    return recipients(*(f"+5511{900000000 + index}" for index in range(count)))


async def verdicts(checks, *addresses, **settings):
    """Tell for every address who refuses it (!), puts it off (+) or can't answer (?)."""
    found = await Checking(checks, settings).judge(recipients(*addresses))
    return [tell(verdict) for verdict in found]


def tell(verdict):
    return [
        *(f"!{refusal.check}" for refusal in verdict.refusals),
        *(f"+{deferral.check}" for deferral in verdict.deferrals),
        *(f"?{check}" for check in verdict.held),
    ]


# ---------------------------------------------------------------- what checks say together


async def test_every_check_is_asked_and_all_their_reasons_are_told():
    first, second = Blacklist(ANA, name="first"), Blacklist(ANA, BIA, name="second")
    found = await verdicts([first, second], ANA, BIA, EVA)
    assert found == [["!first", "!second"], ["!second"], []]
    assert first.asked == second.asked == [recipients(ANA, BIA, EVA)]


async def test_what_no_check_minds_is_clear():
    (verdict,) = await Checking([Blacklist(ANA), Siesta(ANA)], {}).judge(recipients(BIA))
    assert verdict is CLEAR
    assert verdict.reasons == ()


async def test_refusals_are_the_reasons_where_there_are_any():
    checks = [Siesta(ANA, BIA), Blacklist(ANA), broken()]
    ana, bia, eva = await Checking(checks, {}).judge(recipients(ANA, BIA, EVA))
    assert [tell(each) for each in (ana, bia, eva)] == [
        ["!blacklist", "+siesta", "?broken"],
        ["+siesta", "?broken"],
        ["?broken"],
    ]
    assert [[each.check for each in verdict.reasons] for verdict in (ana, bia, eva)] == [
        ["blacklist"],
        ["siesta"],
        [],
    ]


@pytest.mark.parametrize("make", [broken, late, confused, *NONSENSE])
async def test_a_check_that_can_t_answer_holds_or_allows(make):
    assert await verdicts([make(on_failure=OnFailure.ALLOW)], ANA, BIA) == [[], []]
    holding = make(on_failure=OnFailure.HOLD)
    assert await verdicts([holding], ANA, BIA) == [[f"?{holding.id}"]] * 2


async def test_a_check_that_can_t_answer_keeps_no_other_from_it():
    checks = [broken(), Blacklist(ANA), late(on_failure=OnFailure.ALLOW)]
    assert await verdicts(checks, ANA, BIA) == [["!blacklist", "?broken"], ["?broken"]]


async def test_the_operator_has_the_last_word_on_a_failing_check():
    holds = CheckSettings(on_failure=OnFailure.HOLD)
    allows = CheckSettings(on_failure=OnFailure.ALLOW)
    assert await verdicts([broken(on_failure=OnFailure.HOLD)], ANA, broken=allows) == [[]]
    assert await verdicts([broken(on_failure=OnFailure.ALLOW)], ANA, broken=holds) == [["?broken"]]


async def test_the_operator_has_the_last_word_on_the_time_limit():
    slow, hasty = Blacklist(ANA, name="slow"), Blacklist(ANA, name="hasty")
    slow.delay = hasty.delay = 0.05
    hasty.time_limit = 0.01
    settings = {"slow": CheckSettings(time_limit=0.01), "hasty": CheckSettings(time_limit=30.0)}
    assert await verdicts([slow, hasty], ANA, **settings) == [["!hasty", "?slow"]]


@pytest.mark.parametrize("make", [broken, confused])
async def test_a_failing_check_is_logged_once_and_once_when_it_is_back(make, caplog):
    caplog.set_level("INFO", "recado_core")
    check, fine = make(), Blacklist()
    checking = Checking([check, fine], {})
    for _ in range(3):
        await checking.judge(recipients(ANA))
    check.error, check.extra = None, []
    for _ in range(3):
        await checking.judge(recipients(ANA))
    check.error = ConnectionError("again")
    await checking.judge(recipients(ANA))
    assert [(record.levelname, record.check) for record in caplog.records] == [
        ("ERROR", check.id),
        ("INFO", check.id),
        ("ERROR", check.id),
    ]
    assert ANA not in caplog.text


# ---------------------------------------------------------------- calls


async def test_no_recipients_no_questions():
    check = Blacklist()
    assert await Checking([check], {}).judge([]) == []
    assert check.asked == []


async def test_a_call_holds_1000_recipients_at_the_most():
    asked = many(2500)
    check = Blacklist(asked[0].address, asked[1000].address, asked[2499].address)
    found = await Checking([check], {}).judge(asked)
    assert sorted(check.sizes) == [500, 1000, 1000]
    refused = [index for index, verdict in enumerate(found) if verdict.refusals]
    assert refused == [0, 1000, 2499]


async def test_a_large_batch_makes_some_calls_at_once_and_not_all():
    check = Blacklist()
    check.delay = 0.01
    found = await Checking([check], {}).judge(many(10_000))
    assert found == [CLEAR] * 10_000
    assert check.sizes == [1000] * 10
    assert check.most_at_once == 4


async def test_those_who_ask_at_the_same_time_share_a_call():
    check = Blacklist(ANA)
    check.delay = 0.01
    checking = Checking([check], {})
    asked = [recipients(address) for address in [ANA, BIA, EVA] * 20]
    found = await asyncio.gather(*map(checking.judge_grouped, asked))
    assert [[tell(verdict) for verdict in unit] for unit in found] == [
        [["!blacklist"]],
        [[]],
        [[]],
    ] * 20
    assert len(check.sizes) < 5
    assert sum(check.sizes) == 60


async def test_those_who_share_a_call_keep_to_its_size():
    check = Blacklist()
    check.delay = 0.01
    checking = Checking([check], {})
    asked = [many(600), many(600), many(300), many(1500)]
    found = await asyncio.gather(*map(checking.judge_grouped, asked))
    assert [len(unit) for unit in found] == [600, 600, 300, 1500]
    assert max(check.sizes) <= 1000
    assert sum(check.sizes) == 3000


# ---------------------------------------------------------------- ids


def test_a_check_id_that_is_claimed_twice_is_refused():
    with pytest.raises(ConfigurationError, match="two checks have the id blacklist"):
        Checking([Blacklist(), Siesta(), Blacklist()], {})


@pytest.mark.parametrize("name", sorted(TAKEN))
async def test_no_plugin_takes_the_id_of_a_check_of_the_gateway(name, database_url):
    plugins = load_plugins([])
    plugins.checks.append(Blacklist(name=name))
    settings = EngineSettings(database=database_url, quiet_hours={"sms": QuietHoursSettings()})
    with pytest.raises(ConfigurationError, match=f"two checks have the id {name}"):
        Engine(settings, plugins)


async def test_the_kit_knows_the_gateway_s_own_ids(house):
    settings = EngineSettings(
        database="sqlite+aiosqlite://", quiet_hours={"sms": QuietHoursSettings()}
    )
    own = own_checks(settings, house.engine.plugins, house.database)
    assert {check.id for check in own} == TAKEN


async def test_settings_of_a_check_that_does_not_exist_are_refused(database_url):
    plugins = load_plugins([])
    plugins.checks.append(Blacklist())
    settings = EngineSettings(database=database_url, checks={"blaklist": CheckSettings()})
    with pytest.raises(ConfigurationError, match=r"^checks\.blaklist: .* there is .*blacklist"):
        Engine(settings, plugins)


# ---------------------------------------------------------------- when a message is accepted


async def test_what_is_refused_is_stored_as_suppressed_and_never_sent(open_house):
    check = Blacklist(ANA)
    async with open_house(checks=[check]) as house:
        check.until = house.clock.now() + timedelta(days=1)
        told = json.loads((await house.engine.accept.message(Draft(to=ANA, text="oi"))).body)
        assert (told["status"], told["reason"]) == ("suppressed", "on the blacklist")
        await house.settle()
        assert house.vendor.batches == []
        shown = await house.show(told["id"])
        assert str(shown.status) == "suppressed"
        assert (shown.code, shown.status_text) == ("blacklist", "on the blacklist")
        accepted, suppressed = shown.events
        assert (accepted.type, accepted.to_status) == ("message.accepted", "queued")
        assert accepted.data is None
        assert (suppressed.type, suppressed.from_status) == ("message.suppressed", "queued")
        assert (suppressed.code, suppressed.text) == ("blacklist", "on the blacklist")
        assert suppressed.data["reasons"] == [
            {"check": "blacklist", "reason": "on the blacklist", "until": "2026-01-06T12:00:00Z"}
        ]


async def test_all_that_is_against_a_message_is_told(open_house):
    checks = [Blacklist(ANA, name="first"), Siesta(ANA), Blacklist(ANA, name="second")]
    async with open_house(checks=checks) as house:
        answer = await house.engine.accept.message(Draft(to=ANA, text="oi"))
        told = json.loads(answer.body)
        assert told["reason"] == "on the first; on the second"
        shown = await house.show(told["id"])
        assert (shown.code, shown.status_text) == ("first", "on the first; on the second")
        reasons = shown.events[-1].data["reasons"]
        assert [each["check"] for each in reasons] == ["first", "second"]


async def test_a_scheduled_message_that_is_refused_was_never_queued(open_house):
    async with open_house(checks=[Blacklist(ANA)]) as house:
        at = house.clock.now() + HOUR
        shown = await house.show(await house.accept(to=ANA, scheduled_at=at))
        assert [event.to_status for event in shown.events] == ["scheduled", "suppressed"]
        assert shown.events[1].from_status == "scheduled"
        await house.advance(7200)
        assert house.vendor.batches == []


async def test_a_check_sees_what_it_may_decide_by(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        message_id = await house.accept(to=ANA, category=Category.MARKETING, document=CPF)
        await house.settle()
    ((at_accept,), (at_dispatch,)) = check.asked
    assert at_accept.document_hash
    assert CPF not in at_accept.document_hash
    seen = {
        "address": ANA,
        "channel": "sms",
        "category": Category.MARKETING,
        "at": NOON,
        "account": "main",
        "message_id": message_id,
        "document_hash": at_accept.document_hash,
    }
    assert at_accept == Recipient(**seen, document=read_document(CPF))
    assert at_dispatch == Recipient(**seen)  # the document is not stored


async def test_a_message_is_checked_for_the_time_at_which_it_is_to_go(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        await house.accept(to=ANA, scheduled_at=NOON + HOUR)
        assert [recipient.at for recipient in check.asked.pop()] == [NOON + HOUR]
        await house.advance(3660)
        assert [recipient.at for recipient in check.asked.pop()] == [house.clock.now()]
        assert check.asked == []


async def test_what_is_put_off_is_scheduled_and_goes_when_its_time_has_come(open_house):
    check = Siesta(ANA)
    async with open_house(checks=[check]) as house:
        told = json.loads((await house.engine.accept.message(Draft(to=ANA, text="oi"))).body)
        assert (told["status"], told["reason"]) == ("scheduled", "waits for the siesta")
        until = "2026-01-05T13:00:00Z"
        reason = {"check": "siesta", "reason": "waits for the siesta", "until": until}
        assert told["reasons"] == [reason]
        assert told["scheduled_at"] == "2026-01-05T13:00:00Z"
        shown = await house.show(told["id"])
        assert (str(shown.status), shown.scheduled_at) == ("scheduled", NOON + HOUR)
        assert (shown.code, shown.status_text) == ("siesta", "waits for the siesta")
        (accepted,) = shown.events
        assert (accepted.type, accepted.to_status) == ("message.accepted", "scheduled")
        assert (accepted.code, accepted.text) == ("siesta", "waits for the siesta")
        assert accepted.data["reasons"] == [
            {"check": "siesta", "reason": "waits for the siesta", "until": "2026-01-05T13:00:00Z"}
        ]
        check.addresses.clear()
        await house.advance(3540)
        assert await house.status(told["id"]) == "scheduled"
        await house.advance(120)
        assert await house.status(told["id"]) == "sent"


async def test_of_several_deferrals_the_longest_counts(open_house):
    checks = [
        Siesta(ANA, name="long", until=NOON + 2 * HOUR),
        Siesta(ANA, name="short", until=NOON + HOUR),
    ]
    async with open_house(checks=checks) as house:
        shown = await house.show(await house.accept(to=ANA))
        assert shown.scheduled_at == NOON + 2 * HOUR
        assert shown.status_text == "waits for the long; waits for the short"
        reasons = shown.events[0].data["reasons"]
        assert [each["check"] for each in reasons] == ["long", "short"]


async def test_a_scheduled_message_may_be_put_off_further(open_house):
    async with open_house(checks=[Siesta(ANA, until=NOON + 3 * HOUR)]) as house:
        shown = await house.show(await house.accept(to=ANA, scheduled_at=NOON + HOUR))
        assert (str(shown.status), shown.scheduled_at) == ("scheduled", NOON + 3 * HOUR)


async def test_a_refusal_is_stronger_than_a_deferral(open_house):
    async with open_house(checks=[Siesta(ANA), Blacklist(ANA)]) as house:
        shown = await house.show(await house.accept(to=ANA))
        assert (str(shown.status), shown.code) == ("suppressed", "blacklist")
        assert shown.scheduled_at is None
        assert [event.to_status for event in shown.events] == ["queued", "suppressed"]


async def test_what_is_forbidden_only_until_it_would_go_is_put_off(open_house):
    blacklist = BlacklistUntil(ANA, until=NOON + HOUR / 2)
    async with open_house(checks=[Siesta(ANA), blacklist]) as house:
        shown = await house.show(await house.accept(to=ANA))
        assert (str(shown.status), shown.scheduled_at) == ("scheduled", NOON + HOUR)
        blacklist.until = NOON + 2 * HOUR
        assert await house.status(await house.accept(to=ANA)) == "suppressed"


async def test_in_a_batch_each_item_is_judged_alone(open_house):
    async with open_house(checks=[Siesta(BIA), Blacklist(ANA)]) as house:
        items = [{"to": address, "text": "oi"} for address in (ANA, BIA, EVA)]
        request = BatchRequest(messages=[json.dumps(item).encode() for item in items])
        told = json.loads((await house.engine.accept.batch(request)).body)
        assert [item["status"] for item in told["results"]] == ["suppressed", "scheduled", "queued"]
        assert (told["accepted"], told["suppressed"], told["rejected"]) == (2, 1, 0)
        assert told["results"][0]["error"] == [{"pointer": "/to", "detail": "on the blacklist"}]
        assert [
            [each["check"] for each in item.get("reasons", ())] for item in told["results"]
        ] == [
            ["blacklist"],
            ["siesta"],
            [],
        ]
        await house.settle()
        assert [message.to for message in house.vendor.sent] == [EVA]


# ---------------------------------------------------------------- when it is about to be sent


async def test_an_opt_out_after_the_accept_still_counts(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        ids = [await house.accept(to=ANA), await house.accept(to=BIA)]
        check.addresses.add(ANA)
        await house.settle()
        assert await house.statuses(ids) == ["suppressed", "sent"]
        assert [message.to for message in house.vendor.sent] == [BIA]
        shown = await house.show(ids[0])
        assert (shown.code, shown.status_text) == ("blacklist", "on the blacklist")
        assert shown.events[-1].type == "message.suppressed"
        assert [each["check"] for each in shown.events[-1].data["reasons"]] == ["blacklist"]


async def test_an_opt_out_before_the_scheduled_time_still_counts(open_house):
    check = Blacklist()
    async with open_house(checks=[check]) as house:
        message_id = await house.accept(to=ANA, scheduled_at=house.clock.now() + HOUR)
        check.addresses.add(ANA)
        await house.advance(3600)
        assert await house.status(message_id) == "suppressed"
        assert house.vendor.batches == []


async def test_what_is_put_off_before_it_is_sent_is_scheduled_anew(open_house):
    check = Siesta()
    async with open_house(checks=[check]) as house:
        ids = [await house.accept(to=ANA), await house.accept(to=BIA)]
        check.addresses.add(ANA)
        await house.settle()
        assert await house.statuses(ids) == ["scheduled", "sent"]
        shown = await house.show(ids[0])
        assert (shown.code, shown.status_text) == ("siesta", "waits for the siesta")
        queued = shown.events[-1]
        assert (queued.type, queued.from_status, queued.to_status) == (
            "message.queued",
            "sending",
            "scheduled",
        )
        assert queued.data["reasons"] == [
            {"check": "siesta", "reason": "waits for the siesta", "until": "2026-01-05T13:00:00Z"}
        ]
        assert queued.data["next_attempt"] == {"account": "main", "at": "2026-01-05T13:00:00Z"}
        asked = len(check.asked)
        await house.advance(3540)
        assert len(check.asked) == asked
        check.addresses.clear()
        await house.advance(120)
        assert await house.status(ids[0]) == "sent"


async def test_what_is_put_off_again_and_again_loses_no_attempt(open_house):
    check = Siesta()
    async with open_house(checks=[check], retry_delays=(60.0,)) as house:
        message_id = await house.accept(to=ANA)
        check.addresses.add(ANA)
        for _ in range(3):
            check.until = house.clock.now() + HOUR
            await house.settle()
            house.clock.advance(3660)
        check.addresses.clear()
        house.vendor.answers = [TransientSendError("busy")]
        await house.settle()
        assert await house.status(message_id) == "queued"
        await house.advance(300)
        assert await house.status(message_id) == "sent"


async def test_a_check_that_is_wrong_about_the_time_is_asked_again_in_a_minute(open_house):
    check = Siesta(until=NOON - HOUR)
    async with open_house(checks=[check]) as house:
        message_id = await house.accept(to=ANA)
        check.addresses.add(ANA)
        await house.settle()
        assert check.sizes == [1, 1]
        await house.advance(61)
        assert check.sizes == [1, 1, 1]
        assert await house.status(message_id) == "queued"


async def test_before_it_is_sent_too_a_refusal_is_stronger_than_a_deferral(open_house):
    siesta, blacklist = Siesta(), Blacklist()
    async with open_house(checks=[siesta, blacklist]) as house:
        message_id = await house.accept(to=ANA)
        siesta.addresses.add(ANA)
        blacklist.addresses.add(ANA)
        await house.settle()
        shown = await house.show(message_id)
        assert (str(shown.status), shown.code) == ("suppressed", "blacklist")
        assert [each["check"] for each in shown.events[-1].data["reasons"]] == ["blacklist"]


async def test_what_is_put_off_beyond_its_end_expires(open_house):
    async with open_house(checks=[Siesta(ANA)]) as house:
        message_id = await house.accept(to=ANA, expires_at=NOON + HOUR / 2)
        await house.advance(1860)
        assert await house.status(message_id) == "expired"
        await house.advance(3600)
        assert house.vendor.batches == []


async def test_what_a_check_holds_waits_until_it_answers(open_house):
    check = broken()
    async with open_house(checks=[check], retry_delays=()) as house:
        ids = [await house.accept(to=ANA), await house.accept(to=BIA)]
        assert await house.statuses(ids) == ["queued", "queued"]
        await house.settle()
        assert await house.statuses(ids) == ["queued", "queued"]
        assert (await house.show(ids[0])).code == "broken"
        await house.advance(61)
        assert house.vendor.batches == []
        check.error = None
        await house.advance(61)
        assert await house.statuses(ids) == ["suppressed", "sent"]


async def test_what_a_failing_check_allows_goes_out(open_house):
    async with open_house(checks=[broken(on_failure=OnFailure.ALLOW)]) as house:
        message_id = await house.accept(to=ANA)
        await house.settle()
        assert await house.status(message_id) == "sent"


async def test_a_message_that_is_held_too_long_expires(open_house):
    async with open_house(checks=[broken()]) as house:
        at = house.clock.now() + timedelta(seconds=90)
        message_id = await house.accept(to=ANA, expires_at=at)
        await house.settle()
        await house.advance(61)
        await house.advance(61)
        assert await house.status(message_id) == "expired"
        assert house.vendor.batches == []


async def test_a_batch_that_checks_keep_back_costs_no_call(open_house):
    check = Blacklist()
    async with open_house(checks=[check], accounts={"main": {"rate": "100/60s"}}) as house:
        await house.accept(to=ANA)
        check.addresses.add(ANA)
        await house.settle()
        assert house.vendor.sizes == []
        assert (await house.engine.accounts.get("main")).calls_left == 100


async def test_the_answer_to_an_opt_out_passes_every_check(open_house):
    checks = [Blacklist(ANA), Siesta(ANA), broken()]
    async with open_house(checks=checks) as house:
        kept = await house.accept(to=ANA)
        reply = {"provider_ref": "mo-1", "sender": ANA, "text": "SAIR"}
        await house.webhook(["message", reply])
        await house.settle()
        assert await house.status(kept) == "suppressed"
        assert [(message.to, message.text[:6]) for message in house.vendor.sent] == [
            (ANA, "Pronto")
        ]
        assert checks[0].sizes == [1]  # it was asked about the other message alone
