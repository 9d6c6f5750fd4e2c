"""What callers are told is left: after a call was charged, and when one is refused."""

import pytest
from llmgw.policy.spending.rooms import after_refusal, after_settling
from llmgw.policy.spending.values import Budget, Limit, Reservation
from llmgw.types.allotment import Allotment, RateRoom
from llmgw.types.limit_errors import BudgetExceeded, ConcurrencyExceeded, LimitExceeded, RateLimited

LIMIT = Limit(scope="key", name="k1", requests_per_minute=5, tokens_per_minute=100, concurrent=2)
ASKED = Reservation(
    operation="a",
    tenant="acme",
    at_ms=0,
    limits=(LIMIT,),
    budgets=(Budget(scope="key", name="k1", window="day", amount_nano=9),),
)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (RateLimited("", limit="key:k1:requests", left=0), Allotment(requests=RateRoom(5, 0, 60.0))),
        (RateLimited("", limit="key:k1:tokens", left=7), Allotment(tokens=RateRoom(100, 7, 60.0))),
        (ConcurrencyExceeded("", limit="key:k1:concurrent", left=0), Allotment()),
        (BudgetExceeded("", limit="key:k1:day", left=3), Allotment(budget_left_nano=3)),
    ],
)
def test_a_refusal_tells_what_is_left_of_what_refused(refusal: LimitExceeded, told: Allotment) -> None:
    """And of nothing else, as nothing else was looked at."""
    assert after_refusal(ASKED, refusal) == told


def test_what_was_not_used_is_told_as_left() -> None:
    """Tokens up to their limit, and money; requests stay as they are, and what is not limited is not told."""
    told = Allotment(requests=RateRoom(5, 4, 60.0), tokens=RateRoom(100, 10, 60.0), budget_left_nano=50)
    assert after_settling(told, 30, 7) == Allotment(
        requests=RateRoom(5, 4, 60.0), tokens=RateRoom(100, 40, 60.0), budget_left_nano=57
    )
    settled = after_settling(told, 300, -60)
    assert settled.tokens == RateRoom(100, 100, 60.0)
    assert settled.budget_left_nano == -10
    assert after_settling(Allotment(), 1, 1) == Allotment()
