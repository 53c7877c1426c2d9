"""Any span, however many rows it holds, is covered once by windows of every length."""

import asyncio
import itertools
from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from recado_kolmeya.operations import rows
from recado_kolmeya.operations.kinds import Text
from recado_kolmeya.operations.rows import Rows
from recado_kolmeya.operations.windows import (
    DAY,
    MINUTE,
    DayWindow,
    MinuteWindow,
    gather_windows,
    split_days,
    split_minutes,
)

START = datetime(2025, 11, 1, 23, 50)  # noqa: DTZ001  # a clock on the wall has no zone
SECOND = timedelta(seconds=1)
LONGEST = 40  # minutes, or days

# Where a minute's end lies is not documented: whether its own second counts, or all its seconds.
ENDS = {"second": timedelta(), "before": -SECOND, "minute": MINUTE - SECOND}

unhurried = settings(deadline=None)  # others use the machine as well


class Reports:
    """A vendor's report: as many rows as are asked for, and silence on the others."""

    def __init__(self, rows, end=timedelta()):
        self.rows = rows  # pairs of a moment and a text
        self.end = end
        self.calls = []
        self.tick = itertools.count()

    def within(self, start, end):
        return [(at, text) for at, text in self.rows if start <= at <= end + self.end]

    async def ask(self, window, limit):
        self.calls.append(window)
        found = self.within(*window)[:limit]
        return [self.row(at, text) for at, text in found]

    def row(self, at, text):
        minute = at.isoformat()[:16]
        return {"enviada_em": minute, "mensagem": text, "status": f"{next(self.tick)}"}


class Seen(Struct, frozen=True, kw_only=True):
    enviada_em: Text
    mensagem: Text
    status: Text


def gather(reports, windows, most, limit=None):
    told = []
    found = Rows(Seen, ZoneInfo("America/Sao_Paulo"), limit)
    call = gather_windows(reports.ask, windows, most, found, lambda *step: told.append(step))
    asyncio.run(call)
    assert [done for done, _ in told[: len(reports.calls)]] == [
        *range(1, len(reports.calls) + 1),
    ]
    assert told[-1][0] == told[-1][1] == len(reports.calls)
    return found


def identities(rows):
    return Counter((row.enviada_em, row.mensagem) for row in rows)


def expected(rows):
    return Counter((at.isoformat()[:16], text) for at, text in rows)


minutes = st.integers(0, LONGEST).map(lambda n: n * MINUTE)
seconds = st.one_of(st.integers(0, LONGEST * 60), st.integers(0, LONGEST).map(lambda n: n * 60))
messages = st.lists(st.tuples(seconds.map(lambda n: START + n * SECOND), st.sampled_from("ab")))


@unhurried
@given(
    messages,
    minutes,
    st.integers(1, LONGEST + 1).map(lambda n: n * MINUTE),
    st.integers(1, 12),
    st.sampled_from(sorted(ENDS)),
)
def test_minutes_are_covered_once_whatever_the_limits(sent, length, longest, most, end):
    reports = Reports(sorted(sent), ENDS[end])
    windows = split_minutes(START, START + length, longest)
    joined = gather(reports, windows, most)
    wanted = expected(reports.within(START, START + length))
    got = identities(joined.rows)
    if joined.truncated:
        assert any(
            len(reports.within(*window)) >= most and window.end - window.start <= MINUTE
            for window in reports.calls
        )
        assert not got - wanted
    else:
        assert got == wanted
    assert all(window.end - window.start <= longest for window in reports.calls)


@unhurried
@given(messages, minutes, st.integers(1, 12), st.integers(1, 30))
def test_no_more_rows_come_than_are_wanted(sent, length, most, limit):
    reports = Reports(sorted(sent))
    joined = gather(reports, split_minutes(START, START + length, 7 * MINUTE), most, limit)
    wanted = expected(reports.within(START, START + length))
    assert len(joined.rows) <= limit
    assert not identities(joined.rows) - wanted
    if len(joined.rows) < wanted.total():
        assert joined.truncated


