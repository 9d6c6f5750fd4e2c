"""How much memory a worker's knowledge of a turn takes, as the cache of contexts counts it."""

from collections.abc import Iterable
from sys import getsizeof
from typing import Final

from msgspec import Struct

from llmgw.context.kept import Kept, kept
from llmgw.types.message import TextPart
from llmgw.types.turn import Binding, RawAnswer, Turn

_PLACE: Final = 32
"""Bytes of its place in lists of turns, and of the numbers kept of it there."""
_SHARED: Final = (bool, type(None))


def footprint(value: object, shared: Iterable[object] = ()) -> int:
    """Bytes of memory that a value takes with all in it: structs, and what JSON has; without what is `shared`."""
    seen = set(map(id, shared))
    waiting: list[object] = [value]
    size = 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, _SHARED):
            continue
        seen.add(id(each))
        size += getsizeof(each)
        waiting += _within(each)
    return size


def _within(value: object) -> Iterable[object]:
    if isinstance(value, Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, tuple | list) else ()


def of_turn(held: Kept) -> int:
    """Bytes of memory that a turn takes; of one text that is known without a look at each member."""
    parts = held.turn.parts
    if len(parts) != 1 or parts[0].__class__ is not TextPart or parts[0].seal is not None:
        return footprint(held, _shared(held)) + _PLACE
    # As CPython holds a text: one character that needs four bytes makes all of them take four.
    size = _PLAIN + getsizeof(parts[0].text)
    return size if held.turn.produced_by is None else size + _ANSWERED


def _shared(held: Kept) -> Iterable[object]:
    """What there is once for all turns: words of the protocol, and the context's name."""
    return held.turn.role, held.turn.status, held.turn.source, held.home


def _sample(*, answer: bool) -> int:
    """Bytes of a turn without a word, whose ids and names are as long as they are on the whole."""
    answered = Binding(
        provider="p" * 16, kind="k" * 16, protocol="o" * 9, model="m" * 16, account="a" * 16, prefix="b" * 32
    )
    turn = Turn(
        id=f"turn_{'0' * 26}",
        seq=1000,
        role="user",
        created_at="2026-01-01T00:00:00.000Z",
        parts=(TextPart(text=""),),
        protocol="openai",
        call=f"call_{'0' * 26}",
        produced_by=answered if answer else None,
        finish_reason="stop" if answer else None,
        raw=RawAnswer(blob=f"sha256:{'0' * 64}", size=1000) if answer else None,
    )
    held = kept(turn, 1000, "")
    return footprint(held, (*_shared(held), ""))


_PLAIN: Final = _sample(answer=False) + _PLACE
_ANSWERED: Final = _sample(answer=True) - _sample(answer=False)
