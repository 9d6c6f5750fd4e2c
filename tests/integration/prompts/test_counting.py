"""Who calls which version, and how the sides of a rollout do: counted in memory, added once, read back."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from llmgw.prompts.prompts import Prompts
from llmgw.prompts.registry.counts import CALLERS_MS, Counts
from llmgw.prompts.registry.wishes import ArmUse, CallerUse, Retire, Start
from llmgw.prompts.serving import usage
from llmgw.prompts.serving.usage import ArmOf, CallerOf, Counted, Outcome, Sums, Usage
from llmgw.prompts.storage.store import PromptStore
from llmgw.state.connection import State
from llmgw.types.call import Caller
from llmgw.types.errors import StoreUnavailable
from llmgw.types.prompt import PromptFacts
from llmgw.types.prompt_errors import PromptConflict
from tests.integration.prompts.stage import ANNA, NAME, TENANT, comes, lead, play, ready, served, worker
from tests.manual_clock import ManualClock
from tests.waiting import ROOMY_S

BILLING = Caller(key_id="abc123", name="billing", role="caller")
SEARCH = Caller(key_id="def456", name="search | beta", role="caller")


def facts(version: int = 1, **more: Any) -> PromptFacts:
    """A call that a version served."""
    return PromptFacts(name=NAME, version=version, hash="sha256:x", label="production", **more)


async def counted(prompts: Prompts) -> None:
    """Bring the store what was counted."""
    await prompts._follower._flush()


def test_callers_are_added_up_over_workers(store_url: str) -> None:
    """By version and key: calls, failures, invalid outputs, tokens, time; the last caller first."""

    async def scene(state: State) -> None:
        async with worker(state) as one, worker(state) as two:
            await ready(one.registry, "one")
            for prompts in (one, two):
                for _ in range(3):
                    prompts.count(
                        facts(),
                        BILLING,
                        Outcome(failed=False, input_tokens=10, output_tokens=5, duration_ms=100),
                    )
                prompts.count(facts(output="invalid"), BILLING, Outcome(failed=True))
                await counted(prompts)
            one.count(facts(2), SEARCH, Outcome(failed=False))
            await counted(one)
            found = {each.key_id: each for each in await one.registry.callers(TENANT, NAME)}
            search, billing = found["def456"], found["abc123"]
            assert (search.version, search.key_id, search.key_name, search.calls) == (
                2,
                "def456",
                "search | beta",
                1,
            )
            assert billing == CallerUse(
                version=1,
                key_id="abc123",
                key_name="billing",
                calls=8,
                failed=2,
                invalid_outputs=2,
                input_tokens=60,
                output_tokens=30,
                duration_ms=600,
                last_seen_ms=billing.last_seen_ms,
            )
            assert search.last_seen_ms >= billing.last_seen_ms > 0

    play(store_url, scene)


def test_what_was_counted_is_brought_in_time_and_at_the_end(store_url: str) -> None:
    """Without anybody asking for it, and when the worker is closed."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            await ready(prompts.registry, "one")
            prompts.count(facts(), BILLING, Outcome(failed=False))

            async def brought() -> int:
                return sum(each.calls for each in await prompts.registry.callers(TENANT, NAME))

            end = asyncio.get_running_loop().time() + 20
            while not await brought():
                assert asyncio.get_running_loop().time() < end
            prompts.count(facts(), BILLING, Outcome(failed=False))
        (found,) = await prompts.registry.callers(TENANT, NAME)
        assert found.calls == 2

    play(store_url, scene)


def test_a_batch_whose_fate_is_unknown_is_added_once(store_url: str) -> None:
    """It is sent again with its number, whether it was applied before or not."""

    async def scene(state: State) -> None:
        store = PromptStore(state)
        batch: dict[Counted, Sums] = {
            CallerOf(TENANT, NAME, 1, "abc123", "billing"): Sums(calls=7, last_ms=5)
        }
        for number in (1, 1, 1, 2, 2, 1):
            await store.flush("worker", number, batch)
        await store.flush("another", 1, batch)
        (found,) = await Counts(store).callers(TENANT, NAME, 10)
        assert (found.calls, found.last_seen_ms) == (21, 5)

    play(store_url, scene)


