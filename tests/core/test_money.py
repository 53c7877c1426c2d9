from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recado_core.engine.store.money import decimals_of, from_millionths, to_millionths


@pytest.mark.parametrize(
    ("millionths", "text"),
    [
        (0, "0.00"),
        (80_000, "0.08"),
        (160_000, "0.16"),
        (1_500_000, "1.50"),
        (100_000_000_000, "100000.00"),
        (65_500, "0.0655"),
        (1, "0.000001"),
        (-160_000, "-0.16"),
    ],
)
def test_amount_is_written_plainly(millionths, text):
    assert str(from_millionths(millionths)) == text


@given(st.integers(-(10**18), 10**18))
def test_amount_is_the_same_there_and_back(millionths):
    amount = from_millionths(millionths)
    assert to_millionths(amount) == millionths
    assert "E" not in str(amount)


@given(st.decimals(0, 1_000_000, places=6), st.integers(0, 1000))
def test_millionths_lose_nothing(price, segments):
    assert from_millionths(to_millionths(price) * segments) == price * segments


@pytest.mark.parametrize(
    ("amount", "decimals"),
    [("1", 0), ("100", 0), ("1E+3", 0), ("0.08", 2), ("0.080", 2), ("1E-7", 7), ("0.0000000", 0)],
)
def test_decimals_are_those_that_are_needed(amount, decimals):
    assert decimals_of(Decimal(amount)) == decimals
