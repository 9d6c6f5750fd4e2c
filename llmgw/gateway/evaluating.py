"""Trying a prompt version on cases, beside the version that callers get now: real calls, in pairs, within bounds.

Everything is rendered before anybody is asked, so that a dataset that does not fit costs nothing. Each case is a
call within the evaluation's own. A call that fails is a case that fails.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct

from llmgw.gateway.gateway import Gateway
from llmgw.gateway.prompting import joined
from llmgw.gateway.summaries import Ask
from llmgw.prompts.gates.assertions import Observed, Rubric, failure
from llmgw.prompts.gates.comparison import Tally, compared, verdict
from llmgw.prompts.gates.dataset import Case, Dataset
from llmgw.prompts.gates.judging import ANSWER_MAX, judged, judging
from llmgw.prompts.gates.results import CaseResult, GateResult
from llmgw.prompts.rendering.compiled import CompiledPrompt
from llmgw.types.call import Call
from llmgw.types.clock import Clock
from llmgw.types.completion import Completion
from llmgw.types.errors import (
    DeadlineExceeded,
    GatewayError,
    InvalidRequest,
    PriceMissing,
    StoreUnavailable,
)
from llmgw.types.event import Usage
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import encode
from llmgw.types.limit_errors import JournalRefuses, LimitExceeded, StoreReset
from llmgw.types.message import Message, TextPart, ToolCallPart
from llmgw.types.money import NANO
from llmgw.types.prompt import Prices, PromptFacts, PromptGate, VersionInfo
from llmgw.types.prompt_errors import PromptRejected
from llmgw.types.violation import Violation

SECONDS_MAX: Final = 570.0
"""How long an evaluation may take: less than clients wait for an answer."""
CONCURRENCY: Final = 4
CONCURRENCY_MAX: Final = 16
OUTPUT_MAX: Final = 2000
"""Characters of an answer that are told with its case."""
PROBLEMS_MAX: Final = 50
_NOT_ITS_DOING: Final = (LimitExceeded, PriceMissing, StoreUnavailable, StoreReset, JournalRefuses)
"""Refusals of a case that tell of whoever tries the version, and nothing of the version."""


class Subject(Struct, frozen=True, kw_only=True):
    """A version to be tried; a draft, too."""

    info: VersionInfo
    compiled: CompiledPrompt

    @property
    def prices(self) -> Prices | None:
        """What its calls cost, where its author says so."""
        tests = self.compiled.content.tests
        return tests.prices if tests is not None else None


class Trial(Struct, frozen=True, kw_only=True):
    """What is to be tried: a version of the prompt `name` on cases, `against` a label's version or a number.

    `model` is asked by versions that name none.
    """

    name: str
    subject: Subject
    dataset: Dataset
    dataset_name: str = ""
    baseline: Subject | None = None
    against: str = ""
    model: str = ""
    concurrency: int = CONCURRENCY
    min_cases: int
    by: str = ""


class _Run(NamedTuple):
    result: CaseResult
    cost: float | None


class Evaluator:
    """Tries versions through the gateway's own corridor."""

    def __init__(self, gateway: Gateway, clock: Clock, *, seconds: float = SECONDS_MAX) -> None:
        self._gateway = gateway
        self._clock = clock
        self._seconds = seconds

    async def evaluate(self, trial: Trial, call: Call) -> GateResult:
        """Try a version on all cases, and say what it comes to. Whoever cancels this stops all its calls.

        Raises:
            PromptRejected: some cases cannot be rendered; each is a violation that points to its case.
            InvalidRequest: neither the version nor the trial names a model.
            DeadlineExceeded: it took too long; nothing is known then.
            LimitExceeded: whoever asks may not go on, which says nothing of the version.
            GatewayError: what it costs cannot be accounted for.
        """
        try:
            async with asyncio.timeout(self._seconds), self._gateway.counted(call):
                return await self._evaluate(trial, call)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the evaluation was not over in {self._seconds:g} s: take fewer cases, or more at a time"
            ) from None

    async def _evaluate(self, trial: Trial, call: Call) -> GateResult:
        info = trial.subject.info
        call.prompt = PromptFacts(name=trial.name, version=info.number, hash=info.hash)
        asked = await render_all(trial)
        before = [await _maybe(trial, case) for case in trial.dataset.cases]
        ask = partial(self._gateway.ask, call)
        runs, baseline_runs = await self._all_run(trial, asked, before, ask)
        return self._result(trial, asked, runs, baseline_runs)

    async def _all_run(
        self,
        trial: Trial,
        asked: Sequence[ChatInvocation],
        before: Sequence[ChatInvocation | None],
        ask: Ask,
    ) -> tuple[list[_Run], list[_Run]]:
        """Run each case with both versions, one behind the other, some cases at a time."""
        cases = trial.dataset.cases
        runs: dict[int, _Run] = {}
        baseline_runs: dict[int, _Run] = {}
        waiting = iter(range(len(cases)))

        async def work() -> None:
            for number in waiting:
                runs[number] = await self._run(trial.subject, cases[number], asked[number], ask)
                if trial.baseline is not None:
                    baseline_runs[number] = await self._run(
                        trial.baseline, cases[number], before[number], ask
                    )

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(trial.concurrency, len(cases))):
                    group.create_task(work())
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        return [runs[n] for n in range(len(cases))], [baseline_runs[n] for n in sorted(baseline_runs)]

    async def _run(self, subject: Subject, case: Case, asked: ChatInvocation | None, ask: Ask) -> _Run:
        if asked is None:
            return _Run(CaseResult(name=case.name, ok=False, failures=("cannot be rendered",)), None)
        started_ns = self._clock.monotonic_ns()
        try:
            completion = await ask(asked)
        except _NOT_ITS_DOING:
            raise
        except GatewayError as error:
            return _Run(_failed(case, error), None)
        latency_ms = (self._clock.monotonic_ns() - started_ns) / 1e6
        usage = completion.usage or Usage()
        content = subject.compiled.content
        seen = Observed(
            text=_said(completion),
            latency_ms=latency_ms,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=_cost(subject.prices, completion),
            check_output=subject.compiled.check_output if content.output_schema is not None else None,
        )
        failures = await _failures(case, seen, asked.model, ask)
        result = CaseResult(
            name=case.name,
            ok=not failures,
            failures=failures,
            output=seen.text[:OUTPUT_MAX],
            latency_ms=round(latency_ms, 1),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )
        return _Run(result, seen.cost)

    def _result(
        self,
        trial: Trial,
        asked: Sequence[ChatInvocation],
        runs: Sequence[_Run],
        baseline_runs: Sequence[_Run],
    ) -> GateResult:
        tests = trial.subject.compiled.content.tests
        gate = tests.gate if tests is not None else PromptGate()
        tally = _tally(runs)
        comparison = None
        if trial.baseline is not None:
            version = trial.baseline.info.number
            comparison = compared(tally, _tally(baseline_runs), against=trial.against, version=version)
        telling = trial.dataset.telling
        came_to, reasons = verdict(tally, gate, comparison, min_cases=trial.min_cases, telling=telling)
        return GateResult(
            verdict=came_to,
            reasons=reasons,
            version=trial.subject.info.number,
            hash=trial.subject.info.hash,
            cases=len(runs),
            passed=sum(tally.passed),
            dataset=trial.dataset.digest,
            dataset_name=trial.dataset_name,
            model=asked[0].model if asked else "",
            at_ms=self._clock.unix_ns() // 1_000_000,
            by=trial.by,
            cost=tally.cost,
            comparison=comparison,
            results=tuple(run.result for run in runs),
        )


