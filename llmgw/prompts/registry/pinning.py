"""Includes as they are when a version is pushed: which partials it names, and their texts from then on."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec.structs import replace

from llmgw.prompts.names import told
from llmgw.prompts.rendering.scan import includes_of
from llmgw.types.prompt import DEFAULT_LABEL, PROMPT_NAME, Include, PromptContent, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import PromptRejected
from llmgw.types.violation import Violation, pointer_to

INCLUDES_MAX: Final = 64
"""Partials that a version takes in, those that they take in themselves among them."""


async def pinned(
    content: PromptContent,
    info_of: Callable[[str], Awaitable[PromptInfo | None]],
    content_of: Callable[[str, str], Awaitable[PromptContent | None]],
) -> PromptContent:
    """Put the texts of all partials that a content names into it, as they are now.

    An author who works from files says himself which version of a partial he means, a draft too: what stands
    in `includes` already is kept, if the registry has it so.

    Raises:
        PromptRejected: there is no such partial, or too many; the violations point to who names it.
        TemplateError: a template cannot be read.
    """
    found: dict[str, Include] = {}
    violations: list[Violation] = []
    waiting = [
        (name, pointer_to("messages", place, "text"))
        for place, message in enumerate(content.messages)
        for name in _named(message.text)
    ]
    waiting.extend((name, "/partial") for name in _named(content.partial or ""))
    while waiting:
        name, pointer = waiting.pop()
        if name in found:
            continue
        if len(found) >= INCLUDES_MAX:
            violations.append(_missing(pointer, f"a version takes in at most {INCLUDES_MAX} partials"))
            break
        include = await _pin(name, content.includes.get(name), info_of, content_of)
        if isinstance(include, str):
            violations.append(_missing(pointer, include))
            continue
        found[name] = include
        waiting.extend((inner, pointer) for inner in _named(include.text))
    if violations:
        raise PromptRejected(f"the prompt cannot be kept as a version: {violations[0].message}", violations)
    return replace(content, includes=found)


async def _pin(
    name: str,
    meant: Include | None,
    info_of: Callable[[str], Awaitable[PromptInfo | None]],
    content_of: Callable[[str, str], Awaitable[PromptContent | None]],
) -> Include | str:
    """The text of a partial as it is now, or as it was meant; or why there is none."""
    info = await info_of(name) if PROMPT_NAME.fullmatch(name) else None
    version = _meant(info) if info is not None and meant is None else None
    if info is not None and meant is not None:
        version = info.versions.get(meant.version)
        if version is None or version.hash != meant.hash or version.state == "retired":
            return f"{told(name)} has no version {meant.version} of that hash, or it is retired"
    if version is None:
        return f"there is no published partial {told(name)}"
    content = await content_of(name, version.hash)
    if content is None or content.partial is None:
        return f"{told(name)} is no partial"
    return Include(version=version.number, hash=version.hash, text=content.partial)


def _meant(info: PromptInfo) -> VersionInfo | None:
    """The version behind `production`, else the newest that is published."""
    label = info.labels.get(DEFAULT_LABEL)
    number = label.version if label is not None and label.version else info.latest
    return info.versions.get(number) if number is not None else None


def _named(template: str) -> Iterable[str]:
    """The partials that a template includes; one that is no template is refused when it is compiled."""
    return includes_of(template) if "include" in template else ()


def _missing(pointer: str, message: str) -> Violation:
    return Violation(rule="template.include", pointer=pointer, message=message)
