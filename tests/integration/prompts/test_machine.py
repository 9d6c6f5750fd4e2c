"""Whatever is done in whatever order: a call gets a version that was published, whole, and the right one."""

import asyncio
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from llmgw.prompts.prompts import Prompts
from llmgw.prompts.registry.wishes import LabelMove, Push, Retire, Start, Turn
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.prompt import PromptRef
from llmgw.types.prompt_errors import (
    GateMissing,
    PromptConflict,
    PromptNotFound,
    PromptRetired,
    PromptVersionNotFound,
)
from redis import Redis
from tests.integration.prompts.stage import ANNA, NAME, PASSED, TENANT, UNITS, comes, content
from tests.waiting import ROOMY_S

LABELS = st.sampled_from(("production", "staging"))
NUMBERS = st.integers(1, 4)


class Registry(RuleBasedStateMachine):
    """One worker that changes prompts, two that follow, and beside them what should be, in plain dictionaries.

    `texts` has what was pushed by number, `published` the numbers that callers may have, `leads` where labels lead,
    `before` where they led, `rollouts` the candidates of those under way.
    """

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        with Redis.from_url(self.url) as client:
            client.flushall()
        self.states = [State(self.url, timeout_s=ROOMY_S) for _ in range(3)]
        self.workers = [Prompts(each, PromptSettings(poll_s=3600)) for each in self.states]
        for each in self.workers:
            self.run(each.start())
        self.registry = self.workers[0].registry
        self.texts: dict[int, str] = {}
        self.published: set[int] = set()
        self.retired: set[int] = set()
        self.passed: set[int] = set()
        self.leads: dict[str, int] = {}
        self.before: dict[str, list[int]] = {}
        self.rollouts: dict[str, int] = {}

    def run(self, work: Any) -> Any:
        """Bring a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """Prove that the audit is whole."""
        try:
            if self.texts:
                assert self.run(self.registry.history(TENANT, NAME)).intact
            for each in self.workers:
                self.run(each.aclose())
            for state in self.states:
                self.run(state.aclose())
        finally:
            self.loop.close()

    def attempt(self, work: Any) -> bool:
        """Do something that may be refused by the rules; says whether it was done."""
        with suppress(PromptConflict, GateMissing, PromptVersionNotFound, PromptNotFound):
            self.run(work)
            return True
        return False

    @initialize(count=st.integers(0, 3))
    def begin(self, count: int) -> None:
        """Some versions are ready, so that labels soon have somewhere to lead."""
        for number in range(1, count + 1):
            self.push("abcd"[number - 1])
            self.publish(number)
            self.evaluate(number)

    @rule(text=st.sampled_from("abcd"))
    def push(self, text: str) -> None:
        """The same text is the same version."""
        made = self.run(self.registry.push(ANNA, NAME, Push(content=content(text))))
        assert made.created == (text not in self.texts.values())
        self.texts.setdefault(made.info.number, text)
        assert self.texts[made.info.number] == text

    @rule(number=NUMBERS)
    def publish(self, number: int) -> None:
        """What is there can be published, also when it was retired."""
        done = self.attempt(self.registry.publish(ANNA, NAME, number))
        assert done == (number in self.texts)
        if done:
            self.published.add(number)
            self.retired.discard(number)

    @rule(number=NUMBERS)
    def evaluate(self, number: int) -> None:
        """An evaluation passes."""
        if self.attempt(self.registry.note_gate(ANNA, NAME, number, PASSED, {})):
            self.passed.add(number)

    @rule(label=LABELS, number=NUMBERS)
    def move(self, label: str, number: int) -> None:
        """A label leads only where it may, and nowhere during a rollout."""
        done = self.attempt(self.registry.move(ANNA, NAME, label, LabelMove(version=number)))
        free = label not in self.rollouts
        there = self.leads.get(label) == number
        assert done == (free and (there or (number in self.published and number in self.passed)))
        if done and not there:
            if label in self.leads:
                self.before.setdefault(label, []).append(self.leads[label])
            self.leads[label] = number

    @rule(label=LABELS, number=NUMBERS)
    def start(self, label: str, number: int) -> None:
        """A rollout sends half of the calls elsewhere."""
        done = self.attempt(
            self.registry.start_rollout(ANNA, NAME, label, Start(candidate=number, weight=5000))
        )
        possible = label in self.leads and label not in self.rollouts and self.leads[label] != number
        assert done == (possible and number in self.published and number in self.passed)
        if done:
            self.rollouts[label] = number

    @rule(label=LABELS, promote=st.booleans())
    def end(self, label: str, promote: bool) -> None:
        """A rollout is promoted or given up."""
        step = self.registry.promote if promote else self.registry.abort
        done = self.attempt(step(ANNA, NAME, label, Turn()))
        candidate = self.rollouts.get(label)
        assert done == (candidate is not None and (not promote or candidate in self.published))
        if done and candidate is not None:
            del self.rollouts[label]
            if promote:
                self.before.setdefault(label, []).append(self.leads[label])
                self.leads[label] = candidate

    @precondition(lambda self: self.leads)
    @rule(label=LABELS)
    def roll_back(self, label: str) -> None:
        """To where it led before, or only out of a rollout."""
        before = self.before.get(label, [])
        done = self.attempt(self.registry.rollback(ANNA, NAME, label))
        if not before:
            assert done == (label in self.rollouts)
        else:
            assert done == (before[-1] in self.published)
        if done:
            self.rollouts.pop(label, None)
            if before:
                self.leads[label] = before.pop()

    @rule(label=LABELS)
    def remove(self, label: str) -> None:
        """A label is taken out, and what it remembers."""
        assert self.attempt(self.registry.remove_label(ANNA, NAME, label)) == (label in self.leads)
        for each in (self.leads, self.before, self.rollouts):
            each.pop(label, None)

    @rule(number=NUMBERS)
    def retire(self, number: int) -> None:
        """A version is served no more, whoever leads there."""
        if self.attempt(self.registry.retire(ANNA, NAME, Retire(version=number, force=True))):
            self.published.discard(number)
            self.retired.add(number)

    @invariant()
    def every_worker_serves_what_should_be(self) -> None:
        """Each worker comes to serve the same, and each thing it serves meanwhile was published once, whole."""
        for prompts in self.workers:
            self.run(comes(lambda prompts=prompts: self.right(prompts), "a worker to be in step"))  # type: ignore[misc]

    def right(self, prompts: Prompts) -> bool:
        """Whether a worker serves what it should; what it serves is always one of the texts, under its number."""
        return all(
            self.found(prompts, PromptRef(name=NAME, label=label)) in self.expected(label)
            for label in ("production", "staging")
        ) and all(
            self.found(prompts, PromptRef(name=NAME, version=number)) in self.at(number)
            for number in range(1, 5)
        )

    def expected(self, label: str) -> tuple[Any, ...]:
        """What a call may get by a label."""
        if label not in self.leads:
            return (None,)
        numbers = (self.leads[label], *([self.rollouts[label]] if label in self.rollouts else []))
        return tuple(outcome for number in numbers for outcome in self.at(number))

    def at(self, number: int) -> tuple[Any, ...]:
        """What a call may get by a number."""
        if number in self.retired:
            return ("retired",)
        return (self.texts[number],) if number in self.published else (None,)

    def found(self, prompts: Prompts, ref: PromptRef) -> str | None:
        """What a call gets: a text, nothing, or that it is retired."""
        try:
            resolved = prompts.snapshot.resolve(TENANT, ref, UNITS)
        except PromptRetired:
            return "retired"
        except (PromptNotFound, PromptVersionNotFound):
            return None
        text = prompts.snapshot.content(TENANT, NAME, resolved.info.hash).messages[0].text
        assert text == self.texts[resolved.info.number]
        return text


def test_calls_get_what_they_should(store_url: str) -> None:
    """Pushes, publications, moves, rollouts, rollbacks and retirements in any order."""
    machine = type("AtStore", (Registry,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
