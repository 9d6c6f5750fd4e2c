"""The life of versions: kept as drafts, published, deprecated, retired; and what their evaluations came to."""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from llmgw.prompts.registry.changes import At, Change, changed, text, version_of
from llmgw.prompts.registry.labels import needs_approval
from llmgw.prompts.registry.wishes import Deprecate, Retire
from llmgw.types.prompt import SERVED, GateSummary, PromptContent, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import PromptChanged, PromptConflict

VERSIONS_MAX: Final = 10_000
"""Versions of one prompt."""
SUCCESSOR_MAX: Final = 256


def keep(
    info: PromptInfo, content: PromptContent, version: VersionInfo, stored: bytes, at: At
) -> Change | None:
    """Add a version, numbered by the prompt; None where one has that content already.

    `version.parent` is the newest version that its author has seen, 0 for whichever is.

    Raises:
        PromptChanged: there is a newer one than its author has seen.
        PromptConflict: there are too many.
    """
    if find(info, version.hash) is not None:
        return None
    if version.parent and version.parent != info.newest:
        raise PromptChanged(
            f"the newest version is {info.newest}, not {version.parent}: take up what it says, then name it",
            etag=str(info.newest),
        )
    if len(info.versions) >= VERSIONS_MAX:
        raise PromptConflict(f"a prompt has at most {VERSIONS_MAX} versions: go on under another name")
    number = info.newest + 1
    numbered = replace(
        version,
        number=number,
        parent=info.newest,
        created_ms=at.now_ms,
        api=content.api,
        model=content.model,
        partial=content.partial is not None,
    )
    return Change(
        info=replace(changed(info, at), versions={**info.versions, number: numbered}),
        op="push",
        subject=str(number),
        after=version.hash,
        reason=version.message,
        fields={f"c:{version.hash}": stored},
    )


def find(info: PromptInfo, digest: str) -> VersionInfo | None:
    """The version that has a content."""
    return next((each for each in info.versions.values() if each.hash == digest), None)


def publish(info: PromptInfo, number: int, at: At) -> Change | None:
    """Let callers have a version; one that was deprecated or retired comes back.

    Raises:
        PromptVersionNotFound: there is none.
    """
    version = version_of(info, number)
    if version.state == "published":
        return None
    published = replace(version, state="published", deprecated_ms=None, sunset_ms=None, successor=None)
    return _change(info, "publish", [published], at, before=version.state)


def deprecate(info: PromptInfo, wish: Deprecate, at: At) -> Change | None:
    """Warn those who call a version, or any; None where they are warned so already.

    Raises:
        PromptVersionNotFound, PromptConflict, InvalidRequest: as their names say.
    """
    versions = _meant(info, wish.version)
    if wish.version is not None and versions[0].state not in SERVED:
        raise PromptConflict(f"{info.name}@{wish.version} is {versions[0].state}: nobody is served it")
    successor = _successor(wish.successor)
    touched = [
        replace(
            each,
            state="deprecated",
            deprecated_ms=each.deprecated_ms or at.now_ms,
            sunset_ms=wish.sunset_ms,
            successor=successor,
        )
        for each in versions
        if each.state in SERVED
    ]
    return _change(info, "deprecate", [each for each in touched if each != info.versions[each.number]], at)


def retire(
    info: PromptInfo, wish: Retire, at: At, callers: Callable[[frozenset[int]], list[str]]
) -> Change | None:
    """Serve a version, or any, no more; None where that is so already.

    `callers` tells who called these versions lately, as they shall be listed.

    Raises:
        PromptConflict: somebody still calls it, or a label leads there, and it is not forced; or that label takes
            two people to move.
        PromptVersionNotFound, InvalidRequest: as their names say.
    """
    versions = [each for each in _meant(info, wish.version) if each.state != "retired"]
    successor = _successor(wish.successor)
    for version in versions:
        if guarded := [each for each in _leading(info, version.number) if needs_approval(each, at)]:
            raise PromptConflict(
                f"{info.name}@{version.number} is behind {', '.join(guarded)}, which takes two people to move: "
                "move the label first"
            )
    if not wish.force:
        if wish.version is not None and (labels := _leading(info, wish.version)):
            raise PromptConflict(
                f"{info.name}@{wish.version} is behind {', '.join(labels)}: move the label first"
            )
        still = callers(frozenset(each.number for each in versions))
        if still:
            raise PromptConflict(
                f"still called in the last 30 days by {', '.join(still)}: deprecate it and tell them, or force it"
            )
    retired = [replace(each, state="retired", successor=successor or each.successor) for each in versions]
    return _change(info, "retire", retired, at, detail="forced" if wish.force else "")


def note_gate(info: PromptInfo, number: int, digest: str, summary: GateSummary, at: At) -> Change | None:
    """Note what the evaluation of a content came to.

    Raises:
        PromptVersionNotFound: there is no such version.
        PromptConflict: the version has another content than was evaluated.
    """
    version = version_of(info, number)
    if version.hash != digest:
        raise PromptConflict(f"{info.name}@{number} has another content than the one that was evaluated")
    return _change(
        info,
        "gate",
        [replace(version, gate=summary)],
        at,
        before=version.gate.verdict if version.gate is not None else "",
        after=summary.verdict,
        detail=f"{summary.passed}/{summary.cases}",
    )


def _meant(info: PromptInfo, number: int | None) -> list[VersionInfo]:
    return list(info.versions.values()) if number is None else [version_of(info, number)]


def _leading(info: PromptInfo, number: int) -> list[str]:
    return sorted(
        name
        for name, label in info.labels.items()
        if number in {label.version, label.rollout.candidate if label.rollout is not None else 0}
    )


def _successor(successor: str | None) -> str | None:
    return text(successor, "successor", SUCCESSOR_MAX) if successor is not None else None


def _change(
    info: PromptInfo,
    op: str,
    versions: Iterable[VersionInfo],
    at: At,
    *,
    before: str = "",
    after: str = "",
    detail: str = "",
) -> Change | None:
    touched = {each.number: each for each in versions}
    if not touched:
        return None
    first = next(iter(touched.values()))
    return Change(
        info=replace(changed(info, at), versions={**info.versions, **touched}),
        op=op,
        subject=str(first.number) if len(touched) == 1 else f"{len(touched)} versions",
        before=before,
        after=after or first.state,
        detail=detail,
    )
