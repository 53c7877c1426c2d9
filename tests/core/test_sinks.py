import asyncio
import json
from functools import partial

import pytest
import sqlalchemy as sa
from recado_core import (
    AccountError,
    ConfigurationError,
    InDoubtError,
    Lane,
    Media,
    NotYetError,
    PermanentSendError,
    SinkMessage,
    TransientSendError,
    UnreachableError,
)
from recado_core.engine.conversations.conversations import ConversationFilter
from recado_core.engine.failures import NotFoundError
from recado_core.engine.messages import links
from recado_core.engine.settings import SinkSettings
from recado_core.engine.store import schema
from recado_core.engine.store.statements import deliveries as store
from recado_core.engine.suppressions.suppressions import NewSuppression

from .desks import ANA, BIA, EVA, DeskSettings, call, deliveries, open_before, told, write

pytestmark = pytest.mark.whole


@pytest.fixture
def open_desk(open_house):
    return partial(open_before, open_house)


@pytest.fixture
async def desk(open_desk):
    async with open_desk() as house:
        yield house


async def test_message_of_a_person_reaches_the_sink_whole(desk):
    await write(desk, "olá 👋")
    await desk.settle()
    (event,) = desk.system.taken
    assert (event.type, event.data["sender"], event.data["text"]) == (
        "message.received",
        ANA,
        "olá 👋",
    )
    assert event.data["account"] == "main"
    assert event.data["conversation_id"]
    assert [each.state for each in await deliveries(desk)] == ["delivered"]


async def test_sink_is_told_only_of_what_it_wants(open_desk):
    def wants(settings, subject):
        assert isinstance(settings, DeskSettings)
        return subject.type != "message.delivered" or subject.origin == "desk"

    events = ("message.sent", "message.delivered", "conversation.opened")
    async with open_desk(wants=wants, events=events) as house:
        message_id = await house.accept(to=ANA)
        await house.settle()
        await house.deliver(message_id)
        assert [event.type for event in house.system.taken] == [
            "conversation.opened",
            "message.sent",
        ]


async def test_sink_is_told_once_of_each_conversation_that_messages_open(open_desk):
    async with open_desk(events=("conversation.opened",), lane=lambda _: Lane.OUTCOME) as house:
        for person in (ANA, BIA, ANA, EVA):
            await house.accept(to=person)
        for _ in range(2):
            await house.accept_many(6)  # to them, and to three others
        await house.settle()
        known = (await house.engine.conversations.list(ConversationFilter())).items
        shown = {each.id: each for each in known}
        assert len(house.system.taken) == len(shown) == 6
        for event in house.system.taken:
            conversation = shown[event.data["id"]]
            assert event.data == {
                name: getattr(conversation, name)
                for name in ("id", "account", "channel", "address", "status", "agent", "unread")
            }
            assert event.time == conversation.opened_at
        async with house.database.read() as connection:
            rows = (await connection.execute(sa.select(schema.deliveries))).mappings().all()
        assert {row["thread"] for row in rows} == {
            f"main/sms/{each.address}{store.OUTCOME}" for each in known
        }


async def test_messages_of_a_conversation_arrive_in_order_and_others_at_the_same_time(open_desk):
    async with open_desk(sink={"concurrency": 3}) as house:
        house.system.slow = 0.002
        people = (ANA, BIA, EVA)
        for index in range(5):
            for person in people:
                await write(house, f"{person} {index}", person)
        await house.settle()
        for person in people:
            mine = [text for text in house.system.texts if text.startswith(person)]
            assert mine == [f"{person} {index}" for index in range(5)]
        assert house.system.most_at_once == 3


async def test_sink_that_is_down_gets_everything_later_in_order_and_once(desk):
    down = [UnreachableError("no connection"), AccountError("no such connector")]
    desk.system.answers = down * 3
    for index in range(4):
        await write(desk, str(index))
    await write(desk, "other", BIA)
    await desk.settle()
    assert desk.system.taken == []
    assert (await desk.engine.sinks.get("desk")).status == "down"
    for _ in range(10):
        await desk.advance(61)
    assert [text for text in desk.system.texts if text != "other"] == ["0", "1", "2", "3"]
    assert sorted(desk.system.texts) == ["0", "1", "2", "3", "other"]
    assert (await desk.engine.sinks.get("desk")).status == "up"
    assert await told(desk) == ["sink.down", "sink.up"]
    assert {each.attempts for each in await deliveries(desk)} == {0}


async def test_sink_that_is_down_is_asked_with_one_event_at_a_time(desk):
    desk.system.answers = [UnreachableError("no connection")] * 50
    for index in range(6):
        await write(desk, "oi", f"+551190000001{index}")
    await desk.settle()
    first = len(desk.system.calls)
    await desk.advance(61)
    assert len(desk.system.calls) == first + 1


