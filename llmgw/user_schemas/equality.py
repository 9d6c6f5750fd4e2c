"""Whether two schemas say the same, word for word, with references followed."""

from typing import Final, TypeAlias

from llmgw.types.json import Json, encode
from llmgw.types.violation import pointer_to
from llmgw.user_schemas.facts import Fact, Reader
from llmgw.user_schemas.keywords import MANY, NAMED, ONE, Steps
from llmgw.user_schemas.outline import target

_EFFORT: Final = 0.05
_GLANCE: Final = 0.02
_ASIDE: Final = frozenset({"$defs", "definitions"})
_Pair: TypeAlias = tuple[Fact, Fact]


class Equality:
    """Compares schemas of a reader, and remembers what it found."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._prints: dict[Fact, int] = {}
        self._same: set[_Pair] = set()
        self._different: set[_Pair] = set()

    def same(self, one: Fact, other: Fact) -> bool:
        """Whether two schemas say the same; in doubt, that they do not."""
        if one.said or other.said:
            return one == other
        self._read.spend(_GLANCE)
        if self.fingerprint(one) != self.fingerprint(other):
            return False
        assumed: set[_Pair] = set()
        if not self._alike(one, other, assumed):
            return False
        # All that was taken for the same on the way has turned out to be.
        self._same |= assumed
        return True

    def fingerprint(self, fact: Fact) -> int:
        """A number that is the same for schemas that say the same, whatever their references lead to."""
        known = self._prints.get(fact)
        if known is None:
            self._read.spend(_EFFORT)
            schema = self._read.schema(fact)
            known = self._prints[fact] = hash(
                schema
                if isinstance(schema, bool)
                else frozenset(self._printed(fact, keyword) for keyword in schema if keyword not in _ASIDE)
            )
        return known

    def _printed(self, fact: Fact, keyword: str) -> tuple[str, object]:
        value = self._read.schema(fact)[keyword]
        if keyword == "$ref":
            return keyword, None
        steps = _steps_within(keyword, value)
        if steps is None:
            return keyword, encode(value)
        prints = [self.fingerprint(Fact(fact.side, fact.pointer + pointer_to(*each))) for each in steps]
        return keyword, frozenset(zip(steps, prints, strict=True))

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
        if keyword == "$ref":
            return self._alike(Fact(one.side, target(first)), Fact(other.side, target(second)), assumed)
        steps, others = _steps_within(keyword, first), _steps_within(keyword, second)
        if steps is None or others is None:
            return encode(first) == encode(second)
        return set(steps) == set(others) and all(
            self._alike(Fact(one.side, one.pointer + each), Fact(other.side, other.pointer + each), assumed)
            for each in (pointer_to(*each) for each in steps)
        )


def _steps_within(keyword: str, value: Json) -> list[Steps] | None:
    """The steps to each schema under a keyword; None where it holds none."""
    if keyword in ONE:
        return [(keyword,)]
    if keyword in MANY:
        return [(keyword, number) for number in range(len(value))]
    if keyword in NAMED:
        return [(keyword, name) for name in value]
    return None
