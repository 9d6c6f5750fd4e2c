"""What is believed of a prompt that comes in an archive: what its contents prove, and where its labels led.

Whoever brings an archive may have written it himself. So what is said about a version is taken from its content,
an evaluation that this gateway did not see says nothing, and no move is waiting for somebody to agree to it.
"""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from llmgw.prompts.gates.lint import shape_findings
from llmgw.prompts.names import check_name
from llmgw.prompts.registry.changes import TEXT_MAX, At, check_source, text
from llmgw.prompts.registry.labels import BEFORE_MAX, LABELS_MAX, check_target
from llmgw.prompts.registry.lifecycle import SUCCESSOR_MAX, VERSIONS_MAX
from llmgw.prompts.registry.rollouts import STEPS_MAX
from llmgw.prompts.storage.store import BYTES_MAX
from llmgw.types import json
from llmgw.types.errors import InvalidJson, InvalidRequest
from llmgw.types.prompt import (
    LABEL,
    LATEST,
    SERVED,
    Label,
    PromptContent,
    PromptInfo,
    Rollout,
    VersionInfo,
    content_hash,
    decode_content,
)
from llmgw.types.prompt_errors import PromptConflict, PromptVersionNotFound

CONTENT_MAX: Final = 512 * 1024
"""Bytes of a version's content."""
_WHO_MAX: Final = 256
_REV_MAX: Final = 2**53
_LAST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_ROLLOUT: Final = re.compile(r"[0-9a-f]{1,32}", re.ASCII)


def believed(
    info: PromptInfo, contents: Mapping[str, bytes], compiles: Callable[[PromptContent], object], at: At
) -> PromptInfo:
    """What is taken over of an archived prompt; its contents by hash.

    Raises:
        InvalidRequest: it could not have been made here.
        TemplateError, SchemaRejected: a version cannot be rendered.
    """
    check_name(info.name)
    if not 1 <= len(info.versions) <= VERSIONS_MAX:
        raise InvalidRequest(f"versions of {info.name} are missing, or more than {VERSIONS_MAX}")
    if sum(map(len, contents.values())) > BYTES_MAX:
        raise InvalidRequest(f"the versions of {info.name} have more than {BYTES_MAX} bytes together")
    versions = {number: _version(info, number, contents, compiles) for number in info.versions}
    if len({each.hash for each in versions.values()}) < len(versions):
        raise InvalidRequest(f"two versions of {info.name} have the same content")
    known = replace(info, rev=1, created_ms=at.now_ms, updated_ms=at.now_ms, versions=versions, labels={})
    for moment in (info.created_ms, info.updated_ms):
        _check_moment(info.name, moment)
    if not 0 < info.rev <= _REV_MAX:
        raise InvalidRequest(f"the revision of {info.name} is none")
    labels = {name: _label(known, name, label) for name, label in info.labels.items() if label.version}
    if len(labels) > LABELS_MAX:
        raise InvalidRequest(f"{info.name} has more than {LABELS_MAX} labels")
    return replace(info, versions=versions, labels=labels)


def _version(
    info: PromptInfo, number: int, contents: Mapping[str, bytes], compiles: Callable[[PromptContent], object]
) -> VersionInfo:
    version = info.versions[number]
    called = f"{info.name}@{number}"
    content = contents.get(version.hash)
    if version.number != number or content is None or content_hash(content) != version.hash:
        raise InvalidRequest(f"the content of {called} is missing, or not what its hash says")
    if len(content) > CONTENT_MAX:
        raise InvalidRequest(f"the content of {called} has more than {CONTENT_MAX} bytes")
    try:
        # Before all else: what nests deeper than any body may is not gone through.
        json.decode(content)
        decoded = decode_content(content)
    except (ValueError, InvalidJson):
        raise InvalidRequest(f"the content of {called} is none") from None
    if version.state != "retired":
        compiles(decoded)
    if version.state in SERVED and (found := next(shape_findings(decoded), None)):
        raise InvalidRequest(f"{called} is {version.state}, and cannot be: {found.message}")
    for moment in (version.created_ms, version.deprecated_ms, version.sunset_ms):
        _check_moment(called, moment)
    check_source(version.source)
    return replace(
        version,
        author=text(version.author, "author", _WHO_MAX),
        message=text(version.message, "message", TEXT_MAX),
        successor=text(version.successor, "successor", SUCCESSOR_MAX) if version.successor else None,
        gate=None,
        api=decoded.api,
        model=decoded.model,
        partial=decoded.partial is not None,
    )


def _label(info: PromptInfo, name: str, label: Label) -> Label:
    """A label as it led, if it could have led so here."""
    if LABEL.fullmatch(name) is None or name == LATEST:
        raise InvalidRequest(f"a label of {info.name} has a name that no label can have")
    _leads(info, name, label.version)
    rollout = label.rollout
    if rollout is not None:
        _leads(info, name, rollout.candidate)
        _check_rollout(info, name, rollout)
        text(rollout.started_by, "started_by", _WHO_MAX)
    if not 0 < label.rev <= _REV_MAX:
        raise InvalidRequest(f"the revision of the label {name} of {info.name} is none")
    for moment in (label.moved_ms, *(each.at_ms for each in label.before)):
        _check_moment(info.name, moment)
    before = tuple(each for each in label.before if each.version in info.versions)[-BEFORE_MAX:]
    for who in (label.moved_by, *(each.by for each in before)):
        text(who, "moved_by", _WHO_MAX)
    return replace(label, pending=None, before=before)


def _check_moment(called: str, unix_ms: int | None) -> None:
    """Refuse what no calendar has: times are written in headers and pages."""
    if unix_ms is not None and not 0 <= unix_ms <= _LAST_MS:
        raise InvalidRequest(f"a time of {called} is none: it is before 1970, or after the year 9999")


def _leads(info: PromptInfo, name: str, number: int) -> None:
    version = info.versions.get(number)
    if version is None:
        raise InvalidRequest(f"versions of {info.name} are missing: the label {name} leads to {number}")
    if version.state == "retired":
        return  # as here, where a version is retired by force: it is answered with 410
    try:
        check_target(info, name, version)
    except (PromptConflict, PromptVersionNotFound) as refusal:
        raise InvalidRequest(f"the label {name} cannot lead so: {refusal.message}") from None


def _check_rollout(info: PromptInfo, name: str, rollout: Rollout) -> None:
    steps = rollout.steps
    rising = all(earlier < later for earlier, later in pairwise(steps))
    if (
        _ROLLOUT.fullmatch(rollout.id) is None
        or not 1 <= len(steps) <= STEPS_MAX
        or not 0 <= rollout.step < len(steps)
        or not rising
    ):
        raise InvalidRequest(f"the rollout of the label {name} of {info.name} is none")