async def test_down_for_an_hour_costs_no_attempts_and_loses_nothing(desk):
    desk.system.answers = [UnreachableError("no connection")] * 10
    await write(desk, "oi")
    for _ in range(12):
        await desk.advance(400)
    assert desk.system.texts == ["oi"]
    assert [each.attempts for each in await deliveries(desk)] == [0]


async def test_poisoned_event_is_given_up_and_holds_up_no_other_conversation(desk):
    desk.system.refusing = {"poison": TransientSendError("500", code="500")}
    await write(desk, "poison")
    await write(desk, "after the poison")
    await write(desk, "other", BIA)
    await desk.settle()
    assert desk.system.texts == ["other"]
    for _ in range(10):
        await desk.advance(601)
    assert desk.system.texts == ["other", "after the poison"]
    (dead,) = await deliveries(desk, "dead")
    assert (dead.attempts, dead.error) == (7, "500")
    assert [event.data["text"] for event, _ in desk.system.calls].count("poison") == 8
    assert (await desk.engine.sinks.get("desk")).dead == 1


async def test_what_never_will_be_taken_is_given_up_at_once(desk):
    desk.system.refusing = {"short code": PermanentSendError("no such number")}
    await write(desk, "short code")
    await write(desk, "next")
    await desk.settle()
    assert desk.system.texts == ["next"]
    assert [each.error for each in await deliveries(desk, "dead")] == ["no such number"]


async def test_dead_delivery_is_made_again_when_a_person_says_so(desk):
    desk.system.refusing = {"poison": PermanentSendError("no")}
    await write(desk, "poison")
    await desk.settle()
    desk.system.refusing = {}
    assert (await desk.engine.sinks.replay("desk")).replayed == 1
    assert (await desk.engine.sinks.replay("desk", [])).replayed == 0
    await desk.settle()
    assert desk.system.texts == ["poison"]
    assert desk.system.repeats[-1] is False  # it was refused, and so never taken
    (made,) = (await desk.engine.sinks.deliveries("desk")).items
    assert (await desk.engine.sinks.replay("desk", [made.id])).replayed == 1
    await desk.settle()
    assert desk.system.repeats[-1] is True


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (InDoubtError("no answer"), True),
        (TransientSendError("500", possibly_taken=True), True),
        (TransientSendError("busy"), False),
        (UnreachableError("no connection"), False),
    ],
)
async def test_second_call_is_called_a_repeat_only_where_the_first_may_have_been_taken(
    desk, error, repeated
):
    desk.system.answers = [error]
    await write(desk, "oi")
    await desk.advance(10)
    await desk.advance(61)
    assert desk.system.repeats == [False, repeated]


async def test_delivery_under_way_when_the_process_died_is_called_a_repeat(open_desk):
    async with open_desk(sink={"timeout": 5}) as house:
        await write(house, "oi")
        house.system.slow = 60
        task = asyncio.create_task(house.engine.sinks.workers[0].run())
        while not house.system.calls:  # noqa: ASYNC110  # another task's
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock = house.clock
    async with open_desk(sink={"timeout": 5}, clock=clock) as house:
        await house.settle()
        assert house.system.calls == []  # kept for the process that may still be at it
        await house.advance(25)
        assert house.system.repeats == [True]


async def test_sink_that_asks_for_time_gets_it(desk):
    desk.system.answers = [TransientSendError("too soon", retry_after=100)]
    await write(desk, "oi")
    await desk.settle()
    await desk.advance(90)
    assert desk.system.texts == []
    await desk.advance(20)
    assert desk.system.texts == ["oi"]


async def test_event_that_waits_for_something_counts_for_nothing(open_desk):
    async with open_desk(sink={"retry_delays": []}) as house:
        house.system.answers = [NotYetError("not committed", retry_after=7)] * 5
        await write(house, "oi")
        await house.settle()
        for _ in range(5):
            assert house.system.texts == []
            await house.advance(6)
            await house.advance(1.1)
        assert house.system.texts == ["oi"]
        assert house.system.repeats == [False] * 6
        (delivery,) = await deliveries(house)
        assert (delivery.state, delivery.attempts) == ("delivered", 0)


async def test_event_that_waits_does_not_say_that_the_sink_is_up(open_desk):
    async with open_desk(sink={"concurrency": 1}) as house:
        house.system.answers = [
            UnreachableError("no connection"),
            NotYetError("not committed", retry_after=0),
            UnreachableError("no connection"),
        ]
        await write(house, "oi")
        await write(house, "olá", BIA)
        await house.settle()
        await house.advance(1.1)
        assert house.system.texts == []
        assert len(house.system.calls) == 3  # the other event was tried as soon as this one waited
        assert (await house.engine.sinks.get("desk")).status == "down"
        assert await told(house) == ["sink.down"]
        await house.advance(61)
        assert sorted(house.system.texts) == ["oi", "olá"]


