# ruff: noqa: DTZ001  # the times of rules are local ones
import re
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz
from dateutil.rrule import rrulestr
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from recado_core.engine.schedules.recurrences import read_recurrence

ZONES = st.sampled_from(
    [
        "America/Sao_Paulo",  # clocks went forward at midnight, until 2019
        "America/New_York",
        "Europe/Lisbon",
        "Australia/Lord_Howe",  # by half an hour
        "Pacific/Apia",  # left out a day in 2011
        "Asia/Kolkata",
        "UTC",
    ]
)
YEARS = 10
FEW = 100
KNOWN_UNTIL = datetime(2037, 12, 1, tzinfo=UTC)
"""Until when dateutil's zones know when clocks change: they leave out the rule for what follows."""
DAY = timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SENSELESS = {
    "YEARLY": (),
    "MONTHLY": ("BYYEARDAY", "BYWEEKNO"),
    "WEEKLY": ("BYYEARDAY", "BYWEEKNO", "BYMONTHDAY"),
    "DAILY": ("BYYEARDAY", "BYWEEKNO"),
    "HOURLY": ("BYWEEKNO", "BYSETPOS"),
}
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


# ---------------------------------------------------------------- against dateutil's enumeration


def some(values, most=3):
    drawn = st.lists(st.sampled_from(list(values)), min_size=1, max_size=most, unique=True)
    return drawn.map(joined)


def either_way(values, most=3):
    return some([*values, *(-value for value in values)], most)


def joined(values):
    return ",".join(map(str, values))


def rules_of(frequency):
    """Draw rules of one frequency, which dateutil enumerates over ten years in a moment."""
    numbers = ["", "1", "+2", "-1", "5"] if frequency in {"YEARLY", "MONTHLY"} else [""]
    days = [number + day for number in numbers for day in DAYS]
    parts = {
        "INTERVAL": st.integers(2, 40).map(str),
        "WKST": st.sampled_from(DAYS),
        "BYMONTH": some(range(1, 13), 6),
        "BYMONTHDAY": either_way(range(1, 32), 8),
        "BYYEARDAY": either_way(range(1, 367), 8),
        "BYWEEKNO": either_way(range(1, 54), 8),
        "BYDAY": some(days, 4),
        "BYHOUR": some(range(24)),
        "BYMINUTE": some(range(60), 2),
        "BYSECOND": st.just("0"),
        "BYSETPOS": either_way(range(1, 9), 2),
        "COUNT": st.integers(1, 300).map(str),
    }
    drawn = st.fixed_dictionaries({"FREQ": st.just(frequency)}, optional=parts)
    return drawn.map(sensible).map(
        lambda parts: ";".join(f"{name}={value}" for name, value in parts.items())
    )


def sensible(parts):
    """Leave out what does not go together."""
    out = set(SENSELESS[parts["FREQ"]])
    if "BYWEEKNO" in parts and re.search("[0-9]", parts.get("BYDAY", "")):
        out.add("BYWEEKNO")
    if not any(name.startswith("BY") for name in parts.keys() - out - {"BYSETPOS"}):
        out.add("BYSETPOS")
    return {name: value for name, value in parts.items() if name not in out}


RULES = st.sampled_from(list(SENSELESS)).flatmap(rules_of)
STARTS = st.datetimes(datetime(1998, 1, 1), datetime(2016, 1, 1)).map(
    lambda at: at.replace(microsecond=0)
)


def enumerated(text, starts, zone, first, last):
    """Return the moments in a time that dateutil itself finds for a rule, from the very start."""
    locals_ = takewhile(
        lambda local: local <= naive(last) + 2 * DAY, rrulestr(text, dtstart=starts)
    )
    zone = tz.gettz(zone)
    found = {
        # dateutil's own way of 3.3.5: forward by as much as the clocks go
        tz.resolve_imaginary(local.replace(tzinfo=zone)).astimezone(UTC)
        for local in locals_
        if local >= naive(first) - 2 * DAY
    }
    return sorted(moment for moment in found if first < moment <= last)


def naive(moment):
    return moment.replace(tzinfo=None)


def agrees_with_dateutil(text, starts, zone, after, years):
    try:
        recurrence = read_recurrence(text, starts, ZoneInfo(zone))
    except ValueError:  # it never occurs, or hardly ever
        reject()
    first = starts.replace(tzinfo=UTC) + after * DAY
    last = min(first + years * 365 * DAY, KNOWN_UNTIL)
    if "COUNT" not in text and recurrence.next(last) is None:
        reject()  # dateutil would look for it until the year 9999
    expected = enumerated(text, starts, zone, first, last)
    found = list(takewhile(lambda moment: moment <= last, recurrence.after(first)))
    assert found == expected[: len(found)]
    at = first
    for moment in expected[:FEW]:  # from one to the next, as a schedule goes
        at = recurrence.next(at)
        assert at == moment
    assert len(found) >= min(len(expected), FEW)


