"""Whether two schemas say the same, word for word, with references followed."""

from typing import Final, TypeAlias

from llmgw.context.user_schemas.facts import Fact, Reader
from llmgw.context.user_schemas.keywords import MANY, NAMED, ONE
from llmgw.context.user_schemas.outline import target
from llmgw.types.json import encode
from llmgw.types.violation import pointer_to

_EFFORT: Final = 0.05
_ASIDE: Final = frozenset({"$defs", "definitions"})
_Pair: TypeAlias = tuple[Fact, Fact]


class Equality:
    """Compares schemas of a reader, and remembers what it found."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._same: set[_Pair] = set()
        self._different: set[_Pair] = set()

    def same(self, one: Fact, other: Fact) -> bool:
        """Whether two schemas say the same; in doubt, that they do not."""
        if one.said or other.said:
            return one == other
        assumed: set[_Pair] = set()
        if not self._alike(one, other, assumed):
            return False
        # All that was taken for the same on the way has turned out to be.
        self._same |= assumed
        return True

    def _alike(self, one: Fact, other: Fact, assumed: set[_Pair]) -> bool:
        """Compare two schemas; where they come round to the same two, only what else they say can differ."""
        pair = (one, other)
        if one == other or pair in assumed or pair in self._same:
            return True
        if pair in self._different:
            return False
        assumed.add(pair)
        self._read.spend(_EFFORT)
        if not self._alike_within(one, other, assumed):
            self._different.add(pair)
            return False
        return True

    def _alike_within(self, one: Fact, other: Fact, assumed: set[_Pair]) -> bool:
        first, second = self._read.schema(one), self._read.schema(other)
        if isinstance(first, bool) or isinstance(second, bool):
            return first is second
        keywords = [keyword for keyword in first if keyword not in _ASIDE]
        return set(keywords) == second.keys() - _ASIDE and all(
            self._alike_by(keyword, one, other, assumed) for keyword in keywords
        )

    def _alike_by(self, keyword: str, one: Fact, other: Fact, assumed: set[_Pair]) -> bool:
        first, second = self._read.schema(one)[keyword], self._read.schema(other)[keyword]
        steps: list[str]
        if keyword == "$ref":
            return self._alike(Fact(one.side, target(first)), Fact(other.side, target(second)), assumed)
        if keyword in ONE:
            steps = [pointer_to(keyword)]
        elif keyword in MANY and len(first) == len(second):
            steps = [pointer_to(keyword, number) for number in range(len(first))]
        elif keyword in NAMED and first.keys() == second.keys():
            steps = [pointer_to(keyword, name) for name in first]
        else:
            return encode(first) == encode(second)
        return all(
            self._alike(Fact(one.side, one.pointer + step), Fact(other.side, other.pointer + step), assumed)
            for step in steps
        )
