"""Check C8: what was stored is read again behind the answer, and told where it is not what was written."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from llmgw.context.records import Records
from llmgw.gateway.checks import Checks
from llmgw.state.connection import State
from llmgw.types.call import Call, Caller
from llmgw.types.operation import ContextOperation, OperationName
from llmgw.types.preservation import Counts, Report, ReportRecord
from llmgw.types.turn import Binding
from tests.integration.context.stage import Worker, assistant, user
from tests.waiting import ROOMY_S

CALLER = Caller(key_id="key_1", name="app", role="caller")
COUNTS = Counts(turns=2, turns_sent=1, parts=2, carried=2, transformed=0, dropped=0, truncated=0)


class Told:
    """Operations as they were told, with whom they were for and what they were traced by."""

    def __init__(self) -> None:
        self.operations: list[ContextOperation] = []
        self.callers: list[Caller] = []
        self.headers: list[Mapping[str, str]] = []

    @contextmanager
    def __call__(
        self, name: OperationName, caller: Caller, context: str, headers: Mapping[str, str]
    ) -> Iterator[ContextOperation]:
        """Keep an operation."""
        operation = ContextOperation(
            name=name,
            tenant=caller.tenant,
            context=context,
            trace_id=1,
            span_id=2,
            started_ns=0,
            started_unix_ns=0,
        )
        self.operations.append(operation)
        self.callers.append(caller)
        self.headers.append(headers)
        yield operation


@pytest.mark.parametrize(
    ("frame", "result", "verdict"), [(None, "pass", "preserved"), (b"x", "fail", "lost")]
)
def test_what_does_not_read_back_is_told(
    store_url: str, frame: bytes | None, result: str, verdict: str
) -> None:
    """As an operation in the call's trace, and in the stored report, which then says that context was lost."""
    told = Told()

    async def read_back() -> ReportRecord:
        state = State(store_url, timeout_s=ROOMY_S)
        await state.connect()
        worker = Worker(state, sample=1.0)
        opened = await worker.lease("c", user("hi"), create=True)
        answer = worker.contexts.draft(opened, assistant("hello"), source="provider")
        receipt = await worker.contexts.commit(opened, [*opened.said, answer])
        call = Call(
            id="call_1",
            request_id="req_1",
            endpoint="/v1/chat/completions",
            trace_id=0xABC,
            span_id=0xDEF,
            chat_span_id=3,
            started_ns=0,
            started_unix_ns=0,
            sampled=True,
            caller=CALLER,
        )
        report = Report(
            context="c",
            rev=1,
            target=Binding(provider="openai", model="gpt-5", kind="openai", protocol="openai"),
            verdict="preserved",
            score=1.0,
            counts=COUNTS,
            checks={"c8": "skip"},
        )
        record = ReportRecord(call="call_1", at="2026-01-01T00:00:00.000Z", report=report)
        checks = Checks(worker.contexts, opened, call, told)
        checks.read_back_later(receipt, receipt.last if frame is None else frame, record)
        await worker.contexts.aftercare.aclose()
        stored = await Records(worker.library).report(worker.actor, "c", 1)
        await state.aclose()
        return stored

    report = asyncio.run(read_back()).report
    (operation,) = told.operations
    assert (operation.name, operation.context, operation.rev) == ("read_back", "c", 1)
    assert operation.call == "call_1"
    assert operation.checks == {"c8": result}
    assert operation.broken is (result == "fail")
    assert told.callers == [CALLER]
    assert told.headers == [{"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01"}]
    assert (report.checks["c8"], report.verdict) == (result, verdict)
