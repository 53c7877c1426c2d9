import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recado_core import Category
from recado_core.checks import Recipient
from recado_core.engine.checks import hours as quiet_hours
from recado_core.engine.checks.hours import QuietHours
from recado_core.engine.checks.quiet_hours import QuietHoursCheck
from recado_core.engine.settings import HoursSettings, QuietHoursSettings
from recado_core.errors import ConfigurationError

HOME = "America/Sao_Paulo"
SAO_PAULO = "+5511900000001"
RIO = "+5521900000001"
MANAUS = "+5592900000001"
RECIFE = "+5581900000001"
NEW_YORK = "+12125550100"
TORONTO = "+14165550100"
TOLL_FREE = "+18005550100"
LONDON = "+442079460100"
INDIA = "+910000000001"
NEWFOUNDLAND = "+17095550100"
CUBA = "+5350000001"
MOROCCO = "+212600000001"
RUSSIAN_MOBILE = "+79000000001"
EMAIL = "someone@example.com"

MINUTE = timedelta(minutes=1)
USUAL = QuietHoursSettings(
    weekdays="09:00-21:00", saturday="10:00-16:00", sunday="closed", holidays="BR", spread=0
)


def hours(**keys):
    return QuietHoursSettings(**({"spread": 0} | keys))


def local(text, zone=HOME, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def opening(address, at, rules=USUAL, category=Category.MARKETING, home=HOME):
    found = QuietHours({"sms": rules}, home).opening(address, "sms", category, at)
    return found and found.at


# What is open when


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-23 08:59:59", "2026-11-23 09:00"),  # a Monday
        ("2026-11-23 09:00", None),
        ("2026-11-23 20:59:59.999999", None),
        ("2026-11-23 21:00", "2026-11-24 09:00"),
        ("2026-11-21 09:30", "2026-11-21 10:00"),
        ("2026-11-21 16:00", "2026-11-23 09:00"),  # over the Sunday
        ("2026-11-22 12:00", "2026-11-23 09:00"),
    ],
)
def test_a_message_waits_for_the_next_window(at, opens):
    assert opening(SAO_PAULO, local(at)) == (opens and local(opens))


def test_each_is_judged_in_their_own_time():
    at = local("2026-11-23 09:30")
    assert opening(SAO_PAULO, at) is None
    assert opening(MANAUS, at) == local("2026-11-23 09:00", "America/Manaus")
    assert opening(LONDON, at) is None
    assert opening(LONDON, at + timedelta(hours=9)) == local("2026-11-24 09:00", "Europe/London")


def test_who_is_nowhere_is_judged_in_the_gateway_s_time():
    at = local("2026-11-23 09:30", "Asia/Tokyo")
    for address in (EMAIL, "12345", "+80000000001"):
        assert opening(address, at, home="Asia/Tokyo") is None
        assert opening(address, at, home=HOME) == local("2026-11-23 09:00")


def test_a_day_may_have_a_break():
    rules = hours(weekdays="14:00-21:00, 09:00-12:00")
    assert opening(SAO_PAULO, local("2026-11-23 11:59"), rules) is None
    assert opening(SAO_PAULO, local("2026-11-23 12:00"), rules) == local("2026-11-23 14:00")


def test_the_zones_with_half_an_hour_count_it():
    assert opening(INDIA, datetime(2026, 11, 23, 3, 29, tzinfo=UTC)) == datetime(
        2026, 11, 23, 3, 30, tzinfo=UTC
    )
    # Newfoundland's number may be in Labrador, half an hour behind.
    assert opening(NEWFOUNDLAND, datetime(2026, 11, 24, 0, 29, tzinfo=UTC)) is None
    assert opening(NEWFOUNDLAND, datetime(2026, 11, 24, 0, 30, tzinfo=UTC)) == local(
        "2026-11-24 09:00", "America/Halifax"
    )


def test_the_last_minute_before_midnight_is_open_in_a_window_to_24_00():
    rules = hours(weekdays="20:00-24:00", saturday="closed", sunday="closed")
    assert opening(SAO_PAULO, local("2026-11-23 23:59:59.999999"), rules) is None
    assert opening(SAO_PAULO, local("2026-11-24 00:00"), rules) == local("2026-11-24 20:00")


