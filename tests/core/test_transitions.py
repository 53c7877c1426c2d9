"""What changes write and tell: the same, whether they are planned at once or one by one."""

from copy import deepcopy
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recado_core import Status
from recado_core.engine.messages import transitions
from recado_core.engine.messages.transitions import Change, plan_changes
from recado_core.testing.clock import MONDAY_NOON

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
    "at": (None, MONDAY_NOON, MONDAY_NOON - timedelta(hours=1)),
}
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
    """Return the events, but for their ids, and the columns that are written."""
    told = []
    telling = SimpleNamespace(
        tallies=SimpleNamespace(cost_of=lambda account, segments: segments * ord(account)),
        prepare=lambda _dialect, events, _about: told.extend(events),
    )
    plan = plan_changes("sqlite", standing, changes, MONDAY_NOON, telling)
    return [{name: row[name] for name in row if name != "id"} for row in told], plan.steps


@pytest.fixture
def written_rows(monkeypatch):
    """Let a plan's steps be the rows that are written."""
    monkeypatch.setattr(
        transitions, "messages", SimpleNamespace(written=lambda _dialect, rows: rows)
    )


@pytest.mark.usefixtures("written_rows")
def test_changes_at_once_come_to_what_each_does_alone():
    @settings(max_examples=ENOUGH)
    @given(nearly_alike)
    def compare(pairs):
        standing = {str(key): row | {"id": str(key)} for key, (row, _) in enumerate(pairs)}
        changes = [Change(message_id=str(key), **change) for key, (_, change) in enumerate(pairs)]
        alone = [
            planned({each.message_id: standing[each.message_id].copy()}, [each]) for each in changes
        ]
        told, written = planned(deepcopy(standing), changes)
        assert told == [event for events, _ in alone for event in events]
        assert written == [row for _, rows in alone for row in rows]

    compare()
