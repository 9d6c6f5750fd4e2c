"""Calls that are judged are found in the call log, and nowhere else."""

import asyncio

import msgspec
import pytest
from llmgw.calllog.datasets import FEEDBACK
from llmgw.calllog.event import event_of
from llmgw.calllog.reading import Found
from llmgw.gateway.logged_calls import LoggedCalls
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Caller
from llmgw.types.errors import StoreUnavailable
from llmgw.types.feedback import FeedbackEvent, KnownCall
from tests.traced_calls import Fixed, begun, continued, finished, judged, prompted

ID = "call_1a21fcd89e74bea09faee0ba"


class Log:
    """A log of such rows, which notes what it is asked."""

    def __init__(self, *rows: bytes, live: bool = True) -> None:
        self._found = Found(rows=list(rows), next=None, live=live)
        self.asked: list[tuple[str, str | None]] = []

    async def find(self, call_id: str, tenant: str | None) -> Found:
        """Whatever is there."""
        self.asked.append((call_id, tenant))
        return self._found


def found_in(log: Log, call_id: str = ID) -> KnownCall | None:
    """What a caller of the tenant `acme` finds."""
    return asyncio.run(LoggedCalls(log).find("acme", call_id))


def test_a_call_is_found_with_what_its_row_says() -> None:
    """The place of its root span, and which version and target it had."""
    call = begun(Tracing("", sample=0.0, slow_ms=1.0, version="1", clock=Fixed(), resource={}))
    caller = Caller(key_id="k", name="n", role="caller", tenant="acme")
    finished(call, id=ID, caller=caller, alias="smart", prompt=prompted(), context=continued())
    log = Log(msgspec.json.encode(event_of(call)))
    assert found_in(log) == KnownCall(
        id=ID,
        ended_us=(call.started_unix_ns + call.total_ns) // 1000,
        place=call.place,
        alias="smart",
        target="openai/gpt-5",
        prompt="support/triage@7",
        prompt_label="production",
        prompt_arm="candidate",
        context="ctx_1",
        verdict="preserved",
    )
    assert log.asked == [(ID, "acme")]


def test_a_row_of_which_little_is_known_has_no_place() -> None:
    """Columns that are null say nothing."""
    row = msgspec.json.encode({"id": ID, "ended_us": 5, "trace_id": None, "span_id": None, "prompt": None})
    assert found_in(Log(row)) == KnownCall(id=ID, ended_us=5)


@pytest.mark.parametrize("name", ["", "call_1", "none_0011223344556677", f"{ID}0", f"{ID}.", f"{ID}\n", "*"])
def test_a_name_that_is_no_calls_asks_nobody(name: str) -> None:
    """No such call was ever made, so that the log need not be looked through."""
    log = Log()
    assert found_in(log, name) is None
    assert log.asked == []


def test_a_call_that_is_not_there_is_none_only_where_all_was_seen() -> None:
    """While the store is away the newest calls are not known, and nobody is told that there is none."""
    assert found_in(Log()) is None
    with pytest.raises(StoreUnavailable):
        found_in(Log(live=False))


def test_judgements_can_be_kept_as_rows() -> None:
    """Every member is a column, and those that are left out are what they are by default."""
    assert list(FEEDBACK.columns) == list(FeedbackEvent.__struct_fields__)
    least = judged(comment="", tags=(), prompt="", score=None)
    assert msgspec.json.decode(msgspec.json.encode(least), type=FeedbackEvent) == least
