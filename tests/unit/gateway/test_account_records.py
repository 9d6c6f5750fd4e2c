"""What the journal is told of claims: read as it was written, and never believed where it is something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.gateway.accounts.records import (
    intent_bytes,
    read_intent,
    read_result,
    result_bytes,
)
from llmgw.policy.spending.values import Budget, Charge, Limit, Reservation

RESERVATION = Reservation(
    operation="call_1",
    tenant="acme",
    at_ms=1,
    estimate_nano=5,
    tokens=7,
    limits=(Limit(scope="key", name="k", requests_per_minute=1),),
    budgets=(Budget(scope="team", name="t", window="month", amount_nano=9),),
    used_by=(("tenant", "acme"), ("tag", "x")),
    lapse="release",
)


@pytest.mark.parametrize("stage", ["asked", "sent"])
def test_an_intent_is_read_as_it_was_written(stage: str) -> None:
    """With all that is needed to end the call in another process."""
    found = read_intent(intent_bytes(RESERVATION, stage))  # type: ignore[arg-type]
    assert found is not None
    assert (found.reservation, found.stage) == (RESERVATION, stage)


def test_a_result_is_read_as_it_was_written() -> None:
    """Detail included, which is bytes of any kind."""
    charge = Charge(cost_nano=3, input_tokens=1, output_tokens=2, detail=b'{"v":1}\xff\x00')
    found = read_result(result_bytes(RESERVATION, charge))
    assert found is not None
    assert (found.reservation, found.charge) == (RESERVATION, charge)


def test_members_of_a_newer_gateway_are_passed_over() -> None:
    """A journal that a newer version wrote is settled by an older one."""
    newer = intent_bytes(RESERVATION, "sent").replace(b'"stage"', b'"later":[1],"stage"')
    found = read_intent(newer)
    assert found is not None
    assert found.stage == "sent"


@given(st.binary(max_size=60))
def test_other_bytes_are_neither(payload: bytes) -> None:
    """And no error."""
    assert read_intent(payload) is None
    assert read_result(payload) is None


@pytest.mark.parametrize("broken", [b'"at_ms":-1', b'"at_ms":1e400', b'"at_ms":"1"'])
def test_numbers_out_of_bounds_are_no_record(broken: bytes) -> None:
    """What could not be a reservation is not taken for one."""
    assert read_intent(intent_bytes(RESERVATION, "sent").replace(b'"at_ms":1', broken)) is None