@unhurried
@given(
    st.lists(st.tuples(st.integers(0, LONGEST), st.sampled_from("ab"))),
    st.integers(0, LONGEST),
    st.integers(1, 12),
    st.integers(1, LONGEST + 2),
)
def test_days_are_covered_once_whatever_the_limits(sent, length, most, longest):
    first = date(2024, 2, 10)
    reports = Reports(sorted((first + day * DAY, text) for day, text in sent))
    joined = gather(reports, split_days(first, first + length * DAY, longest), most)
    wanted = expected(reports.within(first, first + length * DAY))
    got = identities(joined.rows)
    full = [
        window
        for window in reports.calls
        if window.start == window.end and len(reports.within(*window)) >= most
    ]
    assert joined.truncated == bool(full)
    assert not got - wanted
    if not full:
        assert got == wanted


@unhurried
@given(minutes, st.integers(1, LONGEST).map(lambda n: n * MINUTE))
def test_windows_of_minutes_follow_each_other(length, longest):
    windows = split_minutes(START, START + length, longest)
    assert (windows[0].start, windows[-1].end) == (START, START + length)
    assert all(a.end == b.start for a, b in itertools.pairwise(windows))
    assert all(window.end - window.start <= longest for window in windows)
    assert all(window.start < window.end for window in windows[1:])


@unhurried
@given(st.integers(0, 1000), st.integers(1, 400))
def test_windows_of_days_follow_each_other(length, most):
    first = date(2024, 2, 10)
    windows = split_days(first, first + length * DAY, most)
    assert (windows[0].start, windows[-1].end) == (first, first + length * DAY)
    assert all(a.end + DAY == b.start for a, b in itertools.pairwise(windows))
    assert all(0 <= (window.end - window.start).days < most for window in windows)


@pytest.mark.parametrize(
    "window", [MinuteWindow(START, START + MINUTE), MinuteWindow(START, START)]
)
def test_minute_is_not_split(window):
    assert window.halves() == ()


def test_day_is_not_split():
    assert DayWindow(START.date(), START.date()).halves() == ()


NOON = START.replace(hour=12, minute=0)
ROW = {"mensagem": "a", "status": "enviado", "enviada_em": f"{NOON:%d/%m/%Y %H:%M}"}
AGAIN = ROW | {"status": "entregue", "broker": "x", "api": "y"}


def gather_two(first, second, windows):
    answers = iter([first, second])

    async def ask(_window, _limit):
        return next(answers)

    found = Rows(Seen, ZoneInfo("America/Sao_Paulo"))
    asyncio.run(gather_windows(ask, windows, 30_000, found, lambda *_: None))
    return [row.mensagem for row in found.rows]


def gather_at_noon(first, second):
    windows = [MinuteWindow(NOON - MINUTE, NOON), MinuteWindow(NOON, NOON + MINUTE)]
    return gather_two(first, second, windows)


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"])
def test_row_that_two_windows_share_is_left_out_as_often_as_the_first_has_it(form):
    at = {"enviada_em": NOON.strftime(form)}
    second = [AGAIN | at, AGAIN | at, AGAIN | at | {"mensagem": "b"}]
    assert gather_at_noon([ROW | at], second) == ["a", "a", "b"]


@pytest.mark.parametrize("sent_at", [None, "", f"{NOON + MINUTE:%d/%m/%Y %H:%M}"])
def test_rows_that_are_alike_beside_the_shared_minute_are_two(sent_at):
    row = ROW | {"enviada_em": sent_at}
    assert gather_at_noon([row], [row]) == ["a", "a"]


def test_days_share_no_row():
    windows = [DayWindow(NOON.date(), NOON.date()), DayWindow(NOON.date() + DAY, NOON.date() + DAY)]
    assert gather_two([ROW], [ROW], windows) == ["a", "a"]


def test_report_of_more_rows_than_a_reply_holds_ends_there_and_says_so(monkeypatch):
    monkeypatch.setattr(rows, "MOST_ROWS", 5)
    reports = Reports([(START + n * MINUTE, "a") for n in range(20)])
    found = gather(reports, split_minutes(START, START + 20 * MINUTE, 2 * MINUTE), 30)
    assert (len(found.rows), found.truncated) == (5, True)
    assert len(reports.calls) == 2
