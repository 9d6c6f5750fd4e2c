"""What a call says of itself once it is over."""

import pytest
from llmgw.types.call import Attempt, Call

MS = 1_000_000


def finished(**facts: object) -> Call:
    """A call that began at 10 ms and ended at 60 ms, of which it waited 45."""
    return Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=0,
        **{"ended_ns": 60 * MS, "waited_ns": 45 * MS, "status": 200, **facts},  # type: ignore[arg-type]
    )


def tried(target: str) -> Attempt:
    """An attempt at one target."""
    return Attempt(target=target, provider="p", kind="openai", model="m", started_ns=0, span_id=4)


def test_overhead_is_total_minus_waited() -> None:
    """The product's own number: what the call took beyond waiting for providers."""
    call = finished()
    assert (call.total_ns, call.overhead_ns) == (50 * MS, 5 * MS)


def test_a_running_call_has_no_total_yet() -> None:
    """Nothing is derived from an end that has not come."""
    call = finished(ended_ns=None)
    assert (call.total_ns, call.overhead_ns) == (0, 0)


def test_overhead_is_never_negative() -> None:
    """Waits counted twice cannot make the house faster than light."""
    assert finished(waited_ns=90 * MS).overhead_ns == 0


@pytest.mark.parametrize(
    ("targets", "fallbacks", "retries"),
    [([], 0, 0), (["a"], 0, 0), (["a", "a"], 0, 1), (["a", "b"], 1, 0), (["a", "b", "a"], 2, 1)],
)
def test_fallbacks_count_changes_of_target(targets: list[str], fallbacks: int, retries: int) -> None:
    """Retries count targets that were tried before, be it directly or with another between."""
    call = finished(attempts=[tried(target) for target in targets])
    assert (call.fallbacks, call.retries) == (fallbacks, retries)


@pytest.mark.parametrize(
    ("status", "error", "failed"),
    [
        (200, None, False),
        (404, "model_not_found", False),
        (429, "rate_limited", False),
        (499, "client_gone", False),
        (200, "client_gone", False),
        (200, "stream_interrupted", True),
        (503, "no_healthy_target", True),
        (0, "internal_error", True),
    ],
)
def test_a_call_failed_when_the_house_or_its_providers_did(
    status: int, error: str | None, failed: bool
) -> None:
    """The caller's own mistakes and its leaving are no failures of ours; a stream that broke after 200 is."""
    assert failed is finished(status=status, error=error).failed