def test_all_day_open_is_open_over_midnight():
    for at in ("2026-11-23 23:59:59", "2026-11-24 00:00"):
        assert opening(SAO_PAULO, local(at), hours()) is None


# Whom it concerns


def test_a_one_time_code_never_waits():
    rules = hours(weekdays="09:00-09:01", transactional=HoursSettings(weekdays="09:00-09:01"))
    assert opening(SAO_PAULO, local("2026-11-23 03:00"), rules, Category.OTP) is None


def test_transactional_messages_wait_only_where_they_have_hours():
    at = local("2026-11-23 07:30")
    assert opening(SAO_PAULO, at, USUAL, Category.TRANSACTIONAL) is None
    rules = hours(weekdays="09:00-21:00", transactional=HoursSettings(weekdays="08:00-22:00"))
    assert opening(SAO_PAULO, at, rules, Category.TRANSACTIONAL) == local("2026-11-23 08:00")
    assert opening(SAO_PAULO, at, rules) == local("2026-11-23 09:00")


def test_transactional_messages_have_holidays_of_their_own():
    rules = hours(holidays="BR", transactional=HoursSettings())
    christmas = local("2026-12-25 12:00")
    assert opening(SAO_PAULO, christmas, rules) == local("2026-12-26 00:00")
    assert opening(SAO_PAULO, christmas, rules, Category.TRANSACTIONAL) is None


def test_a_channel_without_hours_is_always_open():
    rules = QuietHours({"sms": USUAL}, HOME)
    at = local("2026-11-22 12:00")
    assert rules.opening(SAO_PAULO, "whatsapp", Category.MARKETING, at) is None


# Holidays


@pytest.mark.parametrize(
    "day",
    [
        "2026-11-20",  # Consciência Negra, a Friday
        "2026-04-03",  # Good Friday
        "2027-03-26",  # Good Friday, a year on
        "2026-12-25",
        "2027-01-01",
    ],
)
def test_a_holiday_is_closed_and_the_day_before_is_not(day):
    noon = local(f"{day} 12:00")
    assert opening(SAO_PAULO, noon - timedelta(days=1)) is None
    assert opening(SAO_PAULO, noon) > noon
    assert opening(SAO_PAULO, noon, hours(weekdays="09:00-21:00")) is None


def test_a_holiday_has_its_own_hours_on_whichever_day_it_is():
    rules = hours(saturday="closed", holiday="12:00-14:00", holidays="BR")
    for day in ("2026-12-25", "2027-12-25", "2026-11-15"):  # a Friday, a Saturday, a Sunday
        assert opening(SAO_PAULO, local(f"{day} 10:00"), rules) == local(f"{day} 12:00")
        assert opening(SAO_PAULO, local(f"{day} 13:00"), rules) is None


def test_the_holidays_of_a_state_are_those_of_its_people():
    july_9 = local("2026-07-09 12:00")  # São Paulo's
    assert opening(SAO_PAULO, july_9) == local("2026-07-10 09:00")
    assert opening(RIO, july_9) is None
    april_23 = local("2026-04-23 12:00")  # Rio's
    assert opening(SAO_PAULO, april_23) is None
    assert opening(RIO, april_23) == local("2026-04-24 09:00")


def test_a_named_state_s_holidays_count_for_the_whole_country():
    rules = hours(weekdays="09:00-21:00", holidays="BR-SP")
    assert opening(RIO, local("2026-07-09 12:00"), rules) == local("2026-07-10 09:00")
    assert opening(RIO, local("2026-04-23 12:00"), rules) is None
    assert opening(RIO, local("2026-12-25 12:00"), rules) is not None


def test_holidays_concern_only_the_people_of_their_country():
    rules = hours(weekdays="09:00-21:00", holidays=("BR", "US"))
    november_20 = local("2026-11-20 12:00")
    assert opening(LONDON, november_20, rules) is None
    assert opening(EMAIL, november_20, rules) is None
    thanksgiving = local("2026-11-26 12:00", "America/New_York")
    assert opening(NEW_YORK, thanksgiving, rules) is not None
    assert opening(TORONTO, thanksgiving, rules) is None
    assert opening(SAO_PAULO, thanksgiving, rules) is None