async def render_all(trial: Trial, *, within: str = "/cases") -> list[ChatInvocation]:
    """Render all cases, which stand `within` what was sent, with the version that is tried.

    Raises:
        PromptRejected: some cannot be rendered; each is a violation that points to its case.
        InvalidRequest: neither the version nor the trial names a model.
    """
    asked: list[ChatInvocation] = []
    problems: list[Violation] = []
    for number, case in enumerate(trial.dataset.cases):
        try:
            asked.append(_rendered(trial, trial.subject, case))
        except GatewayError as error:
            if isinstance(error, InvalidRequest) and error.param == "model":
                raise
            problems += _problems(f"{within}/{number}/vars", case, error)
        await asyncio.sleep(0)  # other calls are served meanwhile
    if problems:
        raise PromptRejected(
            f"some of the cases cannot be rendered: {problems[0].message}", problems[:PROBLEMS_MAX]
        )
    return asked


async def _maybe(trial: Trial, case: Case) -> ChatInvocation | None:
    """Render a case with the version before; what it cannot render is a case that it does not pass."""
    if trial.baseline is None:
        return None
    await asyncio.sleep(0)
    try:
        return _rendered(trial, trial.baseline, case)
    except GatewayError:
        return None


def _rendered(trial: Trial, subject: Subject, case: Case) -> ChatInvocation:
    said = tuple(Message(role=each.role, parts=(TextPart(text=each.content),)) for each in case.messages)
    chat = ChatInvocation(model=trial.model, wire="openai", messages=said, needs={Feature.CHAT: "messages"})
    return joined(chat, subject.compiled, case.vars, name=trial.name, stored=False)