async def test_sink_plugin_that_breaks_or_hangs_delays_its_own_event_only(open_desk):
    async with open_desk(sink={"timeout": 0.01}) as house:
        house.system.answers = [ValueError("broken")]
        await write(house, "oi")
        await house.advance(10)
        house.system.slow = 10
        await write(house, "slow")
        await house.settle()
        house.system.slow = 0
        await house.advance(10)
        assert house.system.texts == ["oi", "slow"]


async def test_answer_of_an_agent_is_sent_where_the_person_wrote(desk):
    await write(desk, "oi")
    gateway = desk.system.context.gateway
    message = SinkMessage(account="main", to=ANA, text="olá", key="7")
    answer = await gateway.send(message)
    assert await gateway.send(message) == answer
    await desk.settle()
    assert [sent.text for sent in desk.vendor.sent] == ["olá"]
    assert (await desk.show(answer.message_id)).priority == 7
    (found,) = (await desk.engine.conversations.list(ConversationFilter())).items
    assert found.unread == 0


async def test_failure_of_an_agents_message_knows_where_it_came_from(open_desk):
    def wants(_settings, subject):
        return subject.own

    async with open_desk(wants=wants, events=("message.undelivered",)) as house:
        message = SinkMessage(account="main", to=ANA, text="olá", key="7")
        answer = await house.system.context.gateway.send(message)
        other = await house.accept(to=BIA)
        await house.settle()
        for message_id in (answer.message_id, other):
            await house.deliver(message_id, "undelivered", code="9", text="no signal")
        (event,) = house.system.taken
        assert (event.data["id"], event.data["origin"]) == (answer.message_id, "desk")
        assert (event.data["code"], event.data["status_text"]) == ("9", "no signal")


async def test_answers_of_agents_leave_in_their_order_whatever_becomes_of_one(open_desk):
    async with open_desk(capabilities={"max_batch": 2}) as house:
        gateway = house.system.context.gateway
        house.vendor.answers = [TransientSendError("busy", code="503")]
        for index in range(5):
            for person in (ANA, BIA):
                key = f"{person} {index}"
                await gateway.send(SinkMessage(account="main", to=person, text=key, key=key))
        await house.settle()
        for _ in range(8):
            await house.advance(70)
        for person in (ANA, BIA):
            mine = [sent.text for sent in house.vendor.sent[2:] if sent.to == person]
            assert mine == [f"{person} {index}" for index in range(5)]


@pytest.mark.parametrize(
    ("fields", "refusal", "code"),
    [
        ({"to": "12"}, "number", "invalid_address"),
        ({"text": ""}, "empty", "empty"),
        ({"text": " "}, "empty", "empty"),
        ({"text": "x" * 1601}, "1600", "too_long"),
        ({"media": (Media(url="https://example.com/a.jpg"),)}, "media", "no_media"),
        ({"account": "none"}, "none", "no_route"),
        ({"channel": "pigeon"}, "sms", "no_route"),
        ({"metadata": {"x": "x" * 9000}}, "bytes", "invalid"),
    ],
)
async def test_answer_that_can_not_be_sent_is_refused_in_words(desk, fields, refusal, code):
    said = {"account": "main", "to": ANA, "text": "olá", "key": "7"} | fields
    answer = await desk.system.context.gateway.send(SinkMessage(**said))
    assert answer.message_id is None
    assert refusal in answer.refusal
    assert answer.code == code


async def test_answer_to_who_opted_out_is_refused_in_words(desk):
    await desk.engine.suppressions.add(NewSuppression(address=ANA))
    message = SinkMessage(account="main", to=ANA, text="olá", key="7")
    answer = await desk.system.context.gateway.send(message)
    assert "manual" in answer.refusal
    assert answer.code == "suppressed"
    assert desk.vendor.batches == []


async def test_other_message_under_the_same_key_is_refused(desk):
    gateway = desk.system.context.gateway
    await gateway.send(SinkMessage(account="main", to=ANA, text="olá", key="7"))
    answer = await gateway.send(SinkMessage(account="main", to=ANA, text="adeus", key="7"))
    assert "same id" in answer.refusal
    assert answer.code == "key_reused"


async def test_sink_can_ask_what_it_needs_to_know(desk):
    gateway = desk.system.context.gateway
    await write(desk, "oi")
    assert (await gateway.account_state("main")).ok
    assert not (await gateway.account_state("none")).ok
    await desk.engine.accounts.pause("main", "no credit")
    assert (await gateway.account_state("main")).text == "paused: no credit"
    assert await gateway.addresses("main", 10) == [ANA]
    assert await gateway.addresses("main", 10, "whatsapp") == []
    assert not (await gateway.account_state("main", "whatsapp")).ok
    await gateway.note_read("main", ANA)
    (found,) = (await desk.engine.conversations.list(ConversationFilter())).items
    assert found.unread == 0
    assert await gateway.shorten("https://example.com/a.jpg", "7") is None


