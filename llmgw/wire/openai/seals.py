"""How providers' seals are told to callers in OpenAI's dialect, which has no place for them.

They are read back from the same places (`llmgw.types.openai_seals`): clients that send assistant messages back as
they got them so bring every seal home.
"""

from collections.abc import Iterable
from typing import Final

from llmgw.types.json import Json
from llmgw.types.message import Details, Part, ReasoningPart, Seal, TextPart
from llmgw.types.openai_seals import EXTRA_CONTENT, FORMATS

_SIGNATURE: Final = "thought_signature"
_GOOGLE: Final = "google"


def call_members(seal: Seal) -> Details:
    """Write the seal of a tool call as members of that call."""
    return {EXTRA_CONTENT: {_GOOGLE: {_SIGNATURE: seal.value}}}


def detail(index: int, text: str, seal: Seal) -> Details:
    """Write one sealed piece of reasoning, or the seal of a text, as item `index` of `reasoning_details`.

    Anthropic signs thinking whose text it does not show, too: that stays a text, of no words.
    """
    item: Details = {"index": index, "format": FORMATS.get(seal.protocol, seal.protocol)}
    if seal.kind == "encrypted" or not (text or seal.protocol == "anthropic"):
        return {"type": "reasoning.encrypted", "data": seal.value, **item}
    return {"type": "reasoning.text", "text": text, "signature": seal.value, **item}


def details_of(parts: Iterable[Part]) -> list[Json]:
    """Write the seals of a whole answer's reasoning and text, in their order."""
    items: list[Json] = []
    for part in parts:
        match part:
            case ReasoningPart(text=text, seal=Seal() as seal):
                items.append(detail(len(items), text, seal))
            case TextPart(seal=Seal() as seal):
                items.append(detail(len(items), "", seal))
            case _:
                pass
    return items
