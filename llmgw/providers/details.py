"""Members without a field of ours: merged in for their own protocol, noted as lost for any other."""

from typing import Final

from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details
from llmgw.types.openai_seals import FORMATS, REASONING_DETAILS
from llmgw.types.target import Target

_CACHE_MARK: Final = "cache_control"
_CITATIONS: Final = "citations"

_READ: Final = frozenset(
    (form, kind) for form in FORMATS.values() for kind in ("reasoning.text", "reasoning.encrypted")
)
"""The items of `reasoning_details` that the OpenAI wire reads as reasoning and seals."""
_SAYS_NOTHING: Final = frozenset({"type", _CACHE_MARK, _CITATIONS})


def deepen(body: Details, members: Details) -> None:
    """Add members to what is written, object by object, in place."""
    for name, value in members.items():
        before = body.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            deepen(before, value)
        else:
            body[name] = value


def note_details(members: Details, pointer: str, losses: Losses) -> None:
    """Note what a target of another protocol is not told of these members.

    A lone `type` only tells how the caller wrote a part; cache marks are noted once for the whole call, from
    `CacheHints.marks`; nulls and empty values say nothing; reasoning that was read has its own parts.
    """
    for name, value in members.items():
        if name == _CITATIONS:
            if value:
                losses.note(LossCode.CITATION_DROPPED, pointer)
        elif name == REASONING_DETAILS and was_read(value):
            continue
        elif name not in _SAYS_NOTHING and value not in (None, "", [], {}):
            losses.note(LossCode.DETAILS_DROPPED, pointer)


def was_read(details: Json) -> bool:
    """Whether `reasoning_details` hold nothing but what has parts and seals of its own."""
    return isinstance(details, list) and all(
        isinstance(item, dict) and (str(item.get("format")), str(item.get("type"))) in _READ
        for item in details
    )


def note_passthrough(invocation: ChatInvocation, target: Target, losses: Losses) -> None:
    """Note the members that a target of another protocol is not told of; a null one says nothing.

    Raises:
        UnsupportedParameter: a member changes what is answered, so that it cannot just be left out.
    """
    for name, value in invocation.passthrough.items():
        if name in invocation.demands:
            raise UnsupportedParameter(f"{target.name} cannot be asked for {name}", param=name)
        if value is not None and name != _CACHE_MARK:
            losses.note(LossCode.PARAMETER_DROPPED, f"/passthrough/{name}")
    cache = invocation.cache
    if cache.marks or cache.key is not None or cache.retention is not None:
        losses.note(LossCode.CACHE_DROPPED, "/cache")


def member_at(pointer: str) -> str:
    """Name a place as callers' dialects do: `/messages/0/parts/2` is `messages[0].content[2]`."""
    name = ""
    for step in pointer.split("/")[1:]:
        word = "content" if step == "parts" else step
        name += f"[{step}]" if step.isdigit() else f".{word}" if name else word
    return name
