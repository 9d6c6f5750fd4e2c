"""Amounts that people write in US dollars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.types.money import nano_of, usd


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [
        (0, 0),
        (0.0, 0),
        (0.1, 100_000_000),
        (0.000000001, 1),
        (500, 500 * 10**9),
        (1e9, 10**18),
        (1234567.12345678, 1_234_567_123_456_780),
    ],
)
def test_amounts_are_read_exactly(dollars: float, nano: int) -> None:
    """As they were written, whatever a float is in between."""
    assert nano_of(dollars) == nano


@pytest.mark.parametrize("dollars", [1e-10, 0.0000000015, 0.1 + 0.2, 1234567.123456789])
def test_amounts_that_would_be_others_are_refused(dollars: float) -> None:
    """More than nine decimals, or more digits than come back out of a float."""
    with pytest.raises(ValueError, match="an amount in US dollars has at most"):
        nano_of(dollars)


@given(st.integers(0, 10**15 - 1))
def test_what_is_written_is_read(nano: int) -> None:
    """Every amount of up to 15 digits survives text and float."""
    assert nano_of(float(usd(nano))) == nano
