"""The inputs of tool calls as the vendor wrote them, which decoding would alter: `1E2` is not `100.0`."""

from typing import Final

import msgspec
from msgspec import Struct

from llmgw.types.json import Json
from llmgw.types.message import Details

_CALL: Final = "tool_use"


class _Block(Struct, gc=False):
    """A content block."""

    input: msgspec.Raw = msgspec.Raw()


class _Message(Struct, gc=False):
    """A whole answer."""

    content: list[_Block]


class _Opening(Struct, gc=False):
    """The event that opens a block."""

    content_block: _Block


_whole: Final = msgspec.json.Decoder(_Message).decode
_opening: Final = msgspec.json.Decoder(_Opening).decode


def keep_inputs(answer: bytes, content: list[Details]) -> None:
    """Give the calls in an answer's decoded `content` their inputs as they stand in its bytes, in place."""
    calls = [(number, block) for number, block in enumerate(content) if _has_input(block)]
    if not calls:
        return
    try:
        written = _whole(answer).content
    except msgspec.ValidationError:
        return  # it names a member twice, once in a wrong form: what counts was decoded
    for number, block in calls:
        block["input"] = written[number].input


def keep_input(event: bytes, block: Json) -> None:
    """Likewise for the block that an event of a stream opens: some hosts tell a call's input at once."""
    if isinstance(block, dict) and _has_input(block) and block["input"] != {}:
        try:
            block["input"] = _opening(event).content_block.input
        except msgspec.ValidationError:
            return


def _has_input(block: Details) -> bool:
    return block.get("type") == _CALL and block.get("input") is not None
