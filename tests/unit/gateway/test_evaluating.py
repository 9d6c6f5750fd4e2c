"""Trying versions: everything is rendered first, so much at a time, and nothing goes on once nobody waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

import msgspec
import pytest
from llmgw.gateway.evaluating import Evaluator, Subject, Trial
from llmgw.gateway.gateway import Gateway
from llmgw.prompts.gates.dataset import read_cases
from llmgw.prompts.gates.results import GateResult
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types import json
from llmgw.types.call import Call
from llmgw.types.clock import SystemClock
from llmgw.types.completion import Choice, Completion
from llmgw.types.errors import DeadlineExceeded, NoHealthyTarget
from llmgw.types.event import Usage
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt import PromptContent, VersionInfo, content_hash
from llmgw.types.prompt_errors import PromptRejected

Answering = Callable[[ChatInvocation], Awaitable[str]]


class Corridor:
    """What an evaluator asks: answers as it is told to, and counts who waits."""

    def __init__(self, answering: Answering, cost_nano: int | None = None) -> None:
        self._answering = answering
        self._cost_nano = cost_nano
        self.asked: list[ChatInvocation] = []
        self.waiting = 0
        self.most = 0

    def counted(self, _call: Call) -> AbstractAsyncContextManager[None]:
        """Whoever evaluates may."""
        return nullcontext()

    async def ask(self, _call: Call, invocation: ChatInvocation) -> Completion:
        """Answer one call."""
        self.asked.append(invocation)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            text = await self._answering(invocation)
        finally:
            self.waiting -= 1
        message = Message(role="assistant", parts=(TextPart(text=text),))
        return Completion(
            id="x",
            model="m",
            created=0,
            choices=(Choice(index=0, message=message),),
            usage=Usage(input_tokens=1000, output_tokens=100),
            cost_nano=self._cost_nano,
        )


def said(invocation: ChatInvocation) -> str:
    """The last words of a call."""
    (part,) = invocation.messages[-1].parts
    assert isinstance(part, TextPart)
    return part.text


async def echoing(invocation: ChatInvocation) -> str:
    """Answer with what was said last."""
    await asyncio.sleep(0)
    return said(invocation)


def subject(text: str = "{{ x }}", number: int = 1, **members: Any) -> Subject:
    """A version with one message."""
    wanted = {"messages": [{"role": "user", "text": text}], "model": "demo", **members}
    content = msgspec.convert(wanted, PromptContent)
    info = VersionInfo(number=number, hash=content_hash(content), author="ann", created_ms=1)
    return Subject(info=info, compiled=compile_prompt(content))


def trial(*cases: dict[str, Any], **members: Any) -> Trial:
    """A trial of a version that says its variable."""
    whole: dict[str, Any] = {"name": "a", "subject": subject(), "min_cases": 1, **members}
    return Trial(dataset=read_cases(list(cases)), **whole)


def equal(text: str, wanted: str | None = None) -> dict[str, Any]:
    """A case that an echo passes, unless another answer is wanted."""
    return {"vars": {"x": text}, "assert": [{"type": "equals", "value": wanted or text}]}


def call() -> Call:
    """The call of the evaluation."""
    return Call(
        id="call_1", request_id="r", endpoint="e", trace_id=1, span_id=1, chat_span_id=1,
        started_ns=0, started_unix_ns=0,
    )  # fmt: skip


def evaluator(corridor: Corridor, seconds: float = 60) -> Evaluator:
    """An evaluator in front of a corridor."""
    return Evaluator(cast("Gateway", corridor), SystemClock(), seconds=seconds)


def evaluated(corridor: Corridor, wanted: Trial) -> GateResult:
    """What a trial comes to."""
    return asyncio.run(evaluator(corridor).evaluate(wanted, call()))


def test_cases_are_told_in_their_order_whatever_their_answers_take() -> None:
    """The first answer comes last; the results are in the dataset's order all the same."""
    first_may_go = asyncio.Event()

    async def answering(invocation: ChatInvocation) -> str:
        if said(invocation) == "0":
            await first_may_go.wait()
        if said(invocation) == "5":
            first_may_go.set()
        return said(invocation)

    corridor = Corridor(answering)
    cases = [equal(str(n), "never" if n == 3 else None) for n in range(6)]
    found = evaluated(corridor, trial(*cases, concurrency=2))
    assert [each.output for each in found.results] == list("012345")
    assert [each.ok for each in found.results] == [True, True, True, False, True, True]
    assert corridor.most == 2


def test_nothing_is_asked_when_a_case_cannot_be_rendered() -> None:
    """All such cases are told, and the corridor never heard of any."""
    corridor = Corridor(echoing)
    with pytest.raises(PromptRejected) as caught:
        evaluated(corridor, trial(equal("a"), {"vars": {}}, {"vars": {"y": 1}}))
    assert [each.pointer for each in caught.value.violations] == ["/cases/1/vars", "/cases/2/vars"]
    assert corridor.asked == []


def test_both_versions_get_the_same_cases() -> None:
    """Version and baseline are paired; what the baseline cannot render it does not pass."""
    corridor = Corridor(echoing)
    baseline = subject("{{ x }}{{ y }}", number=1)
    cases = [{"vars": {"x": "a", "y": ""}, "assert": [{"type": "equals", "value": "a"}]}, equal("b")]
    asked = trial(*cases, subject=subject(number=2), baseline=baseline, against="production")
    found = evaluated(corridor, asked)
    assert found.comparison is not None
    assert (found.comparison.wins, found.comparison.losses, found.comparison.ties) == (1, 0, 1)
    assert found.comparison.against_version == 1


