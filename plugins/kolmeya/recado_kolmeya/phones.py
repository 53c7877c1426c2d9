"""Phones as Kolmeya writes them, and as it takes them."""

from recado_core import AddressError
from recado_core.addresses import national_digits, normalise_number

from recado_kolmeya.settings import PhoneStyle
from recado_kolmeya.wire import Scalar

_COUNTRY = {PhoneStyle.INTERNATIONAL: "55", PhoneStyle.NATIONAL: ""}


def read_phone(phone: Scalar) -> str:
    """Return a phone in E.164, or its digits alone if it is no number of Brazil."""
    digits = "".join(c for c in str(phone).removesuffix(".0") if c.isdecimal())
    try:
        return normalise_number(digits, "BR")
    except AddressError:
        return digits


def write_phone(address: str, style: PhoneStyle) -> str:
    """Return the digits of a Brazilian number in the account's style, or raise ``AddressError``."""
    return _COUNTRY[style] + national_digits(address)
