"""Whether each document that fits the old schema fits the new one: proven from the two, or not taken for granted.

Each keyword of the new schema must follow from what the old one says of the same place. What does not is told; what
cannot be proven counts as what does not follow. Where a schema comes round to itself, what is being proven may be
relied on: the way round leads into the document, and documents are finite.
"""

import math
from collections.abc import Iterable
from typing import Final

from llmgw.types.json import Json
from llmgw.types.violation import Violation
from llmgw.user_schemas.compatibility_checks import CHECKS, problem
from llmgw.user_schemas.compiled import CompiledSchema
from llmgw.user_schemas.equality import Equality
from llmgw.user_schemas.explanation import Walk
from llmgw.user_schemas.facts import Fact, Facts, GivenUp, Reader, type_of, types_named
from llmgw.user_schemas.keywords import ABOUT
from llmgw.user_schemas.outline import VIOLATIONS_MAX
from llmgw.user_schemas.wording import told

EFFORT_MAX: Final = 2500.0
"""What a comparison may take before it is given up: less than 0.1 s."""
VISITS_MAX: Final = 20_000
"""Schemas that are applied to values the schemas list."""

_PROOF: Final = 0.4
_NONE: Final = object()


def incompatibilities(old: CompiledSchema, new: CompiledSchema) -> tuple[Violation, ...]:
    """Say why some document that fits `old` may not fit `new`, with pointers into `new`; nothing if each one fits.

    That nothing is said is a proof. That something is said is none: it may be that it only could not be proven.
    """
    try:
        found = _Comparison(old, new).fails((Fact(0, ""),), Fact(1, ""))
    except (GivenUp, RecursionError):
        message = "the schemas are too far apart to prove that documents of the last version fit this one"
        return (Violation(rule="compatibility", pointer="", message=message),)
    return tuple(dict.fromkeys(found))[:VIOLATIONS_MAX]


class _Comparison:
    """Proves that values that fit some schemas fit another one, or says what stands in the way."""

    def __init__(self, old: CompiledSchema, new: CompiledSchema) -> None:
        self._walks = [Walk(each.explanation, VISITS_MAX) for each in (old, new)]
        self.read = Reader((old.outline, new.outline), EFFORT_MAX)
        self.equal = Equality(self.read)
        self.told_apart: dict[tuple[Fact, Fact], bool] = {}
        self.tags: dict[Fact, dict[str, frozenset[Json]]] = {}
        self._known: dict[tuple[Facts, Fact], list[Violation]] = {}
        self._under_way: dict[tuple[Facts, Fact], int] = {}
        self._relied = math.inf
        """The first of the proofs under way that was relied on."""

    def holds(self, facts: Iterable[Fact], goal: Fact) -> bool:
        """Whether each value that fits all facts fits the goal."""
        return not self.fails(facts, goal)

    def fails(self, facts: Iterable[Fact], goal: Fact) -> list[Violation]:
        """What keeps a value that fits all facts from fitting the goal."""
        known = self.read.all(facts)
        goal = self.read.led(goal)
        if known is None or self.read.schema(goal) is True:
            return []
        proof = (known, goal)
        if proof in self._under_way:
            self._relied = min(self._relied, self._under_way[proof])
            return []
        if proof in self._known:
            return self._known[proof]
        self.read.spend(_PROOF)
        place = self._under_way[proof] = len(self._under_way)
        before, self._relied = self._relied, math.inf
        found = self._anew(known, goal)
        del self._under_way[proof]
        # A proof that relies on one that is still under way is good for as long as that one is.
        if found or self._relied >= place:
            self._known[proof] = found
        self._relied = min(before, self._relied if self._relied < place else math.inf)
        return found

    def _anew(self, facts: Facts, goal: Fact) -> list[Violation]:
        schema = self.read.schema(goal)
        if any(self.equal.same(fact, goal) for fact in facts):
            return []
        values = self.read.values(facts)
        if values is not None:
            return self._of_values(values, goal)
        if schema is False:
            return [problem(goal, "", "what fitted here before does not any more")]
        found = [each for keyword in schema for each in self._keyword(facts, goal, keyword)]
        # With a case in which no more is known than now, a proof would rely on itself.
        if found and any(
            all(case is None or self.holds(case, goal) for case in cases) for cases in self.read.cases(facts)
        ):
            return []
        return found

    def _of_values(self, values: list[Json], goal: Fact) -> list[Violation]:
        schema = self.read.schema(goal)
        keyword = next(
            (each for each in ("const", "enum") if isinstance(schema, dict) and each in schema), ""
        )
        unfit = next((value for value in values if not self._surely(goal, value)), _NONE)
        return (
            [] if unfit is _NONE else [problem(goal, keyword, f"{told(unfit)} fitted here, and does not now")]
        )

    def fits(self, goal: Fact, value: Json) -> bool | None:
        """Whether a value fits a schema; None where it takes too long to find out."""
        if goal.said:
            return type_of(value) in self.read.types((goal,))
        return self._walks[goal.side].verdict(goal.pointer, value)

    def _surely(self, goal: Fact, value: Json) -> bool:
        fits = self.fits(goal, value)
        if fits is None:
            raise GivenUp
        return fits

    def _keyword(self, facts: Facts, goal: Fact, keyword: str) -> Iterable[Violation]:
        about = ABOUT.get(keyword)
        if keyword not in CHECKS or (about and not self.read.types(facts) & types_named(list(about))):
            return ()
        return CHECKS[keyword](self, facts, goal, keyword)