def test_costs_are_those_of_the_gateway_where_the_version_has_no_prices() -> None:
    """The author's prices go first; without them the call's own cost is held against the bound."""
    dear = Corridor(echoing, cost_nano=4_000_000)
    bound = {"vars": {"x": "a"}, "assert": [{"type": "max-cost", "value": 0.003}]}
    found = evaluated(dear, trial(bound))
    assert "0.004000 US dollars" in found.results[0].failures[0]
    assert found.cost == pytest.approx(0.004)
    cheap = subject(tests={"prices": {"input": 0.1, "output": 0.1}})
    assert evaluated(dear, trial(bound, subject=cheap)).results[0].ok


def test_costs_are_those_of_the_versions_prices() -> None:
    """1,000 tokens in at 2 dollars and 100 out at 10 for a million are 0.003 dollars a case."""
    priced = subject(tests={"prices": {"input": 2, "output": 10}})
    bound = {"vars": {"x": "a"}, "assert": [{"type": "max-cost", "value": 0.003}]}
    found = evaluated(Corridor(echoing), trial(bound, bound, subject=priced))
    assert found.passed == 2
    assert found.cost == pytest.approx(0.006)
    unpriced = evaluated(Corridor(echoing), trial(bound))
    assert unpriced.cost is None
    assert "tests.prices" in unpriced.results[0].failures[0]


def test_an_answer_that_breaks_the_output_schema_fails_without_being_asked_to() -> None:
    """Callers of an API would get an error for it."""
    strict = subject(output_schema={"type": "object"})
    found = evaluated(Corridor(echoing), trial({"vars": {"x": "{}"}}, {"vars": {"x": "[]"}}, subject=strict))
    assert [each.ok for each in found.results] == [True, False]


def test_a_judge_sees_only_what_passed_all_else() -> None:
    """Of two answers one fails a cheap assertion; the judge is asked once, by its own alias."""

    async def answering(invocation: ChatInvocation) -> str:
        return '{"pass": true, "reason": "good"}' if invocation.model == "judge" else said(invocation)

    corridor = Corridor(answering)
    judged = [
        {"type": "llm-rubric", "value": "is kind", "model": "judge"},
        {"type": "contains", "value": "k"},
    ]
    cases = [{"vars": {"x": text}, "assert": judged} for text in ("kind", "rude")]
    found = evaluated(corridor, trial(*cases))
    assert [each.ok for each in found.results] == [True, False]
    questions = [each for each in corridor.asked if each.model == "judge"]
    assert [json.decode(said(each).encode())["answer"] for each in questions] == ["kind"]


def test_a_judge_who_fails_is_none_in_favour() -> None:
    """No verdict, no pass."""

    async def answering(invocation: ChatInvocation) -> str:
        if invocation.model == "judge":
            raise NoHealthyTarget("every target is resting")
        return said(invocation)

    rubric = {"type": "llm-rubric", "value": "is kind", "model": "judge"}
    found = evaluated(Corridor(answering), trial({"vars": {"x": "a"}, "assert": [rubric]}))
    assert found.results[0].failures == ("the judge gave no verdict: every target is resting",)


def test_whoever_leaves_stops_all_calls() -> None:
    """Cancelled, no call goes on and no further one begins."""
    never = asyncio.Event()
    started = asyncio.Event()

    async def answering(_: ChatInvocation) -> str:
        started.set()
        await never.wait()
        return ""

    corridor = Corridor(answering)
    cases = [equal(str(n)) for n in range(10)]

    async def stage() -> None:
        asked = trial(*cases, concurrency=3)
        running = asyncio.create_task(evaluator(corridor).evaluate(asked, call()))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(stage())
    assert corridor.waiting == 0
    assert len(corridor.asked) <= 3


def test_an_evaluation_that_takes_too_long_comes_to_nothing() -> None:
    """Its time is over: an error, no half a verdict, and no call goes on."""
    never = asyncio.Event()

    async def answering(_: ChatInvocation) -> str:
        await never.wait()
        return ""

    corridor = Corridor(answering)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(evaluator(corridor, seconds=0.01).evaluate(trial(equal("a")), call()))
    assert corridor.waiting == 0


@pytest.mark.parametrize(
    "cases",
    [
        [{"vars": {"x": str(number)}} for number in range(3)],
        [equal("a")] * 3,
        [equal("a"), {"name": "the same", **equal("a")}, equal("b")],
        [equal("a"), equal("b"), {"vars": {"x": "c"}}],
    ],
    ids=["nothing asserted", "the same", "the same by another name", "one asserts nothing"],
)
def test_cases_that_say_nothing_open_no_gate(cases: list[dict[str, Any]]) -> None:
    """All of them hold, but fewer than are asked for say anything of the version."""
    result = evaluated(Corridor(echoing), trial(*cases, min_cases=3))
    assert (result.passed, result.verdict) == (3, "insufficient_data")
    assert "assert something" in result.reasons[0]
    told = evaluated(Corridor(echoing), trial(*cases, equal("d"), equal("e"), equal("f"), min_cases=3))
    assert told.verdict == "pass"