def _problems(at: str, case: Case, error: GatewayError) -> list[Violation]:
    if not error.violations:
        return [Violation(rule="case", pointer=at, message=f"{case.name}: {error.message}")]
    return [
        Violation(rule="case", pointer=at + each.pointer, message=f"{case.name}: {each.message}")
        for each in error.violations
    ]


async def _failures(case: Case, seen: Observed, model: str, ask: Ask) -> tuple[str, ...]:
    """Say what an answer fails; judges are asked only about what has passed all else."""
    failures: list[str] = []
    if seen.check_output is not None and seen.check_output(seen.text)[1]:
        failures.append("breaks the version's output schema")
    for assertion in case.assertions:
        if not isinstance(assertion, Rubric):
            why = failure(assertion, seen)
            if why is not None:
                failures.append(why)
    if failures:
        return tuple(failures)
    for assertion in case.assertions:
        if isinstance(assertion, Rubric):
            why = await _against(assertion, seen.text, assertion.model or model, ask)
            if why is not None:
                failures.append(why)
    return tuple(failures)


async def _against(rubric: Rubric, text: str, model: str, ask: Ask) -> str | None:
    if len(text) > ANSWER_MAX:
        return f"the answer is too long to be judged: more than {ANSWER_MAX} characters"
    try:
        return judged((await ask(judging(rubric, text, model))).text)
    except _NOT_ITS_DOING:
        raise
    except GatewayError as error:
        return f"the judge gave no verdict: {error.message}"


def _said(completion: Completion) -> str:
    """The words of an answer; of one that only calls tools, the calls as JSON."""
    text = completion.text
    parts = completion.choices[0].message.parts if completion.choices else ()
    calls = [
        {"name": part.name, "arguments": part.arguments} for part in parts if isinstance(part, ToolCallPart)
    ]
    return text if text or not calls else encode(calls).decode()


def _failed(case: Case, error: GatewayError) -> CaseResult:
    return CaseResult(name=case.name, ok=False, failures=(f"no answer: {error.message}",))


def _cost(prices: Prices | None, completion: Completion) -> float | None:
    """What a case cost in US dollars: by its author's prices, else by the gateway's."""
    usage = completion.usage or Usage()
    if prices is None:
        return None if completion.cost_nano is None else completion.cost_nano / NANO
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return (prices.input * usage.input_tokens + prices.output * usage.output_tokens) / 1e6


def _tally(runs: Sequence[_Run]) -> Tally:
    costs = [run.cost for run in runs]
    known = [cost for cost in costs if cost is not None]
    return Tally(
        passed=tuple(run.result.ok for run in runs),
        cost=sum(known) if known and len(known) == len(costs) else None,
    )
