"""The registry on a real store: what is pushed is kept as it is, by number and by hash."""

from typing import Any, Final

import pytest
from llmgw.prompts.registry import lifecycle, registry
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import LabelMove, Push
from llmgw.prompts.settings import PromptSettings
from llmgw.prompts.storage import keys, store
from llmgw.state.connection import State
from llmgw.types.errors import InternalError, InvalidRequest
from llmgw.types.prompt import GitSource, PromptApi, PromptContent, content_hash
from llmgw.types.prompt_errors import (
    InvalidPrompt,
    PromptChanged,
    PromptConflict,
    PromptNotFound,
    PromptRejected,
    PromptVersionNotFound,
)
from tests.integration.prompts.stage import ANNA, BERT, NAME, PASSED, TENANT, content, partial, play, ready

TOKEN: Final = "ghp_" + "aB3dE5gH7jK9mN2pQ4sT6vW8xY" * 2


def made(state: State, **settings: object) -> Registry:
    """A registry on a store."""
    return Registry(state, PromptSettings(**settings))  # type: ignore[arg-type]


def test_a_push_is_a_version_and_the_same_content_is_the_same_version(store_url: str) -> None:
    """Numbers count up; content that was there, at any time, is found again and makes nothing."""

    async def scene(state: State) -> None:
        prompts = made(state)
        source = GitSource(kind="cli", repo="git@host:repo", commit="abc", path="triage.prompt")
        first = await prompts.push(ANNA, NAME, Push(content=content("one"), message="first", source=source))
        second = await prompts.push(BERT, NAME, Push(content=content("two"), parent=1, author="Bert <b@x>"))
        again = await prompts.push(BERT, NAME, Push(content=content("one"), parent=1))
        assert [(each.info.number, each.created) for each in (first, second, again)] == [
            (1, True),
            (2, True),
            (1, False),
        ]
        assert (first.info.author, first.info.message, first.info.source) == ("key_anna", "first", source)
        assert (second.info.author, second.info.parent, second.info.state) == ("Bert <b@x>", 1, "draft")
        stored = await prompts.version(TENANT, NAME, 2)
        assert (stored.content, stored.info.hash) == (content("two"), content_hash(content("two")))

    play(store_url, scene)


def test_a_parent_that_is_not_the_newest_is_refused(store_url: str) -> None:
    """Two people who edit the same version do not overwrite each other; the newest is told."""

    async def scene(state: State) -> None:
        prompts = made(state)
        for text in ("one", "two"):
            await prompts.push(ANNA, NAME, Push(content=content(text)))
        with pytest.raises(PromptChanged) as refusal:
            await prompts.push(BERT, NAME, Push(content=content("three"), parent=1))
        assert refusal.value.etag == "2"

    play(store_url, scene)


def test_tenants_do_not_meet(store_url: str) -> None:
    """The same name is another prompt for another tenant; nothing of the one is seen by the other."""

    async def scene(state: State) -> None:
        prompts = made(state)
        other = ANNA._replace(tenant="other")
        await ready(prompts, "ours")
        with pytest.raises(PromptNotFound):
            await prompts.info("other", NAME)
        assert await ready(prompts, "theirs", author=other) == 1
        assert (await prompts.version("other", NAME, 1)).content == content("theirs")
        assert (await prompts.version(TENANT, NAME, 1)).content == content("ours")
        assert [each.name for each in await prompts.prompts(TENANT)] == [NAME]
        assert len((await prompts.history("other", NAME)).events) == 3

    play(store_url, scene)


@pytest.mark.parametrize(
    "name",
    ["", "A", "a//b", "/a", "a/", "a/b/c/d/e", "a b", "a\n", "a:b", "a}b", "versions", "x/rollout", "x" * 65],
)
def test_names_are_plain(store_url: str, name: str) -> None:
    """No name can break a key, an address or a line of a log."""

    async def scene(state: State) -> None:
        with pytest.raises(InvalidRequest):
            await made(state).push(ANNA, name, Push(content=content("one")))

    play(store_url, scene)


