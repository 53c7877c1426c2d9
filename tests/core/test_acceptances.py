from datetime import timedelta

import msgspec
import pytest
from recado_core.engine.accept.acceptances import events_of
from recado_core.engine.accept.answers import tell_batch
from recado_core.engine.checks.checking import CLEAR, Verdict
from recado_core.testing.clock import MONDAY_NOON

SAYS_NOTHING = Verdict(held=("slow",))
"""Is not CLEAR, and lets a message go as that does."""
LATER = MONDAY_NOON + timedelta(hours=1)


def row_of(number, account="main", due_at=MONDAY_NOON):
    return {
        "id": f"m{number}",
        "account": account,
        "status": "scheduled" if due_at > MONDAY_NOON else "queued",
        "created_at": MONDAY_NOON,
        "due_at": due_at,
    }


def told_of(rows, verdicts):
    told, about, alike = events_of(rows, verdicts)
    assert (told, about) == ([], {})
    ids = [each_id for happened in alike for each_id in happened.ids]
    assert len(set(ids)) == len(rows)
    return sorted(
        (row["id"], event | {"id": None}) for happened in alike for event, row in happened.each()
    )


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row_of(1)],
        [row_of(1), row_of(2), row_of(3)],
        [row_of(1, due_at=LATER), row_of(2, due_at=LATER)],
        [row_of(1), row_of(2, "other"), row_of(3)],
        [row_of(1), row_of(2, due_at=LATER), row_of(3)],
    ],
)
def test_what_is_told_of_messages_is_the_same_if_all_is_clear_at_once_or_one_by_one(rows):
    clear, looked_at = [CLEAR] * len(rows), [SAYS_NOTHING] * len(rows)
    assert told_of(rows, clear) == told_of(rows, looked_at)
    at_once, singly = (
        msgspec.json.encode(tell_batch("batch", rows, rows, each)) for each in (clear, looked_at)
    )
    assert at_once == singly


def test_messages_that_are_alike_share_what_is_told_of_them():
    rows = [row_of(1), row_of(2), row_of(3)]
    for verdict in (CLEAR, SAYS_NOTHING):
        _, _, (happened,) = events_of(rows, [verdict] * 3)
        assert happened.rows == rows
        assert happened.ids == sorted(happened.ids)
