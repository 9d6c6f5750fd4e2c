"""Archives: all prompts out, and in again as they were."""

import msgspec
import pytest
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import Push, Start
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage import keys
from llmgw.state.connection import State
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import PromptApi
from llmgw.types.prompt_errors import PromptConflict, PromptNotFound
from redis import Redis
from tests.integration.prompts.stage import (
    ANNA,
    NAME,
    PASSED,
    TENANT,
    content,
    lead,
    play,
    ready,
    served,
    worker,
)


async def filled(state: State) -> Registry:
    """A registry with two prompts, a rollout, a draft and an API."""
    registry = Registry(state, PromptSettings())
    for text in ("one", "two", "three"):
        await ready(registry, text)
    await registry.push(ANNA, NAME, Push(content=content("a draft")))
    await lead(registry, 1)
    await registry.start_rollout(ANNA, NAME, "production", Start(candidate=3))
    await registry.push(ANNA, "mood", Push(content=content("mood é", api=PromptApi(slug="mood"))))
    await registry.publish(ANNA, "mood", 1)
    await registry.note_gate(ANNA, "mood", 1, PASSED, {"results": [1]})
    await lead(registry, 1, name="mood")
    return registry


async def exported(registry: Registry, tenant: str = TENANT) -> bytes:
    """An archive in one piece."""
    return b"".join([line async for line in registry.export(tenant)])


def test_an_archive_brings_everything_back(store_url: str) -> None:
    """In an empty store the prompts, numbers, hashes, labels, rollouts and evaluations are what they were."""

    async def scene(state: State) -> None:
        registry = await filled(state)
        archive = await exported(registry)
        before = {each.name: each for each in await registry.prompts(TENANT)}
        gates = await registry.gates(TENANT, "mood")
        with Redis.from_url(store_url) as client:
            client.flushall()
        imported = await registry.take_over(ANNA, archive)
        assert (imported.prompts, imported.versions, imported.unchanged) == (2, 5, 0)
        assert {each.name: each for each in await registry.prompts(TENANT)} == before
        assert await registry.gates(TENANT, "mood") == gates
        assert (await registry.version(TENANT, NAME, 4)).content == content("a draft")
        assert [each.op for each in (await registry.history(TENANT, NAME)).events] == ["import"]
        async with worker(state) as prompts:
            assert served(prompts).number in {1, 3}
        again = await registry.take_over(ANNA, archive)
        assert (again.prompts, again.versions, again.unchanged) == (0, 0, 2)

    play(store_url, scene)


def test_an_archive_can_go_to_another_tenant(store_url: str) -> None:
    """And says nothing of prompts of others."""

    async def scene(state: State) -> None:
        registry = await filled(state)
        other = ANNA._replace(tenant="other")
        await ready(registry, "secret of others", name="theirs", author=other)
        archive = await exported(registry)
        assert b"theirs" not in archive
        await registry.take_over(ANNA._replace(tenant="third"), archive)
        assert [each.name for each in await registry.prompts("third")] == ["mood", NAME]

    play(store_url, scene)


def test_versions_are_added_to_what_is_there_and_labels_stay(store_url: str) -> None:
    """Whoever may push cannot move a protected label with an archive."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        await ready(registry, "one")
        await lead(registry, 1)
        short = await exported(registry)
        await ready(registry, "two")
        await lead(registry, 2)
        long = await exported(registry)
        with Redis.from_url(store_url) as client:
            client.flushall()
        await registry.take_over(ANNA, short)
        imported = await registry.take_over(ANNA, long)
        assert (imported.prompts, imported.versions) == (0, 1)
        info = await registry.info(TENANT, NAME)
        assert (sorted(info.versions), info.labels["production"].version) == ([1, 2], 1)

    play(store_url, scene)


def test_a_number_that_means_something_else_is_refused(store_url: str) -> None:
    """Nothing of such an archive is taken over."""

    async def scene(state: State) -> None:
        registry = await filled(state)
        archive = await exported(registry)
        with Redis.from_url(store_url) as client:
            client.flushall()
        await registry.push(ANNA, NAME, Push(content=content("something else")))
        with pytest.raises(PromptConflict, match=f"{NAME}@1"):
            await registry.take_over(ANNA, archive)
        with pytest.raises(PromptNotFound):
            await registry.info(TENANT, "mood")

    play(store_url, scene)


def test_half_an_archive_or_an_altered_one_is_refused(store_url: str) -> None:
    """Cut anywhere between lines, or with a content that is not what its hash says, nothing of it is taken."""

    async def scene(state: State) -> None:
        archive = await exported(await filled(state))
        with Redis.from_url(store_url) as client:
            client.flushall()
        registry = Registry(state, PromptSettings())
        lines = archive.splitlines(keepends=True)
        cut = [b"".join(lines[:count]) for count in range(len(lines))]
        missing = [b"".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
        altered = [
            archive.replace(b"three", b"throe"),
            archive.replace(b"llmgw-prompts/1", b"llmgw-prompts/2"),
        ]
        named = [archive.replace(b'"name":"mood"', b'"name":"a:b"'), b"[]", b"\xff", b'{"kind":"x"}']
        for broken in (*cut, *missing, *altered, *named):
            with pytest.raises(InvalidRequest):
                await registry.take_over(ANNA, broken)
        assert await registry.prompts(TENANT) == []
        assert await state.command("EXISTS", keys.EPOCH) == 0

    play(store_url, scene)


def test_each_line_is_json_of_its_own(store_url: str) -> None:
    """So that other tools can read it; contents are as they were pushed."""

    async def scene(state: State) -> None:
        archive = await exported(await filled(state))
        lines = [msgspec.json.decode(line) for line in archive.splitlines()]
        assert [each["kind"] for each in lines[:2]] == ["archive", "prompt"]
        assert lines[-1] == {"kind": "end", "prompts": 2, "contents": 5, "lines": len(lines) - 1}
        texts = [each["content"]["messages"][0]["text"] for each in lines if each["kind"] == "content"]
        assert sorted(texts) == ["a draft", "mood é", "one", "three", "two"]

    play(store_url, scene)