@pytest.mark.whole
def test_occurrences_over_ten_years_are_those_that_dateutil_enumerates(request):
    whole = request.config.getoption("whole")
    hourly = YEARS if whole else 1

    def some_years_of(text):
        """Leave ten years of hours to the examples: they take dateutil seconds each."""
        return text, 1 if "HOURLY" in text else YEARS

    @settings(max_examples=40 if whole else 5, deadline=None)
    @given(rule=RULES.map(some_years_of), starts=STARTS, zone=ZONES, after=st.floats(-700, 5000))
    @example(("FREQ=HOURLY", hourly), datetime(2010, 1, 1, 0, 30), "America/Sao_Paulo", 180)
    @example(
        ("FREQ=HOURLY;INTERVAL=7", hourly), datetime(2011, 12, 29, 20, 15), "Pacific/Apia", 0.7
    )
    @example(("FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=1", YEARS), datetime(2014, 1, 1, 9), "UTC", 600)
    def check(rule, starts, zone, after):
        text, years = rule
        agrees_with_dateutil(text, starts, zone, after, years)

    check()


@pytest.mark.whole
@given(
    interval=st.integers(1, 90),
    starts=STARTS,
    zone=ZONES,
    after=st.integers(0, 3000),
    hours=st.none() | some(range(24)),
)
@settings(max_examples=12, deadline=None)
def test_minutes_are_those_that_dateutil_enumerates(interval, starts, zone, after, hours):
    text = f"FREQ=MINUTELY;INTERVAL={interval}" + (f";BYHOUR={hours}" if hours else "")
    recurrence = read_recurrence(text, starts, ZoneInfo(zone))
    first = starts.replace(tzinfo=UTC) + after * DAY
    # dateutil's, from a start that lies on the rule's own way
    length = timedelta(minutes=interval)
    near = starts + max((after - 2) * DAY // length, 0) * length
    try:
        expected = enumerated(text, near, zone, first, first + 3 * DAY)[:200]
    except ValueError:  # dateutil: the interval never meets these hours
        expected = []
    assert list(islice(recurrence.after(first), len(expected))) == expected


# ---------------------------------------------------------------- clocks that change


def moments(text, starts, zone, after, count):
    found = read_recurrence(text, starts, ZoneInfo(zone)).after(after.replace(tzinfo=UTC))
    return [at.strftime("%m-%d %H:%M") for at in islice(found, count)]


def test_local_time_stays_when_the_clocks_change():
    nine = datetime(2030, 3, 8, 9)
    found = moments("FREQ=DAILY", nine, "America/New_York", nine, 4)
    assert found == ["03-08 14:00", "03-09 14:00", "03-10 13:00", "03-11 13:00"]


def test_time_that_does_not_exist_has_the_offset_from_before():
    start = datetime(2007, 3, 10, 2, 30)  # RFC 5545, 3.3.5: its own example
    found = moments("FREQ=DAILY", start, "America/New_York", start, 3)
    assert found == ["03-10 07:30", "03-11 07:30", "03-12 06:30"]


def test_time_that_exists_twice_is_the_first_of_both():
    start = datetime(2007, 11, 3, 1, 30)  # RFC 5545, 3.3.5: its own example
    found = moments("FREQ=DAILY", start, "America/New_York", start, 3)
    assert found == ["11-03 05:30", "11-04 05:30", "11-05 06:30"]


def test_times_that_do_not_exist_come_in_the_order_of_moments_and_once():
    start = datetime(2030, 3, 10, 1, 20)
    found = moments("FREQ=MINUTELY;INTERVAL=20", start, "America/New_York", start, 6)
    assert found == [
        "03-10 06:20",
        "03-10 06:40",
        "03-10 07:00",
        "03-10 07:20",
        "03-10 07:40",
        "03-10 08:00",
    ]


def test_end_is_heeded_to_the_second():
    start = datetime(2030, 11, 1, 1, 30)
    for until, expected in [
        ("20301103T053000Z", 3),
        ("20301103T052959Z", 2),
        ("20301103T013000", 3),
    ]:
        found = moments(f"FREQ=DAILY;UNTIL={until}", start, "America/New_York", start, 9)
        assert len(found) == expected


def test_count_is_of_all_that_ever_was():
    start = datetime(2030, 1, 1, 9)
    found = moments("FREQ=DAILY;COUNT=5", start, "UTC", datetime(2030, 1, 3, 12), 9)
    assert found == ["01-04 09:00", "01-05 09:00"]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no part"),
        ("BYDAY=MO", "needs a FREQ"),
        ("FREQ=SECONDLY", "FREQ that is none"),
        ("FREQ=FORTNIGHTLY", "FREQ that is none"),
        ("FREQ=DAILY;BYSECOND=0,30", "more than once a minute"),
        ("FREQ=MINUTELY;BYSECOND=0,30", "more than once a minute"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20300101T000000Z", "both COUNT and UNTIL"),
        ("DTSTART:20300101T090000\nRRULE:FREQ=DAILY", "no part"),
        ("FREQ=DAILY;DTSTART=20300101T090000", "'DTSTART'"),
        ("FREQ=DAILY\nRRULE:FREQ=DAILY", "FREQ that is none"),
        ("FREQ=DAILY;FREQ=WEEKLY", "twice"),
        ("FREQ=DAILY;", "no part"),
        ("FREQ=DAILY;BYEASTER=0", "'BYEASTER'"),
        ("FREQ=DAILY;BYWEEKDAY=MO", "'BYWEEKDAY'"),
        ("FREQ=DAILY;BYDAY=MO(+1)", "BYDAY that is none"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY that is none"),
        ("FREQ=MONTHLY;BYDAY=54MO", "BYDAY that is none"),
        ("FREQ=DAILY;BYDAY=", "BYDAY that is none"),
        ("FREQ=WEEKLY;BYDAY=1MO", "MONTHLY and YEARLY alone"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "MONTHLY and YEARLY alone"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL that is none"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL that is none"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL that is none"),
        ("FREQ=DAILY;INTERVAL=10000", "INTERVAL that is none"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 200, "INTERVAL that is none"),
        ("FREQ=DAILY;COUNT=0", "COUNT that is none"),
        ("FREQ=DAILY;COUNT=10001", "COUNT that is none"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR that is none"),
        ("FREQ=DAILY;BYHOUR=-1", "BYHOUR that is none"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH that is none"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY that is none"),
        ("FREQ=DAILY;BYMONTHDAY=-32", "BYMONTHDAY that is none"),
        ("FREQ=DAILY;BYHOUR=९", "BYHOUR that is none"),
        ("FREQ=DAILY;BYHOUR=1_0", "BYHOUR that is none"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "does not go with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "does not go with FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "does not go with FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "no other BY"),
        ("FREQ=HOURLY;BYMINUTE=1;BYSETPOS=1", "does not go with FREQ=HOURLY"),
        ("FREQ=DAILY;UNTIL=20300101", "UNTIL that is none"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL that is none"),
        ("FREQ=DAILY;UNTIL=20300230T000000", "no time"),
        ("FREQ=DAILY;UNTIL=00010101T000000", "outside the years"),
        ("FREQ=DAILY;UNTIL=99991231T235959", "outside the years"),
        ("FREQ=DAILY;WKST=XX", "WKST that is none"),
        ("FREQ=HOURLY;INTERVAL=2;BYHOUR=1", "never occurs"),
        ("FREQ=MINUTELY;INTERVAL=30;BYMINUTE=5", "never occurs"),
        ("FREQ=DAILY;COUNT=2;BYMONTH=2;BYMONTHDAY=30", "further than is looked ahead"),
        (f"FREQ=DAILY;BYHOUR=1,2;BYMINUTE={joined(range(25))}", "times a day"),
        (f"FREQ=DAILY;BYMINUTE={joined(range(60))};BYMONTHDAY={joined(range(1, 32))}", "255"),
    ],
)
def test_rule_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read_recurrence(text, datetime(2030, 1, 1, 10), NEW_YORK)


def test_rule_may_be_written_in_small_letters_and_with_its_name():
    start = datetime(2030, 1, 1, 9)
    assert moments(" rrule:freq=daily;byday=mo ", start, "UTC", start, 1) == ["01-07 09:00"]


# ---------------------------------------------------------------- the work that a rule makes


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYSETPOS=2",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        f"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYSETPOS={joined(range(1, 60))}",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
    ],
)
def test_what_never_occurs_is_looked_for_only_so_long(text):
    began = process_time()
    recurrence = read_recurrence(text, datetime(2030, 1, 1, 9), NEW_YORK)
    assert recurrence.next(EPOCH) is None
    assert process_time() - began < 2  # to the year 9999 it would take half a minute


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=MINUTELY",
        "FREQ=MINUTELY;BYHOUR=9;BYDAY=MO",
        f"FREQ=YEARLY;BYDAY={joined(DAYS)};BYHOUR={joined(range(24))};BYMINUTE=0,30",
        "FREQ=MINUTELY;COUNT=10000",
        "FREQ=MONTHLY;BYDAY=-1FR",
    ],
)
def test_rule_that_began_long_ago_is_no_more_work(text):
    began = process_time()
    recurrence = read_recurrence(text, datetime(1970, 1, 1), NEW_YORK)
    for day in range(10):
        recurrence.next(datetime(2060, 12, 20, tzinfo=UTC) + timedelta(days=day))
    assert process_time() - began < 3


@pytest.mark.parametrize("year", [1970, 9990])
def test_rules_end_with_the_calendar(year):
    recurrence = read_recurrence("FREQ=YEARLY", datetime(year, 12, 31, 23), NEW_YORK)
    found = list(recurrence.after(datetime(9995, 1, 1, tzinfo=UTC)))
    assert [at.year for at in found] == [9995, 9996, 9997, 9998, 9999]
