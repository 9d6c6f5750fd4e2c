"""Whatever two writers do in whatever order, and wherever one dies: what was acknowledged is what is stored."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from llmgw.context.opened import Opened
from llmgw.context.storage.names import HASH, Keys
from llmgw.state.connection import State
from llmgw.types.context_errors import (
    ContextErased,
    ContextFenced,
    ContextHasForks,
    ContextLocked,
    ContextNotFound,
    MergeConflict,
    RevisionMismatch,
)
from redis import Redis
from tests.integration.context.stage import Worker, assistant, text_of, user
from tests.waiting import ROOMY_S

NAMES: Final = ("alpha", "beta", "gamma")
WRITERS: Final = st.sampled_from((0, 1))
_GONE: Final = (ContextErased, ContextNotFound)


class Contexts(RuleBasedStateMachine):
    """Two workers on one store, and beside them what was acknowledged, kept in plain lists.

    `said` has the turns of each context by their texts, `holder` the call that took its lease last, `expired` the
    names whose lease ran out since, `maker` the call that made a context in which nothing was said yet,
    `parent` where a fork began.
    """

    url: str
    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        with Redis.from_url(self.url) as client:
            client.flushall()
        self.state = State(self.url, timeout_s=ROOMY_S)
        self.workers = [Worker(self.state, lease_s=600, sample=1.0) for _ in range(2)]
        self.said: dict[str, list[str]] = {}
        self.revs: dict[str, set[int]] = {}
        self.erased: set[str] = set()
        self.holder: dict[str, Opened] = {}
        self.expired: set[str] = set()
        self.maker: dict[str, Opened] = {}
        self.parent: dict[str, str] = {}
        self.count = 0

    def run(self, work: Any) -> Any:
        """Bring a coroutine to its end."""
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """Prove every chain, and that nothing holds more than was acknowledged."""
        with suppress(BaseException):
            for worker in self.workers:
                self.run(worker.contexts.aftercare.aclose())
        try:
            fresh = Worker(self.state)
            for name in self.said:
                proof = self.run(fresh.library.verify(fresh.actor, name))
                assert proof.ok, proof
                assert self.run(fresh.texts(name)) == self.said[name]
            for name in self.erased - self.said.keys():
                with pytest.raises(_GONE):
                    self.run(fresh.library.info(fresh.actor, name))
        finally:
            self.run(self.state.aclose())
            self.loop.close()

    @initialize()
    def begin_with_one(self) -> None:
        """There is a context from the start."""
        self._acknowledge(NAMES[0], self.run(self.workers[0].say(NAMES[0], f"{NAMES[0]}:first")), "first")

    @rule(target=calls, writer=WRITERS, name=st.sampled_from(NAMES))
    def open_call(self, writer: int, name: str) -> Any:
        """Begin a call: refused while another holds the context, else what is there is what was acknowledged."""
        self.count += 1
        text = f"{name}:{self.count}"
        worker = self.workers[writer]
        try:
            opened = self.run(worker.lease(name, user(text), create=True, op=f"machine_{self.count}"))
        except ContextLocked:
            assert name in self.holder.keys() - self.expired
            return None
        except ContextErased:
            assert name in self.erased
            return None
        assert name not in self.holder.keys() - self.expired
        assert name not in self.erased
        assert [text_of(each.turn) for each in opened.history.turns] == self.said.get(name, [])
        if name not in self.said:
            self.maker.setdefault(name, opened)
        self.holder[name] = opened
        self.expired.discard(name)
        return (writer, name, self.count, opened)

    @rule(call=consumes(calls))
    def answer(self, call: Any) -> None:
        """End a call with an answer: stored whole if its lease still holds, else not at all."""
        if call is None:
            return
        writer, name, number, opened = call
        try:
            receipt = self.run(self.workers[writer].answer(opened, assistant(f"{name}:{number}:answer")))
        except (ContextFenced, *_GONE):
            assert self.holder.get(name) is not opened
            return
        assert self.holder[name] is opened
        self._let_go(name)
        self._acknowledge(name, receipt, str(number), answer=f"{name}:{number}:answer")

    @rule(call=consumes(calls))
    def break_off(self, call: Any) -> None:
        """End a call without an answer: nothing is stored, and the next may begin at once."""
        if call is None:
            return
        writer, name, _, opened = call
        self.run(self.workers[writer].contexts.release(opened, "broken"))
        if self.holder.get(name) is not opened:
            return
        self._let_go(name)
        if name in self.said:
            return
        if self.maker.pop(name) is not opened:
            # Another call made it, and died. It stays, without a turn.
            self.said[name] = []
            return
        with pytest.raises(ContextNotFound):
            self.run(self.workers[writer].library.info(self.workers[writer].actor, name))

    @rule(name=st.sampled_from(NAMES))
    def die(self, name: str) -> None:
        """Whoever holds a context is not heard of in time: its lease runs out, and it does not know."""
        if name not in self.holder:
            return
        with Redis.from_url(self.url) as client:
            client.hset(Keys("default", name).of(HASH), "lease", 0)
        self.expired.add(name)

    @rule(source=st.sampled_from(NAMES), child=st.sampled_from(NAMES), share=st.floats(0, 1))
    def fork(self, source: str, child: str, share: float) -> None:
        """Begin a context in another, anywhere in it."""
        if source not in self.said or child in self.said or child in self.holder or child in self.erased:
            return
        at = round(share * len(self.said[source]))
        worker = self.workers[0]
        info = self.run(worker.archive.branches.fork(worker.actor, source, at=at, child=child))
        assert info.turns == at
        self.said[child] = self.said[source][:at]
        if at:
            self.parent[child] = source

    @rule(name=st.sampled_from(NAMES), forks=st.sampled_from(("refuse", "keep")))
    def erase(self, name: str, forks: Any) -> None:
        """Forget a context: forks keep what they have, and a call under way finds its context gone."""
        if name not in self.said:
            return
        worker = self.workers[1]
        try:
            receipt = self.run(worker.archive.erasure.erase(worker.actor, name, forks))
        except ContextHasForks:
            assert forks == "refuse"
            return
        except ContextLocked:
            # A fork that would be made to stand alone is at work.
            assert self.holder.keys() - self.expired
            return
        for fork in self._forks_of(name):
            # It was made to stand alone; a call that began before that cannot go on in it.
            self._let_go(fork)
            del self.parent[fork]
        assert receipt.turns == len(self.said.pop(name))
        self.erased.add(name)
        self.revs.pop(name, None)
        self.parent.pop(name, None)
        self._let_go(name)

    @rule(source=st.sampled_from(NAMES), into=st.sampled_from(NAMES))
    def merge(self, source: str, into: str) -> None:
        """Take in what a branch has and this one has not."""
        if source == into or source not in self.said or into not in self.said or into in self.expired:
            return
        worker = self.workers[0]
        self.count += 1
        try:
            self.run(
                worker.archive.branches.merge(worker.actor, into, source, "append", op=f"merge_{self.count}")
            )
        except ContextLocked:
            assert into in self.holder
            return
        except (MergeConflict, RevisionMismatch):
            return
        ours = self.said[into]
        self.said[into] = ours + [text for text in self.said[source] if text not in ours]

    @invariant()
    def every_reader_sees_what_was_acknowledged(self) -> None:
        """Both workers read the turns in their order, whichever of them stored them."""
        for name, texts in self.said.items():
            for worker in self.workers:
                assert self.run(worker.texts(name)) == texts, name

    def _forks_of(self, name: str) -> list[str]:
        children = [child for child, parent in self.parent.items() if parent == name]
        return children + [each for child in children for each in self._forks_of(child)]

    def _let_go(self, name: str) -> None:
        self.holder.pop(name, None)
        self.expired.discard(name)

    def _acknowledge(self, name: str, receipt: Any, number: str, answer: str | None = None) -> None:
        assert receipt.rev not in self.revs.setdefault(name, set()), "two calls made one revision"
        self.revs[name].add(receipt.rev)
        self.maker.pop(name, None)
        text = f"{name}:{number}"
        self.said.setdefault(name, []).extend((text, answer or f"answer to {text}"))


def test_two_writers_and_a_grim_reaper(store_url: str) -> None:
    """Acknowledged turns are the stored turns, in order; one call wins each revision; every chain holds."""
    machine = type("OnStore", (Contexts,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