def test_a_holiday_begins_at_the_midnight_of_the_person():
    at = local("2026-12-24 23:30", "America/Manaus")  # Christmas in São Paulo
    assert opening(MANAUS, at, hours(holidays="BR")) is None
    assert opening(SAO_PAULO, at, hours(holidays="BR")) == local("2026-12-26 00:00")


def test_sundays_alone_may_be_three_weeks_apart():
    rules = hours(weekdays="closed", saturday="closed", sunday="10:00-12:00", holidays="BR")
    # Christmas 2033 and the New Year after it are Sundays.
    assert opening(SAO_PAULO, local("2033-12-18 12:00"), rules) == local("2034-01-08 10:00")


def test_what_no_day_opens_is_judged_again_in_a_year(monkeypatch):
    every_day = {date(2026, 1, 1) + timedelta(days=n) for n in range(2000)}
    monkeypatch.setattr(quiet_hours, "_holidays", lambda *_: every_day)
    at = local("2026-11-23 12:00")
    waits = opening(SAO_PAULO, at) - at
    assert timedelta(days=366) <= waits < timedelta(days=368)


# Clocks that change


def test_a_window_that_the_clocks_leave_out_opens_the_next_time():
    rules = hours(weekdays="closed", saturday="closed", sunday="02:00-03:00")
    zone = "America/New_York"  # on 8 March 2026 2:00 is 3:00
    assert opening(NEW_YORK, local("2026-03-08 01:59", zone), rules) == local(
        "2026-03-15 02:00", zone
    )


def test_a_window_that_begins_where_the_clocks_jump_opens_at_the_jump():
    rules = hours(weekdays="closed", saturday="closed", sunday="02:30-05:00")
    opens = opening(NEW_YORK, local("2026-03-08 00:00", "America/New_York"), rules)
    assert opens == datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
    rules = hours(weekdays="closed", saturday="closed", sunday="01:30-05:00")
    opens = opening(LONDON, local("2026-03-29 00:00", "Europe/London"), rules)
    assert opens == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_window_in_the_hour_that_comes_twice_opens_twice():
    rules = hours(weekdays="closed", saturday="closed", sunday="01:00-01:30")
    zone = "America/New_York"  # on 1 November 2026 2:00 is 1:00 again
    for fold in (0, 1):
        assert opening(NEW_YORK, local("2026-11-01 01:29", zone, fold), rules) is None
    assert opening(NEW_YORK, local("2026-11-01 01:45", zone), rules) == datetime(
        2026, 11, 1, 6, 0, tzinfo=UTC
    )
    assert opening(NEW_YORK, local("2026-11-01 01:45", zone, 1), rules) == local(
        "2026-11-08 01:00", zone
    )


def test_the_window_keeps_its_place_in_the_day_over_a_change():
    zone = "Europe/London"
    rules = hours(saturday="closed", sunday="09:00-10:00")
    for evening in ("2026-03-28 22:00", "2026-10-24 22:00"):
        at = local(evening, zone)
        assert opening(LONDON, at, rules) == at + timedelta(hours=11)  # in its own clock


def test_a_day_may_begin_at_one():
    rules = hours(saturday="closed", sunday="00:00-02:00")
    zone = "America/Havana"  # on 8 March 2026 midnight is 1:00
    assert opening(CUBA, local("2026-03-07 12:00", zone), rules) == local("2026-03-08 01:00", zone)


# Numbers that may be in several zones


def test_who_may_be_in_several_zones_gets_it_when_it_suits_all():
    noronha = "America/Noronha"  # an hour ahead of Recife
    rules = hours(weekdays="09:00-21:00")
    assert opening(RECIFE, local("2026-11-23 08:30", "America/Recife"), rules) == local(
        "2026-11-23 09:00", "America/Recife"
    )
    assert opening(RECIFE, local("2026-11-23 20:59", noronha), rules) is None
    assert opening(RECIFE, local("2026-11-23 21:00", noronha), rules) == local(
        "2026-11-24 09:00", "America/Recife"
    )


