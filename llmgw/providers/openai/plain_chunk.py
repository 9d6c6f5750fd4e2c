"""The usual chunks of a stream, read by their type in one step.

Chunks that say a piece of text, begin, end or count, and nothing unusual, are nearly all of the traffic. Decoding
one into this type is quicker than decoding it into objects and asking for each member. What the type accepts
must mean what `ChunkParser` reads in it; whatever it does not accept, broken bytes too, takes the long way, which
judges it.

Most hosts write the same bytes around the text of each chunk. Where a chunk has been read, the next one of those
bytes is read by its text alone.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Struct

from llmgw.providers.base import Frame
from llmgw.types.event import Extra, TextDelta


class PlainDelta(Struct, gc=False, forbid_unknown_fields=True):
    """Text, and members that say nothing."""

    content: str | None = None
    role: Literal["assistant", ""] | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None


class PlainChoice(Struct, gc=False, forbid_unknown_fields=True):
    """A choice that goes on or ends."""

    delta: PlainDelta
    index: int = 0
    logprobs: None = None
    finish_reason: str | None = None
    native_finish_reason: None = None


class PlainChunk(Struct, gc=False, forbid_unknown_fields=True):
    """One choice or none, and what hosts repeat beside it."""

    choices: Annotated[list[PlainChoice], msgspec.Meta(max_length=1)]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    p: str | None = None
    obfuscation: str | None = None
    usage: dict[str, int | dict[str, int | None] | None] | None = None

    def extra(self) -> Extra | None:
        """The members without a field of ours."""
        of_chunk = {}
        if self.provider is not None:
            of_chunk["provider"] = self.provider
        if self.service_tier is not None:
            of_chunk["service_tier"] = self.service_tier
        if self.system_fingerprint is not None:
            of_chunk["system_fingerprint"] = self.system_fingerprint
        if self.p is not None:
            of_chunk["p"] = self.p
        if self.obfuscation is not None:
            of_chunk["obfuscation"] = self.obfuscation
        return Extra(chunk=of_chunk) if of_chunk else None


_decode: Final = msgspec.json.Decoder(PlainChunk).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_NAME: Final = b'"content"'
_TEXT: Final = re.compile(rb'[ \t\r\n]*"(?:[^"\\]|\\.)*"')
_LONG: Final = 4096
"""Bytes of a chunk from which looking for its text costs more than it may save."""


def plain_chunk(data: bytes) -> PlainChunk | None:
    """Read a usual chunk; None where it is anything else."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return None


class Surroundings:
    """What stands around the text of a usual chunk, in bytes and in meaning."""

    __slots__ = ("_after", "_before", "_extra", "_from", "_to", "choice")

    def __init__(self, before: bytes, after: bytes, delta: TextDelta) -> None:
        self._before = before
        self._after = after
        self._from = len(before)
        self._to = -len(after)
        self.choice = delta.choice
        self._extra = delta.extra

    def read(self, data: bytes) -> TextDelta | None:
        """Read a chunk that differs in its text alone; None where it is anything else, or says nothing."""
        if data.startswith(self._before) and data.endswith(self._after):
            try:
                text = _decode_text(data[self._from : self._to])
            except (msgspec.DecodeError, ValueError):
                return None
            if text:
                return TextDelta(text=text, choice=self.choice, extra=self._extra)
        return None

    def read_run(self, frames: Iterable[Frame]) -> list[TextDelta]:
        """Read those of the first frames that differ in their text alone, each as `read` does."""
        before, after, start, end = self._before, self._after, self._from, self._to
        choice, extra = self.choice, self._extra
        told: list[TextDelta] = []
        try:
            for frame in frames:
                data = frame.data
                if frame.event or not data.startswith(before) or not data.endswith(after):
                    break
                text = _decode_text(data[start:end])
                if not text:
                    break
                told.append(TextDelta(text=text, choice=choice, extra=extra))
        except (msgspec.DecodeError, ValueError):
            pass  # whoever reads this one by itself says what is wrong with it
        return told


def surroundings(data: bytes, delta: TextDelta) -> Surroundings | None:
    """What stands around the text of a usual chunk, which was read as `delta`; None where that is not sure.

    Without an escape in any name, a chunk that has the name of the text once has it before the text.
    """
    if len(data) > _LONG or data.count(_NAME) != 1:
        return None
    name, colon, rest = data.partition(_NAME + b":")
    text = _TEXT.match(rest)
    if text is None:
        return None
    before, after = name + colon, rest[text.end() :]
    return None if b"\\" in before or b"\\" in after else Surroundings(before, after, delta)
