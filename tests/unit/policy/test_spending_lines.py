"""Calls that wait for an admission that does not come."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from llmgw.policy.spending.lines import Lines
from llmgw.policy.spending.values import Reservation
from llmgw.types.errors import StoreUnavailable
from tests.waiting import until_async


class Store:
    """A store that answers, or fails, when a test says so."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.going = asyncio.Event()
        self.failure: Exception | None = None

    async def ask(self, asked: Sequence[Reservation]) -> Sequence[list[Any]]:
        """Wait, and answer each with its own name."""
        self.heard.append([each.operation for each in asked])
        await self.going.wait()
        if self.failure is not None:
            raise self.failure
        return [[each.operation] for each in asked]

    async def heard_so_often(self, times: int) -> None:
        """Wait until it was asked so often."""

        async def there() -> bool:
            return len(self.heard) >= times

        await until_async(there, f"{times} questions", unless=AssertionError)


def claim(name: str) -> Reservation:
    """One that is bound by nothing."""
    return Reservation(operation=name, tenant="acme", at_ms=0)


def test_who_waits_too_long_is_asked_about_all_the_same() -> None:
    """A store that does not answer the first keeps nobody from asking; each has its own answer in the end."""

    async def scene() -> None:
        store = Store()
        lines = Lines(store.ask)
        first = asyncio.ensure_future(lines.ask(claim("a")))
        await store.heard_so_often(1)
        others = [asyncio.ensure_future(lines.ask(claim(name))) for name in "bc"]
        await store.heard_so_often(2)
        store.going.set()
        assert await asyncio.gather(first, *others) == [["a"], ["b"], ["c"]]
        assert store.heard == [["a"], ["b", "c"]]
        assert await lines.ask(claim("d")) == ["d"]

    asyncio.run(scene())


def test_a_failure_is_told_to_each_that_was_asked_about() -> None:
    """Each has an error of its own, and who comes after asks anew."""

    async def scene() -> None:
        store = Store()
        lines = Lines(store.ask)
        store.failure = StoreUnavailable("away", retry_after_s=2.0, asked=False)
        waiting = [asyncio.ensure_future(lines.ask(claim(name))) for name in "abc"]
        await store.heard_so_often(1)
        store.going.set()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert len({id(each) for each in found}) == 3
        for each in found:
            assert isinstance(each, StoreUnavailable)
            assert (each.message, each.retry_after_s, each.asked) == ("away", 2.0, False)
        store.failure = None
        assert await lines.ask(claim("d")) == ["d"]

    asyncio.run(scene())


def test_who_leaves_in_front_leaves_the_others_in_line() -> None:
    """They are asked about at once."""

    async def scene() -> None:
        store = Store()
        lines = Lines(store.ask)
        first = asyncio.ensure_future(lines.ask(claim("a")))
        await store.heard_so_often(1)
        second = asyncio.ensure_future(lines.ask(claim("b")))
        await asyncio.sleep(0)
        first.cancel()
        await store.heard_so_often(2)
        store.going.set()
        assert await second == ["b"]
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(scene())