def test_where_no_time_suits_all_zones_the_gateway_s_counts_if_it_is_one():
    rules = hours(weekdays="09:00-17:00", saturday="closed", sunday="closed")
    zone = "America/Chicago"
    at = local("2026-11-23 08:00", zone)
    assert opening(TOLL_FREE, at, rules, home=zone) == local("2026-11-23 09:00", zone)
    assert opening(TOLL_FREE, local("2026-11-23 16:59", zone), rules, home=zone) is None


def test_where_no_time_suits_all_zones_and_the_gateway_is_elsewhere_the_first_counts():
    rules = hours(weekdays="09:00-17:00", saturday="closed", sunday="closed")
    at = local("2026-11-23 08:00", "America/Adak")
    assert opening(TOLL_FREE, at, rules) == local("2026-11-23 09:00", "America/Adak")


def test_where_some_time_suits_all_zones_it_is_waited_for():
    rules = hours(weekdays="09:00-21:00", saturday="closed", sunday="closed")
    at = local("2026-11-23 12:00", "America/New_York")
    opens = opening(TOLL_FREE, at, rules)
    assert opens == local("2026-11-24 09:00", "Pacific/Guam")
    assert opens < local("2026-11-23 21:00", "America/St_Johns")


# Spread


def spread_of(rules, at, draw):
    found = QuietHours({"sms": rules}, HOME).opening(SAO_PAULO, "sms", Category.MARKETING, at)
    return found.spread(lambda: draw)


def test_what_waited_is_spread_evenly():
    rules = hours(weekdays="09:00-21:00", spread=600)
    at, nine = local("2026-11-23 07:00"), local("2026-11-23 09:00")
    assert spread_of(rules, at, 0.0) == nine
    assert spread_of(rules, at, 0.25) == nine + timedelta(seconds=150)
    almost = spread_of(rules, at, math.nextafter(1.0, 0.0))
    assert nine + timedelta(seconds=599) < almost < nine + timedelta(seconds=600)


def test_nothing_is_spread_past_the_end_of_its_window():
    rules = hours(weekdays="09:00-09:05", spread=3600)
    at, nine = local("2026-11-23 07:00"), local("2026-11-23 09:00")
    assert spread_of(rules, at, 0.5) == nine + timedelta(seconds=150)
    assert spread_of(rules, at, math.nextafter(1.0, 0.0)) < nine + timedelta(minutes=5)


def test_windows_that_meet_at_midnight_are_one_to_the_spread():
    rules = hours(weekdays="22:00-24:00", saturday="00:00-02:00", sunday="closed", spread=36_000)
    ten = local("2026-11-20 22:00")  # a Friday
    assert spread_of(rules, local("2026-11-20 12:00"), 0.75) == ten + timedelta(hours=3)


def test_windows_that_meet_in_the_day_are_one():
    rules = hours(weekdays="09:00-12:00, 12:00-15:00", spread=36_000)
    nine = local("2026-11-23 09:00")
    assert spread_of(rules, local("2026-11-23 07:00"), 0.75) == nine + timedelta(hours=4.5)


def test_without_spread_all_goes_at_the_opening():
    rules = hours(weekdays="09:00-21:00")
    assert spread_of(rules, local("2026-11-23 07:00"), 0.9) == local("2026-11-23 09:00")


