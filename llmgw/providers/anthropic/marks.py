"""Marks for caching, of which a request may have few.

A caller who keeps its history itself moves its marks on. In a stored conversation those of all turns come together.
https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

from collections.abc import Iterator
from typing import Final

from llmgw.providers.history import CACHE_MARK
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details

_MOST: Final = 4


def keep_latest_marks(body: Details, losses: Losses) -> None:
    """Leave as many marks as are taken: the last of messages, system and tools, then the later ones before them."""
    found = [list(_marked(body.get(name))) for name in ("messages", "system", "tools")]
    last = [marked.pop() for marked in found if marked]
    before = [each for marked in found for each in reversed(marked)]
    room = _MOST - (body.get(CACHE_MARK) is not None)
    surplus = {id(each) for each in [*last, *before][room:]}
    if not surplus:
        return
    losses.note(LossCode.CACHE_DROPPED, "/cache")
    body |= {name: _without(body[name], surplus) for name in ("messages", "system", "tools") if name in body}


def _marked(value: Json) -> Iterator[Details]:
    """What has a mark, in its order."""
    if isinstance(value, list):
        for item in value:
            yield from _marked(item)
    elif isinstance(value, dict):
        if value.get(CACHE_MARK) is not None:
            yield value
        yield from _marked(value.get("content"))


def _without(value: Json, surplus: set[int]) -> Json:
    """Write a value without the marks of those objects; what it is made of may be the conversation's own."""
    if isinstance(value, list):
        return [_without(item, surplus) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: item for name, item in value.items() if name != CACHE_MARK or id(value) not in surplus}
    if "content" in kept:
        kept["content"] = _without(kept["content"], surplus)
    return kept
