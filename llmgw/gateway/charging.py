"""What an attempt cost, written down as it ends."""

from collections.abc import Iterable

from llmgw.types.call import Attempt, Call
from llmgw.types.event import Finish, Start, StreamEvent, Usage, UsageReport
from llmgw.types.money import Spent
from llmgw.types.target import Target


def charge(attempt: Attempt, target: Target, call: Call, usage: Usage | None) -> None:
    """Note what the provider says it used, and what that costs at the prices of when it was asked."""
    attempt.usage = usage
    if usage is None or target.prices is None:
        return
    asked_ns = call.started_unix_ns + max(0, attempt.started_ns - call.started_ns)
    attempt.charge = target.prices.charge(
        Spent(
            usage=usage,
            model=target.model,
            answered=call.answered_model or "",
            tier=call.tier,
            at_s=asked_ns // 1_000_000_000,
        )
    )


def usage_in(events: Iterable[StreamEvent]) -> Usage | None:
    """The last usage that is told among events."""
    found = None
    for event in events:
        match event:
            case UsageReport(usage=usage):
                found = usage
            case Finish(usage=Usage() as usage):
                found = usage
            case _:
                pass
    return found


def tier_of(start: Start) -> str:
    """How a provider says at the answer's beginning that it serves the call."""
    said = start.extra.chunk.get("service_tier") if start.extra is not None else None
    return said if isinstance(said, str) else ""