# The settings


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ({"saturday": "9-12"}, "saturday", "write open, closed, or windows"),
        ({"saturday": ""}, "saturday", "write open, closed, or windows"),
        ({"sunday": "09:00-12:00,"}, "sunday", "write open, closed, or windows"),
        ({"sunday": "open, 09:00-12:00"}, "sunday", "write open, closed, or windows"),
        ({"weekdays": "09:00-12:60"}, "weekdays", "12:60 in 09:00-12:60 is no time"),
        ({"weekdays": "09:00-24:01"}, "weekdays", "24:01 in 09:00-24:01 is no time"),
        ({"weekdays": "25:00-26:00"}, "weekdays", "25:00 in 25:00-26:00 is no time"),
        ({"weekdays": "09:00-09:00"}, "weekdays", "is empty"),
        ({"weekdays": "24:00-24:00"}, "weekdays", "is empty"),
        ({"weekdays": "22:00-06:00"}, "weekdays", "write two, 00:00-06:00, 22:00-24:00"),
        ({"weekdays": "20:00-00:00"}, "weekdays", "write 20:00-24:00"),
        ({"holiday": "09:00-12:00, 11:59-13:00"}, "holiday", "one ends at 12:00, the next"),
        ({"holiday": "09:00-18:00, 10:00-11:00"}, "holiday", "one ends at 18:00, the next"),
        ({"holidays": "XX"}, "holidays", "no holidays are known of the country 'XX'"),
        ({"holidays": "Brazil"}, "holidays", "no holidays are known of the country 'Brazil'"),
        ({"holidays": "XNYS"}, "holidays", "no holidays are known of the country 'XNYS'"),
        ({"holidays": "BR,,PT"}, "holidays", "no holidays are known of the country ''"),
        ({"holidays": ("PT", "")}, "holidays", "no holidays are known of the country ''"),
        ({"holidays": "BR-XX"}, "holidays", "of BR no holidays are known for 'XX'"),
        ({"holidays": "BR-"}, "holidays", "of BR no holidays are known for ''"),
        ({"holidays": ("PT", "BR, US-ZZ")}, "holidays", "of US no holidays are known for 'ZZ'"),
    ],
)
def test_what_can_t_be_read_is_told_by_its_key(keys, key, said):
    with pytest.raises(ConfigurationError) as refused:
        QuietHours({"sms": hours(**keys)}, HOME)
    assert str(refused.value).startswith(f"quiet_hours.sms.{key}: ")
    assert said in str(refused.value)
    with pytest.raises(ConfigurationError) as refused:
        QuietHours({"sms": hours(transactional=HoursSettings(**keys))}, HOME)
    assert str(refused.value).startswith(f"quiet_hours.sms.transactional.{key}: ")


def test_hours_that_never_open_are_refused():
    closed = {"weekdays": "closed", "saturday": "closed", "sunday": "closed"}
    with pytest.raises(ConfigurationError, match=r"^quiet_hours\.sms: .*wait for ever"):
        QuietHours({"sms": hours(**closed, holiday="open")}, HOME)
    with pytest.raises(ConfigurationError, match=r"^quiet_hours\.sms\.transactional: "):
        QuietHours({"sms": hours(transactional=HoursSettings(**closed))}, HOME)


@pytest.mark.parametrize("value", ["BR-RJ, US", "BR-RJ,US", ("BR-RJ", "US"), ("BR-RJ, US",)])
def test_several_holidays_are_written_with_commas_or_as_a_list(value):
    rules = hours(weekdays="09:00-21:00", holidays=value)
    assert opening(SAO_PAULO, local("2026-04-23 12:00"), rules) is not None
    assert opening(NEW_YORK, local("2026-11-26 12:00", "America/New_York"), rules) is not None


def test_a_country_s_other_codes_are_the_same_country():
    rules = hours(weekdays="09:00-21:00", holidays="UK")
    assert opening(LONDON, local("2026-12-25 12:00", "Europe/London"), rules) is not None


@pytest.mark.parametrize("text", ["9:00-21:00", " 09:00 - 21:00 ", "09:00-10:00,10:00-21:00"])
def test_windows_may_be_written_loosely(text):
    rules = hours(weekdays=text)
    assert opening(SAO_PAULO, local("2026-11-23 08:59"), rules) == local("2026-11-23 09:00")
    assert opening(SAO_PAULO, local("2026-11-23 20:59"), rules) is None
    assert opening(SAO_PAULO, local("2026-11-23 21:00"), rules) is not None


# The check


def recipient(address, at, category=Category.MARKETING):
    return Recipient(address=address, channel="sms", category=category, at=at)


