"""Kolmeya's amounts in reais, in Brazil's notation and in the plain one."""

import re
from decimal import Decimal, InvalidOperation

_amount = re.compile(
    r"(-?)\s*(?:R\$)?\s*(-?)((?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+|[0-9]+(?:\.[0-9]+)?)"
).fullmatch
_signs = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"})


def read_money(value: str | float) -> Decimal:
    """Read ``R$9.397,30`` or ``1500.50``: a comma, where there is one, is the decimal sign.

    Raises:
        InvalidOperation: It is no amount and nothing else, or in a notation that has not been seen.
    """
    if not isinstance(value, str):
        return Decimal(str(value))
    match = _amount(value.translate(_signs).strip())
    if match is None or (match[1] and match[2]):
        raise InvalidOperation("an amount in a notation that has not been seen")
    number = match[3]
    if "," in number:
        number = number.replace(".", "").replace(",", ".")
    return Decimal(match[1] + match[2] + number)