def test_what_is_too_large_or_unprintable_is_refused(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents, messages and the number of versions have an end."""

    async def scene(state: State) -> None:
        prompts = made(state)
        many = PromptContent(metadata={str(number): "x" * 10_000 for number in range(60)})
        with pytest.raises(InvalidPrompt):
            await prompts.push(ANNA, NAME, Push(content=many))
        for message in ("x" * 5000, "bell\x07"):
            with pytest.raises(InvalidRequest):
                await prompts.push(ANNA, NAME, Push(content=content("one"), message=message))
        with pytest.raises(InvalidRequest):
            await prompts.push(ANNA, NAME, Push(content=content("one"), author="\x1b[31m"))
        monkeypatch.setattr(store, "BYTES_MAX", 100)
        with pytest.raises(PromptConflict, match="together"):
            await prompts.push(ANNA, NAME, Push(content=content("x" * 100)))
        monkeypatch.undo()
        monkeypatch.setattr(lifecycle, "VERSIONS_MAX", 1)
        await prompts.push(ANNA, NAME, Push(content=content("one")))
        with pytest.raises(PromptConflict):
            await prompts.push(ANNA, NAME, Push(content=content("two")))
        monkeypatch.setattr(registry, "GATE_BYTES_MAX", 100)
        with pytest.raises(InvalidRequest):
            await prompts.note_gate(ANNA, NAME, 1, PASSED, {"much": "x" * 200})

    play(store_url, scene)


def test_includes_are_pinned_as_they_are_at_push(store_url: str) -> None:
    """Behind `production`, else the newest published; a later change of the partial makes another version."""

    async def scene(state: State) -> None:
        prompts = made(state)
        for text in ("Be kind.", "Be brief."):
            number = (await prompts.push(ANNA, "shared/tone", Push(content=partial(text)))).info.number
            await prompts.publish(ANNA, "shared/tone", number)
        wish = Push(content=content('{% include "shared/tone" %} Sort this.'))
        await prompts.push(ANNA, NAME, wish)
        pinned = (await prompts.version(TENANT, NAME, 1)).content.includes["shared/tone"]
        assert (pinned.version, pinned.text) == (2, "Be brief.")
        await prompts.move(ANNA, "shared/tone", "production", LabelMove(version=1))
        again = await prompts.push(ANNA, NAME, wish)
        assert (again.created, again.info.number) == (True, 2)
        pinned = (await prompts.version(TENANT, NAME, 2)).content.includes["shared/tone"]
        assert (pinned.version, pinned.text) == (1, "Be kind.")
        assert (await prompts.version(TENANT, NAME, 1)).content.includes["shared/tone"].text == "Be brief."

    play(store_url, scene)


def test_partials_of_partials_are_pinned_too(store_url: str) -> None:
    """And two that include each other end."""

    async def scene(state: State) -> None:
        prompts = made(state)
        for name, text in (("inner", "Inside."), ("outer", 'Outside. {% include "inner" %}')):
            await prompts.push(ANNA, name, Push(content=partial(text)))
            await prompts.publish(ANNA, name, 1)
        await prompts.push(ANNA, NAME, Push(content=content('{% include "outer" %}')))
        assert set((await prompts.version(TENANT, NAME, 1)).content.includes) == {"inner", "outer"}

    play(store_url, scene)


def test_a_missing_include_is_a_violation_that_says_where(store_url: str) -> None:
    """Neither a prompt that is not there, nor a draft, nor one that is no partial can be included."""

    async def scene(state: State) -> None:
        prompts = made(state)
        await prompts.push(ANNA, "draft", Push(content=partial("not yet")))
        await ready(prompts, "no partial", name="other")
        for name in ("nothing", "draft", "other", "../etc/passwd"):
            with pytest.raises(PromptRejected) as refusal:
                await prompts.push(ANNA, NAME, Push(content=content(f'{{% include "{name}" %}}')))
            assert [(each.rule, each.pointer) for each in refusal.value.violations] == [
                ("template.include", "/messages/0/text")
            ]

    play(store_url, scene)


def test_one_prompt_alone_is_served_at_an_api(store_url: str) -> None:
    """A second prompt gets the slug only when the first serves it no more."""

    async def scene(state: State) -> None:
        prompts = made(state)
        for name in ("mood/one", "mood/two"):
            await prompts.push(ANNA, name, Push(content=content(name, api=PromptApi(slug="mood"))))
            await prompts.publish(ANNA, name, 1)
            await prompts.note_gate(ANNA, name, 1, PASSED, {})
        await prompts.move(ANNA, "mood/one", "production", LabelMove(version=1))
        await prompts.move(ANNA, "mood/two", "staging", LabelMove(version=1))
        with pytest.raises(PromptConflict, match="mood/one"):
            await prompts.move(ANNA, "mood/two", "production", LabelMove(version=1))
        await prompts.remove_label(ANNA, "mood/one", "production")
        assert not (await prompts.move(ANNA, "mood/two", "production", LabelMove(version=1))).pending

    play(store_url, scene)


def test_evaluations_are_kept_with_the_content(store_url: str) -> None:
    """The last verdict stands in the version's entry; the last twenty are kept with their details."""

    async def scene(state: State) -> None:
        prompts = made(state)
        await prompts.push(ANNA, NAME, Push(content=content("one")))
        for number in range(registry.GATES_MAX + 2):
            await prompts.note_gate(BERT, NAME, 1, PASSED, {"number": number})
        gates = await prompts.gates(TENANT, NAME)
        assert {each.details["number"] for each in gates} == set(range(2, registry.GATES_MAX + 2))
        assert gates[0].by == "key_bert"
        assert (await prompts.info(TENANT, NAME)).versions[1].gate == PASSED
        with pytest.raises(PromptVersionNotFound):
            await prompts.note_gate(ANNA, NAME, 2, PASSED, {})

    play(store_url, scene)


def test_altered_bytes_are_never_handed_out(store_url: str) -> None:
    """Neither a content nor an entry that somebody changed in the store."""

    async def scene(state: State) -> None:
        prompts = made(state)
        await ready(prompts, "one")
        digest = content_hash(content("one"))
        await state.put_hash(keys.prompt(TENANT, NAME), {f"c:{digest}": b'{"messages":[]}'})
        with pytest.raises(InternalError):
            await prompts.version(TENANT, NAME, 1)
        await state.put_hash(keys.prompt(TENANT, NAME), {"info": b"{}"})
        with pytest.raises(InternalError):
            await prompts.info(TENANT, NAME)

    play(store_url, scene)


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"message": f"with {TOKEN}"}, "message"),
        ({"author": TOKEN}, "author"),
        ({"source": GitSource(repo=f"https://{TOKEN}@example.org/a")}, "source.repo"),
        ({"source": GitSource(repo="https://ci:hunter2@example.org/a")}, "source.repo"),
        ({"source": GitSource(path="a\x1b[2Jb")}, "source.path"),
    ],
)
def test_what_is_noted_beside_a_version_holds_no_secret(
    store_url: str, wish: dict[str, Any], param: str
) -> None:
    """It is kept for good, and shown to all who may look; the refusal repeats none of it."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        with pytest.raises(InvalidRequest) as refused:
            await registry.push(ANNA, NAME, Push(content=content("one"), **wish))
        assert refused.value.param == param
        assert TOKEN not in refused.value.message
        assert "hunter2" not in refused.value.message

    play(store_url, scene)


def test_a_reason_holds_no_secret(store_url: str) -> None:
    """Nobody can take it out of the audit again."""

    async def scene(state: State) -> None:
        registry = Registry(state, PromptSettings())
        await ready(registry, "one")
        with pytest.raises(InvalidRequest, match="secret"):
            await registry.move(ANNA, NAME, "production", LabelMove(version=1, reason=TOKEN))

    play(store_url, scene)