async def test_the_check_answers_each_in_order_with_a_reason_for_a_person():
    rules = hours(weekdays="09:00-21:00", saturday="closed", sunday="closed", spread=600)
    check = QuietHoursCheck({"sms": rules}, HOME, lambda: 0.5)
    at = local("2026-11-20 20:30")
    told = await check.check(
        [
            recipient(SAO_PAULO, at),
            recipient(MANAUS, at + timedelta(hours=2)),
            recipient(MANAUS, at + timedelta(hours=2), Category.OTP),
            recipient(SAO_PAULO, at + timedelta(hours=2)),
        ]
    )
    assert [answer and answer.reason for answer in told] == [
        None,
        "quiet hours in America/Manaus until 2026-11-23 09:00",
        None,
        "quiet hours in America/Sao_Paulo until 2026-11-23 09:00",
    ]
    assert told[1].check == check.id == "quiet_hours"
    assert told[1].until == local("2026-11-23 09:05", "America/Manaus")
    assert told[3].until == local("2026-11-23 09:05")


async def test_each_recipient_is_drawn_a_moment_of_their_own():
    draws = iter((0.0, 0.1, 0.2))
    check = QuietHoursCheck({"sms": hours(sunday="closed", spread=600)}, HOME, lambda: next(draws))
    told = await check.check([recipient(SAO_PAULO, local("2026-11-22 12:00"))] * 3)
    midnight = local("2026-11-23 00:00")
    assert [answer.until - midnight for answer in told] == [MINUTE * n for n in range(3)]


async def test_a_message_that_waited_for_its_moment_may_go_then():
    check = QuietHoursCheck({"sms": hours(weekdays="09:00-21:00", spread=600)}, HOME, lambda: 0.99)
    (answer,) = await check.check([recipient(MANAUS, local("2026-11-23 07:00"))])
    assert await check.check([recipient(MANAUS, answer.until)]) == [None]


# Against a judge who is slow and reads the settings as they are written

PEOPLE = [
    (SAO_PAULO, ("America/Sao_Paulo",), "BR", "SP"),
    (MANAUS, ("America/Manaus",), "BR", "AM"),
    (RECIFE, ("America/Recife", "America/Noronha"), "BR", "PE"),
    (NEW_YORK, ("America/New_York",), "US", None),
    (LONDON, ("Europe/London",), "GB", None),
    (INDIA, ("Asia/Kolkata",), "IN", None),
    (NEWFOUNDLAND, ("America/Halifax", "America/St_Johns"), "CA", None),
    (CUBA, ("America/Havana",), "CU", None),
    (MOROCCO, ("Africa/Casablanca",), "MA", None),
    (EMAIL, (HOME,), None, None),
]
CHANGES = [
    local("2026-03-08 02:00", "America/New_York"),
    local("2026-11-01 01:00", "America/New_York"),
    local("2026-03-29 01:00", "Europe/London"),
    local("2026-10-25 01:00", "Europe/London"),
    local("2026-03-08 00:00", "America/Havana"),
    local("2026-11-01 00:00", "America/Havana"),
    local("2027-02-07 02:00", "Africa/Casablanca"),
    local("2026-12-24 23:00"),
    local("2026-07-08 23:00"),
    local("2026-11-14 23:00"),
]


class Judge:
    """Says of one minute whether it is open; knows nothing of any other."""

    def __init__(self, rules, zones, country, state):
        self.rules = rules
        self.zones = [ZoneInfo(zone) for zone in zones]
        self.calendars = []
        for name in rules.holidays:
            if name.partition("-")[0] == country:
                part = name.partition("-")[2] or state
                self.calendars.append(holidays.country_holidays(country, subdiv=part))

    def allows(self, at):
        return all(self.allows_in(zone, at) for zone in self.zones)

    def allows_in(self, zone, at):
        there = at.astimezone(zone)
        text = self.text_for(there)
        if text in {"open", "closed"}:
            return text == "open"
        now = f"{there.hour:02}:{there.minute:02}"
        windows = (part.strip().split("-") for part in text.split(","))
        return any(first <= now < last for first, last in windows)

    def text_for(self, there):
        if any(there.date() in calendar for calendar in self.calendars):
            return self.rules.holiday
        if there.isoweekday() == 6:
            return self.rules.saturday
        return self.rules.sunday if there.isoweekday() == 7 else self.rules.weekdays


