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
    if any(block.get("type") == _CALL for block in content):
        for block, written in zip(content, _whole(answer).content, strict=True):
            _keep(block, written)


def keep_input(event: bytes, block: Json) -> None:
    """Likewise for the block that an event of a stream opens: some hosts tell a call's input at once."""
    if isinstance(block, dict) and block.get("input"):
        _keep(block, _opening(event).content_block)


def _keep(block: Details, written: _Block) -> None:
    if block.get("type") == _CALL and block.get("input") is not None:
        block["input"] = written.input
