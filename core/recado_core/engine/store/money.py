"""Amounts of money: decimal numbers where people see them, whole millionths in the store."""

from decimal import Decimal

MILLION = 1_000_000
CENT = Decimal("0.01")
DECIMALS = 6
"""Digits after the point that the store keeps."""


def to_millionths(amount: Decimal) -> int:
    """Return an amount of at most six decimals in millionths."""
    return int(amount.scaleb(DECIMALS))


def from_millionths(millionths: int) -> Decimal:
    """Return an amount with two decimals, or as many more as it needs."""
    amount = Decimal(millionths).scaleb(-DECIMALS)
    return amount.quantize(CENT) if millionths % (MILLION // 100) == 0 else amount.normalize()


def decimals_of(amount: Decimal) -> int:
    """Return how many digits after the point an amount needs."""
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
