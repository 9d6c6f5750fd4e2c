"""Limits, budgets and claims: what they accept, and which window a moment falls into."""

from collections.abc import Callable

import pytest
from llmgw.policy.spending.values import (
    AMOUNT_MAX,
    COUNT_MAX,
    NAME,
    Budget,
    Charge,
    Limit,
    Reservation,
    WindowName,
    named,
    window,
)

LEAP_MS = 1_709_251_199_999  # 2024-02-29T23:59:59.999Z
MARCH_MS = 1_709_251_200_000
DECEMBER_MS = 1_735_689_599_000  # 2024-12-31T23:59:59Z
JANUARY_MS = 1_735_689_600_000


@pytest.mark.parametrize(
    ("name", "at_ms", "called", "ends_ms"),
    [
        ("minute", LEAP_MS, "2024-02-29T23:59", MARCH_MS),
        ("hour", LEAP_MS, "2024-02-29T23", MARCH_MS),
        ("day", LEAP_MS, "2024-02-29", MARCH_MS),
        ("month", LEAP_MS, "2024-02", MARCH_MS),
        ("month", DECEMBER_MS, "2024-12", JANUARY_MS),
        ("day", JANUARY_MS, "2025-01-01", JANUARY_MS + 86_400_000),
        ("total", LEAP_MS, "ever", None),
    ],
)
def test_windows_are_those_of_the_utc_calendar(
    name: WindowName, at_ms: int, called: str, ends_ms: int | None
) -> None:
    """A window is named by its beginning, ends where the next begins, and is kept after that."""
    found = window(name, at_ms)
    assert (found.name, found.ends_ms) == (called, ends_ms)
    assert found.forget_ms > (ends_ms or at_ms)


def _claim(**changes: object) -> Reservation:
    known: dict[str, object] = {"operation": "op", "tenant": "acme", "at_ms": 0}
    return Reservation(**(known | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "made",
    [
        lambda: Budget(scope="key", name="a b", window="day", amount_nano=1),
        lambda: Budget(scope="key", name="", window="day", amount_nano=1),
        lambda: Budget(scope="key", name="a\n", window="day", amount_nano=1),
        lambda: Budget(scope="key", name="a", window="day", amount_nano=-1),
        lambda: Budget(scope="key", name="a", window="day", amount_nano=AMOUNT_MAX + 1),
        lambda: Limit(scope="key", name="{a}"),
        lambda: Limit(scope="key", name="a", concurrent=COUNT_MAX + 1),
        lambda: Limit(scope="key", name="a", tokens_per_minute=-1),
        lambda: Charge(cost_nano=-1),
        lambda: Charge(cost_nano=AMOUNT_MAX + 1),
        lambda: Charge(cost_nano=0, output_tokens=COUNT_MAX + 1),
        lambda: _claim(tenant="a}"),
        lambda: _claim(operation="a b"),
        lambda: _claim(estimate_nano=AMOUNT_MAX + 1),
        lambda: _claim(tokens=-1),
        lambda: _claim(limits=(Limit(scope="key", name="a"), Limit(scope="key", name="a", concurrent=1))),
        lambda: _claim(used_by=(("tag", "a"), ("tag", "a"))),
        lambda: _claim(used_by=(("tag", "a b"),)),
        lambda: _claim(used_by=tuple(("tag", f"t{number}") for number in range(33))),
    ],
)
def test_what_the_store_could_not_hold_is_refused(made: Callable[[], object]) -> None:
    """Names that would not stay one word of a key, numbers out of bounds, and doubles are no values."""
    with pytest.raises(ValueError, match=r"."):
        made()


def test_the_bounds_themselves_are_accepted() -> None:
    """Zero and the largest amounts are values."""
    assert (
        Budget(scope="tag", name="team=a/b", window="day", amount_nano=AMOUNT_MAX).title == "tag:team=a/b:day"
    )
    assert _claim(estimate_nano=AMOUNT_MAX, tokens=COUNT_MAX).tokens == COUNT_MAX
    assert Limit(scope="key", name="a", concurrent=0).title == "key:a"


def test_names_that_cannot_stand_in_keys_are_told_by_their_digest() -> None:
    """What is a name stays as it is; two other texts never get the same one, nor one with a space or a newline."""
    assert named("openai/gpt-5@7") == "openai/gpt-5@7"
    strange = ["", "two words", "line\nbreak", "\ud800", "x" * 129, "-dash"]
    found = {named(text) for text in strange}
    assert len(found) == len(strange)
    assert all(NAME.fullmatch(name) for name in found)
