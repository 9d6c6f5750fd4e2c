"""Writing the arguments of tool calls where a protocol has objects for them."""

import msgspec

from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import ToolCallPart


def arguments_of(part: ToolCallPart, pointer: str, losses: Losses) -> Json:
    """Write a call's arguments as they were written; those that are no object become the one member of one."""
    if part.kind == "function":
        if not part.arguments:
            return {}
        try:
            written = part.arguments.encode()
            if isinstance(json.decode(written), dict):
                return msgspec.Raw(written)
        except (InvalidJson, UnicodeEncodeError):
            pass
    losses.note(LossCode.ARGUMENTS_REENCODED, pointer)
    return {"input": part.arguments}