def test_nothing_is_lost_while_the_store_is_away(store_url: str) -> None:
    """What was taken for a batch that failed is sent with the next try, and counted on meanwhile."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            await ready(prompts.registry, "one")
            real = prompts._follower._store.flush
            tried: list[int] = []

            async def lost(worker: str, batch: int, counted: Any) -> None:
                # Applied, but the answer never came.
                tried.append(batch)
                await real(worker, batch, counted)
                raise StoreUnavailable("the gateway's store does not answer")

            prompts.count(facts(), BILLING, Outcome(failed=False))
            prompts._follower._store.flush = lost  # type: ignore[method-assign]
            await counted(prompts)
            prompts.count(facts(), BILLING, Outcome(failed=False))
            await counted(prompts)
            prompts._follower._store.flush = real  # type: ignore[method-assign]
            await counted(prompts)
            assert len(set(tried)) == 1
            (found,) = await prompts.registry.callers(TENANT, NAME)
            assert found.calls == 2

    play(store_url, scene)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more different callers than can wait, the last are not counted, and that is told."""
    monkeypatch.setattr(usage, "PENDING_MAX", 3)
    waiting = Usage(ManualClock())
    for number in range(5):
        caller = Caller(key_id=f"k{number}", name="n", role="caller")
        waiting.count(facts(), caller, Outcome(failed=False), None)
        waiting.count(facts(), BILLING, Outcome(failed=False), None)
    taken = waiting.take(10)
    assert (len(taken), waiting.dropped) == (3, 3)
    assert sum(each.calls for each in taken.values()) == 7
    assert waiting.take(10) == {}


def test_the_sides_of_a_rollout_are_counted_apart(store_url: str) -> None:
    """Each rollout has its own figures; a call that an earlier one chose is not among them."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("one", "two"):
                await ready(prompts.registry, text)
            await lead(prompts.registry, 1)
            assert await prompts.registry.arms(TENANT, NAME, "production") == {}
            for round_ in (1, 2):
                label = await prompts.registry.start_rollout(ANNA, NAME, "production", Start(candidate=2))
                rollout = label.rollout
                assert rollout is not None

                def known(rollout_id: str = rollout.id) -> bool:
                    label = prompts.snapshot.prompts(TENANT)[NAME].labels.get("production")
                    return label is not None and label.rollout is not None and label.rollout.id == rollout_id

                await comes(known, "the rollout to be seen")
                for _ in range(round_):
                    prompts.count(facts(1, arm="stable"), BILLING, Outcome(failed=False, duration_ms=100))
                prompts.count(
                    facts(2, arm="candidate"), BILLING, Outcome(failed=True, duration_ms=50, output_tokens=9)
                )
                prompts.count(facts(9, arm="candidate"), BILLING, Outcome(failed=True))
                await counted(prompts)
                assert await prompts.registry.arms(TENANT, NAME, "production") == {
                    "stable": ArmUse(calls=round_, mean_ms=100.0),
                    "candidate": ArmUse(calls=1, failed=1, output_tokens=9, mean_ms=50.0),
                }
                await prompts.registry.abort(ANNA, NAME, "production")

    play(store_url, scene)


def test_who_still_calls_is_told_before_a_version_is_retired(store_url: str) -> None:
    """By name; `force` retires it all the same."""

    async def scene(state: State) -> None:
        async with worker(state) as prompts:
            for text in ("one", "two"):
                await ready(prompts.registry, text)
            prompts.count(facts(1), BILLING, Outcome(failed=False))
            await counted(prompts)
            with pytest.raises(PromptConflict, match="billing"):
                await prompts.registry.retire(ANNA, NAME, Retire(version=1))
            await prompts.registry.retire(ANNA, NAME, Retire(version=2))
            info = await prompts.registry.retire(ANNA, NAME, Retire(version=1, force=True))
            assert {each.state for each in info.versions.values()} == {"retired"}

    play(store_url, scene)


def test_callers_of_long_ago_are_forgotten(store_url: str) -> None:
    """After ninety days nobody is listed, and nothing is kept of them."""

    async def scene(state: State) -> None:
        store = PromptStore(state)
        await store.flush(
            "worker",
            1,
            {
                CallerOf(TENANT, NAME, 1, "old", "old"): Sums(calls=1, last_ms=5),
                CallerOf(TENANT, NAME, 1, "new", "new"): Sums(calls=1, last_ms=CALLERS_MS),
                ArmOf(TENANT, "r1", "stable"): Sums(calls=1, last_ms=5),
            },
        )
        counts = Counts(store)
        assert [each.key_id for each in await counts.callers(TENANT, NAME, CALLERS_MS + 100)] == ["new"]
        assert [each.key_id for each in await counts.callers(TENANT, NAME, 100)] == ["new"]

    play(store_url, scene)


def test_a_call_is_found_and_counted_without_the_store() -> None:
    """Resolving and counting touch nothing but memory, wherever the store is."""

    async def scene() -> None:
        async with aclosing(State("unix:///nowhere", timeout_s=ROOMY_S)) as state:
            prompts = Prompts(state)
            prompts.count(facts(), BILLING, Outcome(failed=False))
            with pytest.raises(StoreUnavailable):
                served(prompts)

    asyncio.run(scene())
