"""The inputs of tool calls as a caller wrote them, which decoding would alter: `1E2` is not `100.0`."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct


class _Block(Struct, gc=False):
    """A content block."""

    input: msgspec.Raw = msgspec.Raw()


class _Message(Struct, gc=False):
    """A message."""

    content: str | list[_Block] | None = None


class _Request(Struct, gc=False):
    """The conversation of a request."""

    messages: list[_Message]


_decode: Final = msgspec.json.Decoder(_Request).decode


class Inputs:
    """Finds the inputs of calls in a request's bytes, which are read again for the first call."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._found: dict[str, str] | None = None

    def at(self, place: str) -> str | None:
        """The input of the block at a place such as `messages.1.content.0`; None in a request of a wrong form."""
        if self._found is None:
            self._found = dict(_inputs(self._body))
        return self._found.get(place)


def _inputs(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        messages = _decode(body).messages
    except msgspec.ValidationError:
        return
    for number, message in enumerate(messages):
        if isinstance(message.content, list):
            for nth, block in enumerate(message.content):
                if block.input:
                    yield f"messages.{number}.content.{nth}", bytes(block.input).decode()