async def test_short_link_leads_where_it_should_and_counts(open_desk):
    async with open_desk(public_url="https://gateway.example.com") as house:
        short = await house.system.context.gateway.shorten("https://example.com/a.jpg?x=1", "7")
        code = short.removeprefix("https://gateway.example.com/l/")
        for _ in range(2):
            assert await house.engine.links.follow(code) == "https://example.com/a.jpg?x=1"
        (link,) = (await house.engine.links.list()).items
        assert (link.short_url, link.clicks) == (short, 2)
        with pytest.raises(NotFoundError):
            await house.engine.links.follow("nothing")


async def test_same_key_and_address_have_the_same_short_one(open_desk):
    async with open_desk(public_url="https://gateway.example.com") as house:
        shorten = house.system.context.gateway.shorten
        first = await shorten("https://example.com/a.jpg", "7")
        house.clock.advance(86_400)
        assert await shorten("https://example.com/a.jpg", "7") == first
        others = {
            await shorten("https://example.com/a.jpg", "8"),
            await shorten("https://example.com/b.jpg", "7"),
        }
        assert len(others - {first}) == 2
        assert len((await house.engine.links.list()).items) == 3


async def test_code_that_another_address_has_is_passed_over(open_desk, monkeypatch):
    derive = links._derive_code  # noqa: SLF001  # a collision is too rare to wait for

    def derive_same(owner, key, url, number):
        return "same_code_1" if number == 0 else derive(owner, key, url, number)

    monkeypatch.setattr(links, "_derive_code", derive_same)
    async with open_desk(public_url="https://gateway.example.com") as house:
        shorten = house.system.context.gateway.shorten
        urls = [f"https://example.com/{name}" for name in "ab"]
        made = [await shorten(url, "7") for url in urls]
        assert made[0].endswith("/same_code_1")
        assert [await shorten(url, "7") for url in urls] == made
        codes = [one.rpartition("/")[2] for one in made]
        assert [await house.engine.links.follow(code) for code in codes] == urls


async def test_call_of_the_business_system_is_answered_by_the_sink(desk):
    reply = await desk.engine.sinks.handle("desk", call("a/b"))
    assert json.loads(reply.body) == {"path": "a/b"}
    assert (await desk.engine.sinks.handle("desk", call("break"))).status == 500
    with pytest.raises(NotFoundError):
        await desk.engine.sinks.handle("none", call(""))


async def test_sink_is_shown_with_what_waits_for_it(desk):
    desk.system.answers = [UnreachableError("no connection")]
    await write(desk, "oi")
    await desk.settle()
    desk.clock.advance(30)
    view = await desk.engine.sinks.get("desk")
    assert (view.status, view.reason, view.pending, view.lag) == ("down", "no connection", 1, 30.0)
    assert [found.detail for found in await desk.engine.sinks.probe("desk")] == ["15.0"]
    with pytest.raises(NotFoundError):
        await desk.engine.sinks.get("none")


async def test_deliveries_are_paged(desk):
    for index in range(5):
        await write(desk, str(index))
    await desk.settle()
    first = await desk.engine.sinks.deliveries("desk", limit=3)
    rest = await desk.engine.sinks.deliveries("desk", None, 3, first.next_cursor)
    assert [len(first.items), len(rest.items), rest.next_cursor] == [3, 2, None]


async def test_two_processes_share_the_deliveries(open_desk):
    async with open_desk() as house:
        for index in range(10):
            await write(house, str(index), f"+551190000001{index}")
        async with open_desk(clock=house.clock) as other:
            await asyncio.gather(house.settle(), other.settle())
            texts = house.system.texts + other.system.texts
        assert sorted(texts) == [str(index) for index in range(10)]


async def test_sink_that_wants_what_sinks_are_not_told_is_refused(open_desk):
    with pytest.raises(ConfigurationError, match=r"desk wants account\.paused"):
        async with open_desk(events=("account.paused",)):
            pass


async def test_sink_named_as_replies_by_the_api_are_is_refused(open_desk):
    with pytest.raises(ConfigurationError, match=r"sinks\.api"):
        async with open_desk(name="api"):
            pass


async def test_sink_of_an_unknown_kind_is_refused(open_house):
    with pytest.raises(ConfigurationError, match=r"sinks\.x\.sink"):
        async with open_house(sinks={"x": SinkSettings(sink="none")}):
            pass
