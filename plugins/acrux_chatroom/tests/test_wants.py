"""Which events the engine brings to the sink at all, and which before which."""

import pytest
import recado_acrux_chatroom
from recado_acrux_chatroom.events import EVENTS, FAILURES, LINES, PARTNER_NOTES, wants
from recado_core import EventSubject, Lane

from .bench import RPC


def subject(event_type, **changes):
    about = {"account": "kolmeya_main", "channel": "sms", "origin": None}
    about["own"] = changes.get("origin") == "chatroom"
    return EventSubject(type=f"message.{event_type}", **{**about, **changes})


@pytest.fixture
def wanted(read_settings):
    def find(origin="chatroom", **changes):
        settings = read_settings(**changes)
        types = {event_type.rpartition(".")[2] for event_type in EVENTS}
        return {kind for kind in types if wants(settings, subject(kind, origin=origin))}

    return find


NAMES = {
    name: {kind.rpartition(".")[2] for kind in kinds}
    for name, kinds in (("failures", FAILURES), ("lines", LINES))
}


def test_persons_messages_and_failures_are_wanted_unless_said_otherwise(wanted):
    assert wanted() == {"received"} | NAMES["failures"]


def test_failure_of_a_message_that_no_agent_wrote_is_not_wanted(wanted):
    assert wanted(origin=None) == {"received"}
    assert wanted(origin="api") == {"received"}
    assert wanted(origin=None, notes="all", rpc=RPC) == {"received"}


def test_agents_who_shall_not_see_failures_get_none(wanted):
    assert wanted(notes="none") == {"received"}


def test_lines_are_wanted_where_they_can_be_written(wanted):
    assert wanted(notes="all") == {"received"} | NAMES["failures"]
    assert wanted(notes="all", rpc=RPC) == {"received"} | NAMES["failures"] | NAMES["lines"]


@pytest.mark.parametrize("origin", [None, "chatroom", "other"])
def test_partner_notes_are_wanted_whoever_sent_the_message(wanted, origin):
    rpc = RPC | {"partner_notes": ["sent", "delivered"]}
    assert wanted(origin=origin, notes="none", rpc=rpc) == {"received", "sent", "delivered"}


@pytest.mark.parametrize(
    "other", [{"account": "twilio"}, {"account": None}, {"channel": "whatsapp"}]
)
def test_what_is_of_another_account_or_channel_is_never_wanted(read_settings, other):
    settings = read_settings(notes="all", rpc=RPC | {"partner_notes": True})
    for event_type in EVENTS:
        kind = event_type.rpartition(".")[2]
        assert wants(settings, subject(kind, origin="chatroom"))
        assert not wants(settings, subject(kind, **{"origin": "chatroom", **other}))


@pytest.mark.parametrize(
    ("kinds", "lane"),
    [
        ({"message.received"}, Lane.CONVERSATION),  # a note on the partner goes along
        (FAILURES, Lane.OUTCOME),
        (LINES, Lane.NOTE),
        (PARTNER_NOTES.keys() - {"message.received"}, Lane.NOTE),
        ({"conversation.opened", "conversation.closed", "sink.down"}, Lane.NOTE),
    ],
    ids=["received", "failures", "lines", "notes", "what is not wanted"],
)
def test_nobody_waits_for_what_is_less_urgent(kinds, lane):
    (kind,) = recado_acrux_chatroom.register_sinks()
    assert {kind.lane(EventSubject(type=event_type)) for event_type in kinds} == {lane}


def test_every_wanted_event_has_a_lane():
    (kind,) = recado_acrux_chatroom.register_sinks()
    lanes = [kind.lane(EventSubject(type=event_type)) for event_type in sorted(kind.events)]
    assert [lanes.count(lane) for lane in Lane] == [1, len(FAILURES), 4]
