"""Kolmeya's amounts in reais, in Brazil's notation and in the plain one."""

import re
from decimal import Decimal, InvalidOperation

_is_brazilian = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+").fullmatch
_signs = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"})


def read_money(text: str) -> Decimal:
    """Read ``R$9.397,30`` or ``1500.50``: a comma, where there is one, is the decimal sign.

    Raises:
        InvalidOperation: It is no amount, or in a notation that has not been seen.
    """
    bare = "".join(c for c in text.translate(_signs) if c in "0123456789.,-")
    if "," not in bare:
        return Decimal(bare)
    if _is_brazilian(bare) is None:
        raise InvalidOperation("an amount in a notation that has not been seen")
    return Decimal(bare.replace(".", "").replace(",", "."))
