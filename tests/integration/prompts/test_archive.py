"""Archives: all prompts out, and in again as they were."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import LabelMove, Push, Start
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage import keys
from llmgw.state.connection import State
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import PromptApi, PromptContent, PromptInfo, content_hash
from llmgw.types.prompt_errors import GateMissing, PromptConflict, PromptNotFound
from msgspec.structs import replace
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


def unevaluated(info: PromptInfo) -> PromptInfo:
    """The same prompt, whose versions nobody has tried."""
    versions = {number: replace(each, gate=None) for number, each in info.versions.items()}
    return replace(info, versions=versions)


def forged(archive: bytes, alter: Callable[[dict[str, Any]], object]) -> bytes:
    """An archive in which what is said of the prompt `NAME` was altered."""
    lines = [msgspec.json.decode(line) for line in archive.splitlines()]
    for line in lines:
        if line["kind"] == "prompt" and line["info"]["name"] == NAME:
            alter(line["info"])
    return b"\n".join(map(msgspec.json.encode, lines))


async def exported(registry: Registry, tenant: str = TENANT) -> bytes:
    """An archive in one piece."""
    return b"".join([line async for line in registry.export(tenant)])


def test_an_archive_brings_everything_back(store_url: str) -> None:
    """In an empty store the prompts, numbers, hashes, labels and rollouts are what they were, but not evaluated."""

    async def scene(state: State) -> None:
        registry = await filled(state)
        archive = await exported(registry)
        before = {each.name: unevaluated(each) for each in await registry.prompts(TENANT)}
        with Redis.from_url(store_url) as client:
            client.flushall()
        imported = await registry.take_over(ANNA, archive)
        assert (imported.prompts, imported.versions, imported.unchanged) == (2, 5, 0)
        assert {each.name: each for each in await registry.prompts(TENANT)} == before
        assert await registry.gates(TENANT, "mood") == []
        assert (await registry.version(TENANT, NAME, 4)).content == content("a draft")
        (event,) = (await registry.history(TENANT, NAME)).events
        assert (event.op, event.detail) == ("import", "labels without evaluation: production to 1")
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


def test_an_evaluation_in_an_archive_opens_no_gate(store_url: str) -> None:
    """Written by hand or not, it is not one of this gateway's: a protected label does not move by it."""

    async def scene(state: State) -> None:
        archive = await exported(await filled(state))
        with Redis.from_url(store_url) as client:
            client.flushall()
        registry = Registry(state, PromptSettings())
        await registry.take_over(ANNA, archive)
        await registry.abort(ANNA, NAME, "production")
        with pytest.raises(GateMissing, match="not evaluated"):
            await registry.move(ANNA, NAME, "production", LabelMove(version=2))

    play(store_url, scene)


def test_what_an_archive_says_of_a_version_is_taken_from_its_content(store_url: str) -> None:
    """A version that is called a partial would need no evaluation; nobody here can agree to a foreign proposal."""

    def alter(info: dict[str, Any]) -> None:
        info["versions"]["2"] |= {"partial": True, "model": "costly", "api": {"slug": "stolen"}}
        proposed = {"version": 2, "by": "key_bert", "at_ms": 1, "break_glass": True, "reason": "x"}
        info["labels"]["production"]["pending"] = proposed
        info["labels"]["empty"] = {
            "version": 0,
            "rev": 1,
            "moved_ms": 1,
            "moved_by": "x",
            "pending": proposed,
        }

    async def scene(state: State) -> None:
        archive = forged(await exported(await filled(state)), alter)
        with Redis.from_url(store_url) as client:
            client.flushall()
        registry = Registry(state, PromptSettings(approvals=1))
        await registry.take_over(ANNA, archive)
        info = await registry.info(TENANT, NAME)
        version = info.versions[2]
        assert (version.partial, version.model, version.api) == (False, None, None)
        assert (info.labels["production"].pending, sorted(info.labels)) == (None, ["production"])
        with pytest.raises(PromptConflict, match="no move"):
            await registry.approve(ANNA, NAME, "production")

    play(store_url, scene)


@pytest.mark.parametrize(
    "alter",
    [
        lambda info: info["labels"]["production"].update(version=4),
        lambda info: info["labels"]["production"]["rollout"].update(candidate=4),
        lambda info: info["labels"]["production"]["rollout"].update(candidate=9),
        lambda info: info["labels"]["production"]["rollout"].update(steps=[]),
        lambda info: info["labels"]["production"]["rollout"].update(step=-7),
        lambda info: info["labels"]["production"]["rollout"].update(id="a:b"),
        lambda info: info["labels"].update({"latest": info["labels"]["production"]}),
        lambda info: info["labels"].update({"production-v7": info["labels"]["production"]}),
        lambda info: info["versions"]["1"].update(message="\x1b[31m"),
        lambda info: info["versions"]["1"].update(author="a\x00b"),
        lambda info: info["versions"]["1"].update(sunset_ms=-(10**18)),
        lambda info: info["versions"]["1"].update(created_ms=10**30),
        lambda info: info["labels"]["production"].update(moved_ms=10**18),
        lambda info: info["labels"]["production"].update(rev=-1),
        lambda info: info.update(rev=10**30),
        lambda info: info["versions"].update({"9": {**info["versions"]["1"], "number": 9}}),
    ],
)
def test_what_could_not_have_been_made_here_is_refused(
    store_url: str, alter: Callable[[dict[str, Any]], object]
) -> None:
    """Labels and rollouts that lead to drafts or nowhere, steps that are none, texts for a terminal to obey."""

    async def scene(state: State) -> None:
        archive = forged(await exported(await filled(state)), alter)
        with Redis.from_url(store_url) as client:
            client.flushall()
        registry = Registry(state, PromptSettings())
        with pytest.raises(InvalidRequest):
            await registry.take_over(ANNA, archive)
        assert await registry.prompts(TENANT) == []

    play(store_url, scene)


def test_a_content_that_nests_deeper_than_any_body_is_refused(store_url: str) -> None:
    """Whatever goes through it later would go too deep."""

    async def scene(state: State) -> None:
        archive = await exported(await filled(state))
        old = msgspec.json.encode(content("one"))
        deep = old[:-1] + b',"metadata":{"a":' + b"[" * 400 + b"]" * 400 + b"}}"
        for nested in (deep, old[:-1] + b',"metadata":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"):
            altered = archive.replace(content_hash(content("one")).encode(), content_hash(nested).encode())
            registry = Registry(state, PromptSettings())
            with pytest.raises(InvalidRequest):
                await registry.take_over(ANNA._replace(tenant="t"), altered.replace(old, nested))

    play(store_url, scene)


def test_a_published_version_in_an_archive_says_something(store_url: str) -> None:
    """As it must here; a draft may be unfinished."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        await registry.push(ANNA, NAME, Push(content=PromptContent(messages=())))
        archive = await exported(registry)
        other = ANNA._replace(tenant="third")
        assert (await registry.take_over(other, archive)).versions == 1

        def alter(info: dict[str, Any]) -> None:
            info["versions"]["1"]["state"] = "published"

        with pytest.raises(InvalidRequest, match="no messages"):
            await registry.take_over(ANNA._replace(tenant="fourth"), forged(archive, alter))

    play(store_url, scene)
