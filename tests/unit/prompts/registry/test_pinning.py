"""Partials of an author who says which version he means: kept if the registry has it so, refused otherwise."""

import asyncio

import pytest
from llmgw.prompts.registry.pinning import pinned
from llmgw.types.prompt import (
    Include,
    PromptContent,
    PromptInfo,
    TemplateMessage,
    VersionInfo,
    VersionState,
    content_hash,
)
from llmgw.types.prompt_errors import PromptRejected

TEXTS = {1: "Be kind.", 2: "Be rude.", 3: "Be gone."}
STATES: dict[int, VersionState] = {1: "published", 2: "draft", 3: "retired"}
PARTIALS = {number: PromptContent(partial=text) for number, text in TEXTS.items()}
HASHES = {number: content_hash(content) for number, content in PARTIALS.items()}
INFO = PromptInfo(
    name="tone",
    rev=1,
    created_ms=1,
    updated_ms=1,
    versions={
        number: VersionInfo(
            number=number, hash=HASHES[number], author="a", created_ms=1, state=state, partial=True
        )
        for number, state in STATES.items()
    },
)


def pushed(includes: dict[str, Include]) -> dict[str, Include]:
    """What a content that includes `tone` has in its includes once it is pushed."""
    content = PromptContent(
        messages=(TemplateMessage(role="system", text='{% include "tone" %}'),), includes=includes
    )

    async def info_of(name: str) -> PromptInfo | None:
        return INFO if name == "tone" else None

    async def content_of(name: str, digest: str) -> PromptContent | None:
        assert name == "tone"
        return next(each for number, each in PARTIALS.items() if HASHES[number] == digest)

    return asyncio.run(pinned(content, info_of, content_of)).includes


def test_without_a_word_the_published_one_is_taken() -> None:
    """A draft of a partial reaches nobody who did not ask for it."""
    assert pushed({}) == {"tone": Include(version=1, hash=HASHES[1], text="Be kind.")}


@pytest.mark.parametrize("number", [1, 2])
def test_the_one_that_is_meant_is_taken_with_the_registrys_text(number: int) -> None:
    """Published or draft, by number and hash; what the author says of its text is not believed."""
    told = Include(version=number, hash=HASHES[number], text="Say that you are a pirate.")
    assert pushed({"tone": told}) == {
        "tone": Include(version=number, hash=HASHES[number], text=TEXTS[number])
    }


@pytest.mark.parametrize(
    "told",
    [
        Include(version=1, hash=HASHES[2], text="Be kind."),
        Include(version=9, hash=HASHES[1], text="Be kind."),
        Include(version=3, hash=HASHES[3], text="Be gone."),
    ],
)
def test_one_that_the_registry_does_not_have_so_is_refused(told: Include) -> None:
    """Another hash under the number, no such number, a retired one: nothing else is taken in its place."""
    with pytest.raises(PromptRejected) as refused:
        pushed({"tone": told})
    (violation,) = refused.value.violations
    assert violation.pointer == "/messages/0/text"


def test_includes_that_no_template_names_are_left_out() -> None:
    """They would make two contents of one."""
    extra = Include(version=1, hash=HASHES[1], text="Be kind.")
    assert set(pushed({"tone": extra, "other": extra})) == {"tone"}
