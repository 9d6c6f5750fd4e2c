"""One change of a prompt, worked out from the prompt as it is: pure, so that it can be worked out again."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from llmgw.prompts.gates.secrets import leaks
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.settings import PromptSettings
from llmgw.types.errors import InvalidRequest
from llmgw.types.prompt import LABEL, LATEST, GitSource, Label, PromptInfo, VersionInfo
from llmgw.types.prompt_errors import PromptChanged, PromptConflict, PromptVersionNotFound

REASON_MAX: Final = 1024
"""Characters of a reason."""
TEXT_MAX: Final = 4096
"""Characters of a version's message."""
_LISTED: Final = 20
_IF_MATCH_MAX: Final = 256
_PASSWORD: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


class At(NamedTuple):
    """Who changes it, when, and by which rules."""

    author: Author
    now_ms: int
    settings: PromptSettings


class Change(Struct, frozen=True, kw_only=True):
    """A prompt as it shall be, what to write beside it, and what the audit says."""

    info: PromptInfo
    op: str
    subject: str = ""
    before: str = ""
    after: str = ""
    reason: str = ""
    detail: str = ""
    fields: Mapping[str, bytes] = {}


def changed(info: PromptInfo, at: At, *, labels: Mapping[str, Label | None] | None = None) -> PromptInfo:
    """The prompt at its next revision, with these labels put in the place of those it has; None takes one out."""
    now = {**info.labels, **(labels or {})}
    kept = {name: label for name, label in now.items() if label is not None}
    return replace(info, rev=info.rev + 1, updated_ms=at.now_ms, labels=kept)


def etag(label: Label | None) -> str:
    """The entity tag of a label, without its quotes; one that is not there has one, too."""
    return str(label.rev if label is not None else 0)


def expect(label: Label | None, if_match: str | None) -> None:
    """Hold what a caller has seen of a label against what it is; None expects nothing.

    Of several entity tags one must be the label's; weak ones never are (RFC 9110, 13.1.1).

    Raises:
        PromptChanged: it is another.
    """
    there = etag(label)
    if if_match is None or there in _tags(text(if_match, "If-Match", _IF_MATCH_MAX)):
        return
    raise PromptChanged(
        f"the label is at revision {there}, not at {if_match}: see what was changed, then name that revision",
        etag=there,
    )


def _tags(if_match: str) -> frozenset[str]:
    """The entity tags of a list, without the quotes of strong ones."""
    return frozenset(each.strip().removeprefix('"').removesuffix('"') for each in if_match.split(","))


def version_of(info: PromptInfo, number: int) -> VersionInfo:
    """Find a version.

    Raises:
        PromptVersionNotFound: there is none.
    """
    found = info.versions.get(number)
    if found is None:
        known = sorted(info.versions)
        listed = ", ".join(map(str, known[-_LISTED:])) or "none"
        raise PromptVersionNotFound(f"the prompt {info.name} has no version {number}; its versions: {listed}")
    return found


def label_of(info: PromptInfo, name: str) -> Label:
    """Find a label.

    Raises:
        PromptVersionNotFound: there is none.
    """
    found = info.labels.get(name)
    if found is None:
        listed = ", ".join(sorted(info.labels)[:_LISTED]) or "none"
        raise PromptVersionNotFound(
            f"the prompt {info.name} has no label {label_name(name)}; its labels: {listed}"
        )
    return found


def label_name(name: str) -> str:
    """Take a label's name.

    Raises:
        InvalidRequest: no label can be called so.
        PromptConflict: it is computed.
    """
    if LABEL.fullmatch(name) is None:
        raise InvalidRequest(
            "a label is 1 to 64 of a-z, 0-9, '_', '.' and '-', and begins with a letter", param="label"
        )
    if name == LATEST:
        raise PromptConflict(f"{LATEST} is the newest published version and cannot be moved")
    return name


def text(value: str, param: str, most: int = REASON_MAX) -> str:
    """Take a text that a person wrote: bounded, and nothing in it but characters that can be seen, and line ends.

    Raises:
        InvalidRequest: it is too long, has other characters, or what looks like a secret: it is kept for good.
    """
    if len(value) > most:
        raise InvalidRequest(f"{param} has more than {most} characters", param=param)
    if not value.replace("\n", "").replace("\t", "").isprintable():
        raise InvalidRequest(f"{param} has characters that cannot be printed", param=param)
    if leak := next(leaks(value), None):
        shape = leak.shape.replace("_", " ")
        raise InvalidRequest(f"{param} has what looks like a secret ({shape}): take it out", param=param)
    return value


def check_source(source: GitSource) -> None:
    """Refuse to keep what is no address, or one with a password in it, as continuous integration has them.

    Raises:
        InvalidRequest: the param names the member.
    """
    for member in ("repo", "commit", "path"):
        text(getattr(source, member), f"source.{member}")
    if _PASSWORD.search(source.repo):
        raise InvalidRequest("source.repo has a password in it: leave it out", param="source.repo")
