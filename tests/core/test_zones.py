from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import (
    UNKNOWN_TIMEZONE,
    time_zones_for_geographical_number,
    time_zones_for_number,
)
from phonenumbers.tzdata import TIMEZONE_DATA
from recado_core.engine.checks.zones import country_of, subdivision_of, zones_of

HOME = "Antarctica/Troll"
"""The fallback: nobody else is there."""
ELSEWHERE_DECIDED = ("+1", "+55", "+211", "+212", "+213", "+218", "+505", "+970")
TOLL_FREE = "+18005550100"
RUSSIAN_MOBILE = "+79000000001"


def brazilian(area):
    return f"+55{area:02}900000001"


def numbers():
    """The library's example of each kind of number in each country, in E.164."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield phonenumbers.format_number(number, PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("+5511900000001", "America/Sao_Paulo"),
        ("+551130000001", "America/Sao_Paulo"),
        ("+5561900000001", "America/Sao_Paulo"),
        ("+5592900000001", "America/Manaus"),
        ("+5568900000001", "America/Rio_Branco"),
        ("+5565900000001", "America/Cuiaba"),
        ("+5567900000001", "America/Campo_Grande"),
        ("+5571900000001", "America/Bahia"),
        ("+5591900000001", "America/Belem"),
        ("+5593900000001", "America/Santarem"),
        ("+12125550100", "America/New_York"),
        ("+17095550100", "America/St_Johns"),
        ("+442079460100", "Europe/London"),
        ("+910000000001", "Asia/Calcutta"),
        ("+351900000001", "Europe/Lisbon"),
        ("+18765550100", "America/Jamaica"),
        ("+212600000001", "Africa/Casablanca"),
        ("+970590000001", "Asia/Hebron"),
    ],
)
def test_a_number_tells_its_zone(address, zone):
    zones = zones_of(address, HOME)
    assert zone in zones
    assert len(zones) <= 2


def test_all_area_codes_but_two_are_in_one_zone():
    areas = [area for area in range(100) if subdivision_of(brazilian(area))]
    assert [area for area in areas if len(zones_of(brazilian(area), HOME)) > 1] == [81, 97]


def test_a_number_of_pernambuco_may_be_on_the_islands():
    assert zones_of(brazilian(81), HOME) == ("America/Recife", "America/Noronha")
    assert zones_of(brazilian(87), HOME) == ("America/Recife",)


def test_a_number_of_inner_amazonas_may_be_on_either_side_of_its_border_of_time():
    assert set(zones_of(brazilian(97), HOME)) == {"America/Manaus", "America/Eirunepe"}


def test_an_area_that_brazil_does_not_have_may_be_anywhere_in_it():
    zones = zones_of(brazilian(23), HOME)
    assert {"America/Noronha", "America/Sao_Paulo", "America/Rio_Branco"} <= set(zones)
    assert subdivision_of(brazilian(23)) is None


def test_a_number_that_may_be_used_anywhere_is_in_all_zones_of_its_country():
    assert {"America/New_York", "Pacific/Honolulu"} <= set(zones_of(TOLL_FREE, HOME))
    assert {"Europe/Moscow", "Asia/Vladivostok"} <= set(zones_of(RUSSIAN_MOBILE, HOME))


def test_a_number_unknown_to_the_library_may_be_anywhere_in_its_country():
    unknown = "+61000000001"
    assert phonenumbers.number_type(phonenumbers.parse(unknown)) == PhoneNumberType.UNKNOWN
    assert {"Australia/Sydney", "Australia/Perth"} <= set(zones_of(unknown, HOME))


@pytest.mark.parametrize(
    "address",
    ["12345", "someone@example.com", "ACME", "5511900000001", "", "+", "+0000000000", "+55 11 9"],
)
def test_what_is_no_number_is_in_the_fallback_and_in_no_country(address):
    assert zones_of(address, HOME) == (HOME,)
    assert country_of(address) is None
    assert subdivision_of(address) is None


def test_a_number_of_no_country_is_in_the_fallback():
    assert zones_of("+80000000001", HOME) == (HOME,)  # international freephone
    assert zones_of("+99900000001", HOME) == (HOME,)  # nobody's
    assert country_of("+80000000001") is None
    assert country_of("+99900000001") is None


def test_the_quick_way_agrees_with_the_library_wherever_it_knows_the_kind():
    seen = set()
    for address in numbers():
        if address.startswith(ELSEWHERE_DECIDED):
            continue
        zones = time_zones_for_number(phonenumbers.parse(address))
        if zones != (UNKNOWN_TIMEZONE,):
            assert zones_of(address, HOME) == zones, address
            seen.add(zones)
    assert len(seen) > 150


def test_what_is_decided_elsewhere_of_north_america_is_what_the_library_says_of_landlines():
    for address in numbers():
        if address.startswith("+1"):
            number = phonenumbers.parse(address)
            assert zones_of(address, HOME) == time_zones_for_geographical_number(number)


def test_where_a_country_has_one_zone_no_part_of_it_has_another():
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        zones = TIMEZONE_DATA.get(str(code), ())
        if len(zones) == 1:
            parts = {TIMEZONE_DATA[key] for key in TIMEZONE_DATA if key.startswith(str(code))}
            assert parts == {zones}


def test_the_country_of_the_quick_way_is_the_library_s():
    for address in numbers():
        assert country_of(address) == phonenumbers.region_code_for_number(
            phonenumbers.parse(address)
        )


def test_every_zone_that_a_number_can_be_in_is_known_here():
    for zone in {zone for zones in TIMEZONE_DATA.values() for zone in zones}:
        assert ZoneInfo(zone)
    addresses = [brazilian(area) for area in range(100)]
    for address in (*addresses, *(f"{code}600000001" for code in ELSEWHERE_DECIDED)):
        for zone in zones_of(address, HOME):
            assert ZoneInfo(zone)


@settings(max_examples=200, deadline=None)
@example("+00")
@example("+390000000")
@given(st.from_regex(r"\A\+?[0-9]{0,18}\Z"))
def test_every_text_of_digits_has_zones_that_exist(address):
    zones = zones_of(address, HOME)
    assert zones
    assert UNKNOWN_TIMEZONE not in zones
    assert country_of(address) is None or len(country_of(address)) == 2


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("+5511900000001", "BR"),
        ("+5523900000001", "BR"),
        ("+12125550100", "US"),
        (TOLL_FREE, "US"),
        ("+14165550100", "CA"),
        ("+17875550100", "PR"),
        ("+12120000001", "US"),  # of no kind known
        ("+442079460100", "GB"),
        ("+447781000000", "GG"),
        (RUSSIAN_MOBILE, "RU"),
        ("+77000000001", "KZ"),
        ("+351900000001", "PT"),
    ],
)
def test_a_number_tells_its_country(address, country):
    assert country_of(address) == country


def test_brazil_has_67_area_codes_in_27_states():
    states = {area: subdivision_of(brazilian(area)) for area in range(100)}
    found = [state for state in states.values() if state is not None]
    assert len(found) == 67
    assert len(set(found)) == 27


@pytest.mark.parametrize(
    ("areas", "state"),
    [
        (range(11, 20), "BR-SP"),
        ((21, 22, 24), "BR-RJ"),
        ((27, 28), "BR-ES"),
        ((31, 32, 33, 34, 35, 37, 38), "BR-MG"),
        (range(41, 47), "BR-PR"),
        ((47, 48, 49), "BR-SC"),
        ((51, 53, 54, 55), "BR-RS"),
        ((61,), "BR-DF"),
        ((62, 64), "BR-GO"),
        ((63,), "BR-TO"),
        ((65, 66), "BR-MT"),
        ((67,), "BR-MS"),
        ((68,), "BR-AC"),
        ((69,), "BR-RO"),
        ((71, 73, 74, 75, 77), "BR-BA"),
        ((79,), "BR-SE"),
        ((81, 87), "BR-PE"),
        ((82,), "BR-AL"),
        ((83,), "BR-PB"),
        ((84,), "BR-RN"),
        ((85, 88), "BR-CE"),
        ((86, 89), "BR-PI"),
        ((91, 93, 94), "BR-PA"),
        ((92, 97), "BR-AM"),
        ((95,), "BR-RR"),
        ((96,), "BR-AP"),
        ((98, 99), "BR-MA"),
    ],
)
def test_the_area_code_tells_the_state(areas, state):
    assert {subdivision_of(brazilian(area)) for area in areas} == {state}


def test_only_brazil_s_numbers_tell_a_state():
    assert subdivision_of("+12125550100") is None
