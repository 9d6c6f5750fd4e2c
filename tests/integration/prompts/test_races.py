"""Many who change the same prompt at once: every change is whole, and none is lost."""

import asyncio

from llmgw.prompts.registry.changes import etag
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import LabelMove, Push
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.prompt import Label
from llmgw.types.prompt_errors import PromptChanged
from tests.integration.prompts.stage import ANNA, BERT, NAME, TENANT, content, lead, play, ready


def test_of_two_promoters_who_saw_the_same_label_one_wins(store_url: str) -> None:
    """Over forty rounds: one move is made, the other is told what the label is now."""

    async def scene(state: State) -> None:
        one, two = Registry(state, PromptSettings()), Registry(state, PromptSettings())
        for number in range(3):
            await ready(one, f"text {number}")
        await lead(one, 1)
        for round_ in range(40):
            before = (await one.info(TENANT, NAME)).labels["production"]
            targets = [number for number in (1, 2, 3) if number != before.version]
            seen = etag(before)
            ended = await asyncio.gather(
                one.move(ANNA, NAME, "production", LabelMove(version=targets[round_ % 2], if_match=seen)),
                two.move(BERT, NAME, "production", LabelMove(version=targets[1 - round_ % 2], if_match=seen)),
                return_exceptions=True,
            )
            (won,) = [each for each in ended if isinstance(each, Label)]
            (lost,) = [each for each in ended if isinstance(each, PromptChanged)]
            after = (await one.info(TENANT, NAME)).labels["production"]
            assert after == won
            assert lost.etag == etag(after)
            assert after.before[-1].version == before.version

    play(store_url, scene)


def test_promoters_who_saw_nothing_follow_each_other(store_url: str) -> None:
    """Without an expectation each move is made, one after the other, and the audit has all of them in a chain."""

    async def scene(state: State) -> None:
        registries = [Registry(state, PromptSettings()) for _ in range(8)]
        for number in range(8):
            await ready(registries[0], f"text {number}")
        events = len((await registries[0].history(TENANT, NAME)).events)
        await asyncio.gather(
            *(
                each.move(ANNA, NAME, "production", LabelMove(version=number))
                for number, each in enumerate(registries, start=1)
            )
        )
        label = (await registries[0].info(TENANT, NAME)).labels["production"]
        assert {label.version, *(each.version for each in label.before)} == set(range(1, 9))
        history = await registries[0].history(TENANT, NAME)
        assert (history.intact, len(history.events)) == (True, events + 8)

    play(store_url, scene)


def test_pushes_at_once_get_numbers_of_their_own(store_url: str) -> None:
    """Twenty contents are twenty versions; the same content twenty times is one."""

    async def scene(state: State) -> None:
        registries = [Registry(state, PromptSettings()) for _ in range(20)]
        different = await asyncio.gather(
            *(
                each.push(ANNA, NAME, Push(content=content(f"text {number}")))
                for number, each in enumerate(registries)
            )
        )
        assert {each.info.number for each in different} == set(range(1, 21))
        same = await asyncio.gather(
            *(each.push(ANNA, "other", Push(content=content("same"))) for each in registries)
        )
        assert {each.info.number for each in same} == {1}
        assert sum(each.created for each in same) == 1

    play(store_url, scene)


def test_prompts_of_one_tenant_change_at_once(store_url: str) -> None:
    """They share an audit, and none of them fails for that."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        names = [f"p{number}" for number in range(16)]
        await asyncio.gather(*(ready(registry, "text", name=name) for name in names))
        for name in names:
            history = await registry.history(TENANT, name)
            assert (history.intact, len(history.events)) == (True, 3)

    play(store_url, scene)
