"""The audit: what was done stands there, and cannot be changed unnoticed."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import Back, LabelMove
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage import keys
from llmgw.state.connection import State
from tests.integration.prompts.stage import ANNA, BERT, NAME, TENANT, lead, play, ready

AUDIT = keys.audit(TENANT)
Tampering: TypeAlias = Callable[[State], Awaitable[object]]


async def acted(state: State) -> Registry:
    """A registry in which eight things were done."""
    registry = Registry(state, PromptSettings())
    for text in ("one", "two"):
        await ready(registry, text)
    await lead(registry, 1)
    await registry.move(BERT, NAME, "production", LabelMove(version=2, reason="better"))
    return registry


def test_each_change_is_an_event(store_url: str) -> None:
    """Who, with which call, what, from where to where, and why; the newest first."""

    async def scene(state: State) -> None:
        registry = await acted(state)
        await registry.rollback(ANNA, NAME, "production", Back(reason="worse after all"))
        history = await registry.history(TENANT, NAME)
        assert history.intact
        assert [each.op for each in history.events] == [
            "label.rollback",
            "label.move",
            "label.move",
            "gate",
            "publish",
            "push",
            "gate",
            "publish",
            "push",
        ]
        back, moved = history.events[:2]
        assert (back.who, back.before, back.after, back.reason) == ("key_anna", "2", "1", "worse after all")
        assert (moved.who, moved.call, moved.subject) == ("key_bert", "call_2", "production")
        assert (moved.before, moved.after, moved.reason) == ("1", "2", "better")
        assert [each.op for each in (await registry.history(TENANT, NAME, limit=2)).events] == [
            "label.rollback",
            "label.move",
        ]

    play(store_url, scene)


async def _altered(state: State) -> object:
    event = await state.command("LINDEX", AUDIT, 3)
    return await state.command("LSET", AUDIT, 3, event.replace(b"key_anna", b"key_bert"))


async def _last_altered(state: State) -> object:
    event = await state.command("LINDEX", AUDIT, -1)
    return await state.command("LSET", AUDIT, -1, event.replace(b"better", b"worse!"))


async def _removed(state: State) -> object:
    return await state.command("LREM", AUDIT, 1, await state.command("LINDEX", AUDIT, 3))


async def _last_removed(state: State) -> object:
    return await state.command("RPOP", AUDIT)


async def _first_removed(state: State) -> object:
    return await state.command("LPOP", AUDIT)


async def _reordered(state: State) -> object:
    first, second = [await state.command("LINDEX", AUDIT, place) for place in (2, 3)]
    await state.command("LSET", AUDIT, 2, second)
    return await state.command("LSET", AUDIT, 3, first)


async def _added(state: State) -> object:
    return await state.command("RPUSH", AUDIT, await state.command("LINDEX", AUDIT, -1))


async def _garbled(state: State) -> object:
    return await state.command("LSET", AUDIT, 2, b"\xff\x00")


async def _emptied(state: State) -> object:
    return await state.command("DEL", AUDIT)


@pytest.mark.parametrize(
    "tampering",
    [
        _altered,
        _last_altered,
        _removed,
        _last_removed,
        _first_removed,
        _reordered,
        _added,
        _garbled,
        _emptied,
    ],
    ids=lambda each: each.__name__.strip("_"),
)
def test_tampering_is_seen(store_url: str, tampering: Tampering) -> None:
    """An event that is altered, taken out, added or moved to another place breaks the chain."""

    async def scene(state: State) -> None:
        registry = await acted(state)
        assert (await registry.history(TENANT, NAME)).intact
        await tampering(state)
        history = await registry.history(TENANT, NAME)
        assert not history.intact
        assert history.problem

    play(store_url, scene)


def test_a_broken_chain_stays_broken(store_url: str) -> None:
    """What is done afterwards does not mend it."""

    async def scene(state: State) -> None:
        registry = await acted(state)
        await _altered(state)
        await registry.rollback(ANNA, NAME, "production")
        history = await registry.history(TENANT, NAME)
        assert (history.intact, history.events[0].op) == (False, "label.rollback")

    play(store_url, scene)