@st.composite
def windows(draw):
    """Two, four or six times of a day in their order, as windows."""
    count = draw(st.integers(1, 3)) * 2
    grid = st.one_of(st.integers(0, 1440), st.integers(0, 48).map(lambda half: half * 30))
    times = sorted(draw(st.lists(grid, min_size=count, max_size=count, unique=True)))
    words = [f"{time // 60:02}:{time % 60:02}" for time in times]
    return ", ".join(f"{first}-{last}" for first, last in zip(words[::2], words[1::2], strict=True))


whole_days = st.sampled_from(["open", "closed"])
any_rules = st.builds(
    QuietHoursSettings,
    weekdays=windows(),
    saturday=st.one_of(whole_days, windows()),
    sunday=st.one_of(whole_days, windows()),
    holiday=st.one_of(whole_days, windows()),
    holidays=st.sampled_from([(), ("BR",), ("BR-SP", "US"), ("BR", "GB", "IN", "CU")]),
    spread=st.sampled_from([0, 1, 600, 43_200]),
)
any_time = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.builds(
        lambda change, seconds: change.astimezone(UTC) + timedelta(seconds=seconds),
        st.sampled_from(CHANGES),
        st.floats(-86_400, 14_400),
    ),
)
any_person = st.sampled_from(PEOPLE)
any_address = st.sampled_from([TOLL_FREE, RUSSIAN_MOBILE, *(each[0] for each in PEOPLE)])
any_draw = st.floats(0, 1, exclude_max=True)


def minutes(since, until):
    at = since.replace(second=0, microsecond=0)
    while at < until:
        yield at
        at += MINUTE


def judge_for(person, rules, at, opens):
    """Who may be in several zones is judged by the main one alone where no minute suits all."""
    _, zones, country, state = person
    judge = Judge(rules, zones, country, state)
    if len(zones) == 1 or judge.allows(opens):
        return judge
    assert not any(judge.allows(minute) for minute in minutes(at, opens + timedelta(days=14)))
    return Judge(rules, zones[:1], country, state)


def found_for(person, rules, at):
    return QuietHours({"sms": rules}, HOME).opening(person[0], "sms", Category.MARKETING, at)


@pytest.mark.whole
@settings(max_examples=150, deadline=None)
@given(any_person, any_rules, any_time)
def test_the_opening_is_the_first_minute_that_the_judge_allows(person, rules, at):
    found = found_for(person, rules, at)
    opens = at if found is None else found.at
    judge = judge_for(person, rules, at, opens)
    assert judge.allows(opens)
    assert not any(judge.allows(minute) for minute in minutes(at, opens) if found)
    if found is not None:
        assert opens > at
        assert opens.second == opens.microsecond == 0


@pytest.mark.whole
@settings(max_examples=150, deadline=None)
@given(any_person, any_rules, any_time, any_draw)
def test_what_is_spread_stays_in_the_window_and_may_go_then(person, rules, at, draw):
    found = found_for(person, rules, at)
    assume(found is not None)
    judge = judge_for(person, rules, at, found.at)
    moment = found.spread(lambda: draw)
    assert found.at <= moment
    assert moment < found.at + timedelta(seconds=rules.spread) or moment == found.at
    assert found_for(person, rules, moment) is None
    assert all(judge.allows(minute) for minute in minutes(found.at, moment))
    spread_out = found.closes == found.at + timedelta(seconds=rules.spread)
    assert spread_out or not judge.allows(found.closes)


@pytest.mark.whole
@settings(max_examples=100, deadline=None)
@given(any_address, any_rules, any_time)
def test_at_the_opening_a_message_may_go(address, rules, at):
    opens = opening(address, at, rules)
    assume(opens is not None)
    assert opens > at
    assert opening(address, opens, rules) is None


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(any_person, any_rules, st.lists(any_time, min_size=2, max_size=6))
def test_what_was_asked_before_changes_no_answer(person, rules, times):
    asked = QuietHours({"sms": rules}, HOME)
    for at in times:
        said = asked.opening(person[0], "sms", Category.MARKETING, at)
        assert said == found_for(person, rules, at)
