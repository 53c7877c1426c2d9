"""Where the person behind an address is: time zones, country, state.

Of Brazil's numbers the area code decides, by Anatel's plan, not the library: to it every mobile of
Recife is on Noronha's islands, and many of Pará are in Manaus. Of North America's numbers the area
code decides by the library's table; to the library a mobile of Jamaica may be in Guam. Every other
country's numbers are left to it, but for those whose zone it takes from a neighbour.
"""

import re
from typing import Final

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneNumber,
    region_code_for_country_code,
    region_code_for_number,
)
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

_BRAZIL: Final = "BR"
_BRAZIL_CODE: Final = "+55"
_BRAZIL_ZONES: Final = TIMEZONE_DATA["55"]
_NORTH_AMERICA: Final = "1"
_NO_COUNTRY: Final = "001"  # the library's region of codes such as +800

# IANA's zone.tab, where the library has the zone of another country with other hours.
_MISPLACED: Final = {
    "211": ("Africa/Juba",),  # it has Nairobi
    "212": ("Africa/Casablanca",),  # the Canaries
    "213": ("Africa/Algiers",),  # Paris
    "218": ("Africa/Tripoli",),  # Bucharest
    "505": ("America/Managua",),  # Chicago
    "970": ("Asia/Gaza", "Asia/Hebron"),  # Bucharest
}

_is_number = re.compile(r"\+[1-9][0-9]{5,16}").fullmatch

# Anatel, Plano Geral de Códigos Nacionais. 61 is also that of towns in Goiás around the capital.
_AREAS: Final = {
    "AC": "68",
    "AL": "82",
    "AM": "92 97",
    "AP": "96",
    "BA": "71 73 74 75 77",
    "CE": "85 88",
    "DF": "61",
    "ES": "27 28",
    "GO": "62 64",
    "MA": "98 99",
    "MG": "31 32 33 34 35 37 38",
    "MS": "67",
    "MT": "65 66",
    "PA": "91 93 94",
    "PB": "83",
    "PE": "81 87",
    "PI": "86 89",
    "PR": "41 42 43 44 45 46",
    "RJ": "21 22 24",
    "RN": "84",
    "RO": "69",
    "RR": "95",
    "RS": "51 53 54 55",
    "SC": "47 48 49",
    "SE": "79",
    "SP": "11 12 13 14 15 16 17 18 19",
    "TO": "63",
}
_STATES: Final = {area: state for state, areas in _AREAS.items() for area in areas.split()}
_SUBDIVISIONS: Final = {area: f"{_BRAZIL}-{state}" for area, state in _STATES.items()}

# IANA's zone1970.tab. Those of equal time are kept apart: summer time, when there was any, was not
# kept in all of them.
_STATE_ZONES: Final = {
    "AC": "America/Rio_Branco",
    "AL": "America/Maceio",
    "AM": "America/Manaus",
    "AP": "America/Belem",
    "BA": "America/Bahia",
    "CE": "America/Fortaleza",
    "MA": "America/Fortaleza",
    "MS": "America/Campo_Grande",
    "MT": "America/Cuiaba",
    "PA": "America/Belem",
    "PB": "America/Fortaleza",
    "PE": "America/Recife",
    "PI": "America/Fortaleza",
    "RN": "America/Fortaleza",
    "RO": "America/Porto_Velho",
    "RR": "America/Boa_Vista",
    "SE": "America/Maceio",
    "TO": "America/Araguaina",
}
_AREA_ZONES: Final = {
    area: (_STATE_ZONES.get(state, "America/Sao_Paulo"),) for area, state in _STATES.items()
} | {
    "81": ("America/Recife", "America/Noronha"),  # the islands have no area code of their own
    "93": ("America/Santarem",),
    "97": ("America/Manaus", "America/Eirunepe"),  # Lei 12.876/2013: the west is an hour behind
}


def zones_of(address: str, fallback: str) -> tuple[str, ...]:
    """Return the names of the time zones in which a person may be, never none.

    Several are those of a number that may be used in all of them: a toll-free one, or a mobile
    that tells no more than its country. A number of no kind that the library knows may be anywhere
    in its country. What is not a number in E.164, or is of no country, is in the fallback.
    """
    if _is_number(address) is None:
        return (fallback,)
    if address.startswith(_BRAZIL_CODE):
        return _AREA_ZONES.get(address[3:5], _BRAZIL_ZONES)
    code = _calling_code(address)
    if code == _NORTH_AMERICA:
        return _zones_of_prefix(address)
    countrywide = _MISPLACED.get(code) or TIMEZONE_DATA.get(code, (fallback,))
    if len(countrywide) == 1 or code in _MISPLACED:
        return countrywide
    zones = time_zones_for_number(_read(address, code))
    return countrywide if UNKNOWN_TIMEZONE in zones else zones


def country_of(address: str) -> str | None:
    """Return the ISO 3166-1 code of a number's country; None where it has none.

    A number of no kind that the library knows counts to the main country of its calling code.
    """
    if _is_number(address) is None:
        return None
    if address.startswith(_BRAZIL_CODE):
        return _BRAZIL
    code = _calling_code(address)
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), (_NO_COUNTRY,))
    if len(regions) > 1:
        found = region_code_for_number(_read(address, code))
        return found or region_code_for_country_code(int(code))
    return None if regions[0] == _NO_COUNTRY else regions[0]


def subdivision_of(address: str) -> str | None:
    """Return the ISO 3166-2 code of the state of a Brazilian number, such as ``BR-SP``."""
    if not address.startswith(_BRAZIL_CODE) or _is_number(address) is None:
        return None
    return _SUBDIVISIONS.get(address[3:5])


def _calling_code(address: str) -> str:
    """Return the digits of a country's code; of no country's, the first three."""
    for size in (1, 2):
        if int(address[1 : 1 + size]) in COUNTRY_CODE_TO_REGION_CODE:
            return address[1 : 1 + size]
    return address[1:4]


def _zones_of_prefix(address: str) -> tuple[str, ...]:
    """Return the zones of the longest beginning of a number that has any."""
    for end in range(TIMEZONE_LONGEST_PREFIX + 1, 2, -1):
        zones = TIMEZONE_DATA.get(address[1:end])
        if zones is not None:
            return zones
    return TIMEZONE_DATA[address[1]]


def _read(address: str, code: str) -> PhoneNumber:
    """Return what parsing the address gives, in a small part of the time."""
    national = address[1 + len(code) :]
    zeros = len(national) - len(national.lstrip("0"))
    return PhoneNumber(
        country_code=int(code),
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )
