"""What changes write and tell: the same, whether they are planned at once or one by one."""

from copy import deepcopy
from datetime import timedelta, timezone
from itertools import chain
from operator import itemgetter
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recado_core import Status
from recado_core.engine.messages import transitions
from recado_core.engine.messages.telling import Outlet, Telling
from recado_core.engine.messages.transitions import Change, plan_changes
from recado_core.engine.settings import EngineSettings
from recado_core.engine.statistics.tallies import Tallies
from recado_core.engine.store.statements import deliveries
from recado_core.sinks import Lane
from recado_core.testing.clock import MONDAY_NOON

pytestmark = pytest.mark.whole

ENOUGH = 300
"""Examples by which a field that is forgotten is found."""

OF_ROW = {
    "status": ("sending", "sent", "unknown"),
    "code": (None, "1", "2"),
    "status_text": (None, "t"),
    "account": ("a", "b"),
    "dispatch_id": ("d", "e"),
    "segments": (1, 2),
    "provider_ref": (None, "p"),
}
OF_CHANGE = {
    "status": (Status.SENT, Status.DELIVERED, Status.FAILED),
    "code": (None, "1", "2"),
    "text": (None, "t"),
    "provider_ref": (None, "p", "q"),
    "account": (None, "a", "b"),
    "at": (
        None,
        MONDAY_NOON,
        MONDAY_NOON - timedelta(hours=1),
        MONDAY_NOON.astimezone(timezone(timedelta(hours=-3))),
    ),
}
SENDING = {name: values[0] for name, values in OF_ROW.items()} | {
    "channel": "sms",
    "address": "+5511900000001",
    "origin": None,
    "created_at": MONDAY_NOON,
    "campaign_id": None,
    "cost_centre": None,
}
SENT = SENDING | {"status": "sent", "provider_ref": "p"}
FIELDS = [("row", name) for name in OF_ROW] + [("change", name) for name in OF_CHANGE]


def some_of(values):
    return st.fixed_dictionaries({name: st.sampled_from(each) for name, each in values.items()})


def but_for_one_field(drawn):
    """Return a row and its change, and others that differ from them in one field each."""
    row, change, other_row, other_change, fields = drawn
    return [
        (row, change),
        *(
            (row | {name: other_row[name]}, change)
            if of == "row"
            else (row, change | {name: other_change[name]})
            for of, name in fields
        ),
    ]


nearly_alike = st.tuples(
    some_of(OF_ROW),
    some_of(OF_CHANGE),
    some_of(OF_ROW),
    some_of(OF_CHANGE),
    st.lists(st.sampled_from(FIELDS), min_size=1, unique=True),
).map(but_for_one_field)


def planned(standing, changes):
    """Return the events in their order, but for their ids, and the columns that are written."""
    told = []

    def prepare(_dialect, events, _about, alike):
        told.extend(events)
        told.extend(event for each in alike for event, _ in each.each())

    telling = SimpleNamespace(
        tallies=SimpleNamespace(cost_of=lambda account, segments: segments * ord(account)),
        prepare=prepare,
    )
    plan = plan_changes("sqlite", standing, changes, MONDAY_NOON, telling)
    told.sort(key=itemgetter("id"))
    rows = chain.from_iterable(each if isinstance(each, list) else [each] for each in plan.steps)
    written = sorted(rows, key=itemgetter("id"))
    return [{name: row[name] for name in row if name != "id"} for row in told], written


def rows_alike(_dialect, new, ids, references, _expected):
    """Return the rows that are written alike, one by one."""
    own = [{"provider_ref": each} for each in references] or [{}] * len(ids)
    return [new | mine | {"id": key} for key, mine in zip(ids, own, strict=True)]


@pytest.fixture(params=[1, transitions.MANY], ids=["by groups", "row by row"])
def written_rows(monkeypatch, request):
    """Let a plan's steps be the rows that are written."""
    store = SimpleNamespace(
        written=lambda _dialect, rows, _expected: rows, written_alike=rows_alike
    )
    monkeypatch.setattr(transitions, "messages", store)
    monkeypatch.setattr(transitions, "MANY", request.param)


