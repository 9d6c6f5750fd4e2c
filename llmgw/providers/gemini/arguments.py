"""The arguments of function calls as the vendor wrote them, which decoding would alter: `1E2` is not `100.0`."""

from typing import Final

import msgspec
from msgspec import Struct

from llmgw.types import json
from llmgw.types.json import Json
from llmgw.types.message import Details


class _Call(Struct, gc=False):
    """A function call."""

    args: msgspec.Raw = msgspec.Raw()


class _Part(Struct, gc=False, rename="camel"):
    """A part of a content."""

    function_call: _Call | None = None


class _Content(Struct, gc=False):
    """What a candidate says."""

    parts: list[_Part] | None = None


class _Candidate(Struct, gc=False):
    """One answer."""

    content: _Content | None = None


class _Answer(Struct, gc=False):
    """An answer, or a chunk of one."""

    candidates: list[_Candidate]


_decode: Final = msgspec.json.Decoder(_Answer).decode


def keep_arguments(answer: bytes, candidates: list[Details]) -> None:
    """Give the calls in decoded candidates their arguments as they stand in an answer's bytes, in place.

    Candidates of a wrong form, which the reader of them refuses, stay as they are.
    """
    if not any(_has_calls(candidate) for candidate in candidates):
        return
    try:
        written = _decode(answer).candidates
    except msgspec.ValidationError:
        return
    for candidate, read in zip(candidates, written, strict=True):
        parts = (read.content and read.content.parts) or ()
        for number, part in enumerate(parts):
            if part.function_call is not None and part.function_call.args:
                call = candidate["content"]["parts"][number]["functionCall"]
                if call["args"] is not None:
                    call["args"] = part.function_call.args


def as_written(args: Json) -> str:
    """The text of a call's arguments, without the spaces of the answer's layout: streams have another one."""
    if isinstance(args, msgspec.Raw):
        return msgspec.json.format(bytes(args), indent=-1).decode()
    return "{}" if args is None else json.encode(args).decode()


def plain(arguments: str) -> str:
    """Arguments in one form of the many that mean the same."""
    return json.encode(json.decode(arguments.encode())).decode()


def _has_calls(candidate: Details) -> bool:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return isinstance(parts, list) and any(
        isinstance(part, dict) and "functionCall" in part for part in parts
    )