@pytest.mark.usefixtures("written_rows")
def test_changes_at_once_come_to_what_each_does_alone():
    @settings(max_examples=ENOUGH)
    @given(nearly_alike)
    def compare(pairs):
        keys = [f"{number:03}" for number in range(len(pairs))]
        standing = {key: row | {"id": key} for key, (row, _) in zip(keys, pairs, strict=True)}
        changes = [
            Change(message_id=key, **change) for key, (_, change) in zip(keys, pairs, strict=True)
        ]
        before = deepcopy(standing)
        alone = [planned({each.message_id: standing[each.message_id]}, [each]) for each in changes]
        told, written = planned(standing, changes)
        # One moment may be written in two ways, which are equal.
        assert repr(told) == repr([event for events, _ in alone for event in events])
        assert written == [row for _, rows in alone for row in rows]
        assert standing == before

    compare()


@pytest.mark.usefixtures("written_rows")
def test_changes_of_one_message_follow_each_other():
    standing = {key: SENT | {"id": key} for key in ("m", "n")}
    fates = [("m", Status.DELIVERED), ("n", Status.READ), ("m", Status.READ), ("m", Status.EXPIRED)]
    changes = [Change(message_id=key, status=fate) for key, fate in fates]
    told, written = planned(standing, changes)
    assert [(each["from_status"], each["to_status"]) for each in told] == [
        ("sent", "delivered"),
        ("sent", "read"),
        ("delivered", "read"),
    ]
    assert [(row["id"], row["status"]) for row in written] == [("m", "read"), ("n", "read")]


def test_a_thread_hears_in_the_order_of_what_happened(monkeypatch):
    heard = []
    monkeypatch.setattr(deliveries, "inserted", lambda _dialect, rows: heard.extend(rows) or [])
    outlet = Outlet(
        sink="desk",
        types=frozenset(f"message.{status}" for status in Status),
        wants=lambda _: True,
        lane=lambda _: Lane.CONVERSATION,
    )
    telling = Telling([outlet], lambda _: None, Tallies(EngineSettings(database="none")))
    fates = [Status.DELIVERED, Status.UNDELIVERED, Status.DELIVERED, Status.SENT]
    keys = ["m1", "m2", "m3", "m4"]
    standing = {key: SENT | {"id": key} for key in keys} | {"m4": SENDING | {"id": "m4"}}
    changes = [
        Change(message_id=key, status=fate) for key, fate in zip(keys, fates, strict=True)
    ] + [Change(message_id="m4", status=Status.DELIVERED)]
    plan_changes("sqlite", standing, changes, MONDAY_NOON, telling)
    in_order = [row["event_id"] for row in sorted(heard, key=itemgetter("id"))]
    assert in_order == sorted(in_order)
    assert len(in_order) == len(changes)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_references_may_be_of_a_kind_of_text_of_the_plugins_own(dialect):
    class Words(str):
        """As those of a parser."""

        __slots__ = ()

    telling = Telling([], lambda _: None, Tallies(EngineSettings(database="none")))
    standing = {str(key): SENDING | {"id": str(key)} for key in range(transitions.MANY)}
    changes = [
        Change(message_id=key, status=Status.SENT, provider_ref=Words(f"r{key}"))
        for key in standing
    ]
    plan = plan_changes(dialect, standing, changes, MONDAY_NOON, telling)
    assert '"r0"' in repr(plan.steps)


@pytest.mark.usefixtures("written_rows")
def test_what_only_waits_on_is_not_told():
    change = Change(message_id="m", status=Status.DELIVERED, waits_on=True)
    told, written = planned({"m": SENT | {"id": "m"}}, [change])
    assert (told, [row["status"] for row in written]) == ([], [Status.DELIVERED])
