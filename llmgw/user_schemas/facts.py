"""What is known of each document that fits certain schemas at once: no more than these schemas say.

A fact is a schema that is known to hold for a value; several facts hold together. All here errs on one side: what
is said holds for each such value, and what cannot be read off is not said.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from llmgw.types.json import Json
from llmgw.types.violation import pointer_to
from llmgw.user_schemas.outline import Outline, target
from llmgw.user_schemas.patterns import matcher

TYPES: Final = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
"""Each value is of one of them; `number` is two: JSON Schema takes 1.0 for an integer, and 1.5 for none."""
_NUMBER: Final = frozenset({"integer", "fraction"})
_GLANCE: Final = 0.03
"""The effort of looking at one schema, or matching one name."""
_VALUE: Final = 0.005
"""The effort of looking at one value, or one name."""
_LOOKING: Final = frozenset({"additionalProperties", "patternProperties", "unevaluatedProperties"})
"""Keywords that look at members which are not named."""
_FORMS: Final = ("anyOf", "oneOf")
_BRANCHES: Final = ("if", "then", "else")


class Fact(NamedTuple):
    """A schema that holds: which document it is in, and where; `said` is one that is in none."""

    side: int
    pointer: str
    said: tuple[str, ...] = ()


Facts: TypeAlias = tuple[Fact, ...]


class GivenUp(Exception):
    """The comparison has taken as long as it may."""


class Reader:
    """Reads facts out of two schemas, the old and the new one, for as long as its effort lasts."""

    def __init__(self, outlines: Sequence[Outline], effort: float) -> None:
        self._schemas = [outline.schemas for outline in outlines]
        self._left = effort
        self._types: dict[Facts, frozenset[str]] = {}
        self._applying: dict[Fact, list[Fact]] = {}
        self._inner: dict[tuple[Fact, str], list[Fact]] = {}
        self._cases: dict[Facts, list[list[Facts | None]]] = {}

    def spend(self, effort: float) -> None:
        """Note that something took effort: of the unit a second has some twenty thousand.

        Raises:
            GivenUp: it was too much.
        """
        self._left -= effort
        if self._left < 0:
            raise GivenUp

    def schema(self, fact: Fact) -> Any:
        """The schema that holds."""
        return {fact.said[0]: fact.said[1]} if fact.said else self._schemas[fact.side][fact.pointer]

    def all(self, facts: Iterable[Fact]) -> Facts | None:
        """All that holds where these do, through references and `allOf`; None where nothing can fit."""
        found: dict[Fact, None] = {}
        waiting = list(facts)
        while waiting:
            fact = waiting.pop()
            schema = self.schema(fact)
            self.spend(_GLANCE)
            if schema is False:
                return None
            if schema is True or not schema or fact in found:
                continue
            if "$ref" in schema:
                waiting.append(Fact(fact.side, target(schema["$ref"])))
            if schema.keys() == {"$ref"}:
                continue
            found[fact] = None
            if "allOf" in schema:
                waiting += self.within(fact, "allOf")
        kept = tuple(sorted(found))
        return None if not self.types(kept) else kept

    def within(self, fact: Fact, keyword: str) -> list[Fact]:
        """The schemas that stand under a keyword that holds several."""
        known = self._inner.get((fact, keyword))
        if known is None:
            value = self.schema(fact).get(keyword, ())
            steps = range(len(value)) if isinstance(value, list) else value
            self.spend(_VALUE * len(value))
            known = self._inner[fact, keyword] = [
                Fact(fact.side, f"{fact.pointer}/{keyword}{pointer_to(step)}") for step in steps
            ]
        return known

    def led(self, fact: Fact) -> Fact:
        """The schema itself where one is nothing but a reference to it."""
        schema = self.schema(fact)
        while not isinstance(schema, bool) and schema.keys() == {"$ref"}:
            fact = Fact(fact.side, target(schema["$ref"]))
            schema = self.schema(fact)
        return fact

    def types(self, facts: Facts) -> frozenset[str]:
        """The types a value may be of."""
        known = self._types.get(facts)
        if known is None:
            known = self._types[facts] = self._types_of(facts)
        return known

    def _types_of(self, facts: Facts) -> frozenset[str]:
        types = TYPES
        self.spend(_GLANCE * len(facts))
        for fact in facts:
            schema = self.schema(fact)
            if "type" in schema:
                types &= types_named(schema["type"])
            if "const" in schema:
                types &= {type_of(schema["const"])}
            if "enum" in schema:
                self.spend(_VALUE * len(schema["enum"]))
                types &= frozenset(map(type_of, schema["enum"]))
            for keyword in _FORMS:
                if keyword in schema:
                    self.spend(_GLANCE * len(schema[keyword]))
                    types &= frozenset().union(
                        *(self._types_here(each) for each in self.within(fact, keyword))
                    )
        return types

    def _types_here(self, fact: Fact) -> frozenset[str]:
        schema = self.schema(fact)
        if isinstance(schema, bool):
            return TYPES if schema else frozenset()
        return types_named(schema["type"]) if "type" in schema else TYPES

    def values(self, facts: Facts) -> list[Json] | None:
        """All values there can be; None where they are not listed."""
        types = self.types(facts)
        listed: list[Json] | None = [None, True, False] if types <= {"null", "boolean"} else None
        for fact in facts:
            schema = self.schema(fact)
            if "const" in schema:
                listed = [schema["const"]]
            elif "enum" in schema and listed is None:
                listed = schema["enum"]
        self.spend(_VALUE * len(listed or ()))
        return None if listed is None else [value for value in listed if type_of(value) in types]

    def stated(self, facts: Facts, keyword: str) -> list[Json]:
        """What the facts say by one keyword."""
        self.spend(_GLANCE * len(facts))
        return [schema[keyword] for schema in map(self.schema, facts) if keyword in schema]

    def required(self, facts: Facts) -> frozenset[str]:
        """The members that each object has."""
        return frozenset().union(*self.stated(facts, "required"))

    def most_items(self, facts: Facts) -> float:
        """How many items there can be."""
        closed = [
            len(schema.get("prefixItems", ()))
            for schema in map(self.schema, facts)
            if schema.get("items") is False
        ]
        return min([*self.stated(facts, "maxItems"), *closed], default=float("inf"))

    def named(self, facts: Facts) -> list[str]:
        """The members that any fact names."""
        names = dict.fromkeys(name for listed in self.stated(facts, "properties") for name in listed)
        for fact in facts:
            if "unevaluatedProperties" in self.schema(fact):
                names |= dict.fromkeys(sorted(self._reach(fact) or ()))
        names |= dict.fromkeys(self.only_names(facts) or ())
        self.spend(_VALUE * len(names))
        return list(names)

    def only_names(self, facts: Facts) -> list[str] | None:
        """The only names that members can have; None where they are not listed."""
        for fact in facts:
            schema = self.schema(fact)
            if "patternProperties" in schema:
                continue
            rest = "additionalProperties" if "additionalProperties" in schema else "unevaluatedProperties"
            if schema.get(rest) is not False:
                continue
            names = (
                self._reach(fact) if rest == "unevaluatedProperties" else set(schema.get("properties", ()))
            )
            if names is not None:
                return sorted(names)
        found = self.all(self.naming(facts))
        values = [] if found is None else self.values(found)
        return None if values is None else [value for value in values if isinstance(value, str)]

    def naming(self, facts: Facts) -> list[Fact]:
        """What holds for the names of members."""
        named = [fact for fact in facts if "propertyNames" in self.schema(fact)]
        return [
            Fact(0, "", ("type", "string")),
            *(Fact(fact.side, f"{fact.pointer}/propertyNames") for fact in named),
        ]

    def member(self, facts: Facts, name: str) -> list[Fact]:
        """What holds for the member of a name, where there is one."""
        return [each for fact in facts for each in self._member(fact, name)]

    def _member(self, fact: Fact, name: str) -> Iterator[Fact]:
        schema = self.schema(fact)
        self.spend(_GLANCE * (1 + len(schema.get("patternProperties", ()))))
        known = False
        if name in schema.get("properties", ()):
            known = True
            yield Fact(fact.side, f"{fact.pointer}/properties{pointer_to(name)}")
        for pattern in schema.get("patternProperties", ()):
            if matcher(pattern).is_valid(name):
                known = True
                yield Fact(fact.side, f"{fact.pointer}/patternProperties{pointer_to(pattern)}")
        if not known and "additionalProperties" in schema:
            yield Fact(fact.side, f"{fact.pointer}/additionalProperties")
        elif "unevaluatedProperties" in schema and not self._may_look_at(fact, name):
            yield Fact(fact.side, f"{fact.pointer}/unevaluatedProperties")

    def _may_look_at(self, fact: Fact, name: str, *, itself: bool = True) -> bool:
        """Whether a schema, or one that it applies to the same object, may look at a member."""
        schema = self.schema(fact)
        if isinstance(schema, bool):
            return False
        self.spend(_GLANCE * (1 + len(schema.get("patternProperties", ()))))
        others = {"additionalProperties"} if itself else {"additionalProperties", "unevaluatedProperties"}
        return (
            bool(others & schema.keys())
            or name in schema.get("properties", ())
            or any(matcher(pattern).is_valid(name) for pattern in schema.get("patternProperties", ()))
            or any(self._may_look_at(each, name, itself=False) for each in self._applied(fact))
        )

    def _reach(self, fact: Fact) -> set[str] | None:
        """The names of members at which a schema may look, and those it applies; None where it may be any."""
        schema = self.schema(fact)
        self.spend(_GLANCE)
        names: set[str] = set() if isinstance(schema, bool) else set(schema.get("properties", ()))
        for each in () if isinstance(schema, bool) else self._applied(fact):
            applied = self.schema(each)
            within = (
                None if not isinstance(applied, bool) and _LOOKING & applied.keys() else self._reach(each)
            )
            if within is None:
                return None
            names |= within
        return names

    def _applied(self, fact: Fact) -> list[Fact]:
        """Whatever a schema may apply to the same value."""
        known = self._applying.get(fact)
        if known is None:
            known = self._applying[fact] = list(self._applied_by(fact))
        return known

    def _applied_by(self, fact: Fact) -> Iterator[Fact]:
        schema = self.schema(fact)
        if "$ref" in schema:
            yield Fact(fact.side, target(schema["$ref"]))
        for keyword in ("allOf", *_FORMS, "dependentSchemas"):
            yield from self.within(fact, keyword)
        yield from (Fact(fact.side, f"{fact.pointer}/{branch}") for branch in _BRANCHES if branch in schema)

    def unnamed(self, fact: Fact, besides: Iterable[str] = ()) -> list[Fact | None]:
        """For a member that no fact names: schemas of which one holds for it; None is one that says nothing.

        It matches none of the patterns `besides`.
        """
        schema = self.schema(fact)
        found: list[Fact | None] = [
            Fact(fact.side, f"{fact.pointer}/patternProperties{pointer_to(pattern)}")
            for pattern in schema.get("patternProperties", ())
            if pattern not in besides
        ]
        keyword = "additionalProperties"
        # No fact names the member, and so nothing within reach that only looks at named ones has looked at it.
        if keyword not in schema and "unevaluatedProperties" in schema and self._reach(fact) is not None:
            keyword = "unevaluatedProperties"
        return [*found, Fact(fact.side, f"{fact.pointer}/{keyword}") if keyword in schema else None]

    def looked_at(self, fact: Fact) -> tuple[set[str], list[str]] | None:
        """The names and patterns of members at which a schema looks whenever it holds; None if at all of them."""
        names: set[str] = set()
        patterns: list[str] = []
        for each in self.all([fact]) or ():
            schema = self.schema(each)
            others = (
                {"additionalProperties"}
                if each == fact
                else {"additionalProperties", "unevaluatedProperties"}
            )
            if others & schema.keys():
                return None
            names |= schema.get("properties", {}).keys()
            patterns += schema.get("patternProperties", ())
        return names, patterns

    def item(self, facts: Facts, number: float) -> list[Fact]:
        """What holds for the item of a number, where there is one."""
        found: list[Fact] = []
        for fact in facts:
            schema = self.schema(fact)
            if number < len(schema.get("prefixItems", ())):
                found.append(Fact(fact.side, f"{fact.pointer}/prefixItems/{number}"))
            elif "items" in schema:
                found.append(Fact(fact.side, f"{fact.pointer}/items"))
            elif "unevaluatedItems" in schema and not any(self._looks_at_items(fact, schema)):
                found.append(Fact(fact.side, f"{fact.pointer}/unevaluatedItems"))
        return found

    def _looks_at_items(self, fact: Fact, schema: dict[str, Json]) -> Iterator[bool]:
        yield "contains" in schema
        yield bool(self._applied(fact))

    def prefix(self, facts: Facts) -> int:
        """From which item on all facts say the same of each."""
        return max(map(len, self.stated(facts, "prefixItems")), default=0)

    def cases(self, facts: Facts) -> list[list[Facts | None]]:
        """Ways to tell cases apart, all known facts included: of each list one holds; None is one that cannot be.

        In each case more is known than now.
        """
        known = self._cases.get(facts)
        if known is None:
            told = ([self.all([*facts, *case]) for case in cases] for cases in self._told_apart(facts))
            known = self._cases[facts] = [cases for cases in told if facts not in cases]
        return known

    def _told_apart(self, facts: Facts) -> Iterator[list[list[Fact]]]:
        for fact in facts:
            schema = self.schema(fact)
            for keyword in _FORMS:
                if keyword in schema:
                    yield [[each] for each in self.within(fact, keyword)]
            if "if" in schema and {"then", "else"} & schema.keys():
                then, otherwise = (
                    [Fact(fact.side, f"{fact.pointer}/{each}")] if each in schema else []
                    for each in ("then", "else")
                )
                yield [[Fact(fact.side, f"{fact.pointer}/if"), *then], otherwise]
        types = self.types(facts)
        names = sorted(types - _NUMBER | {"number"} if "fraction" in types else types)
        if len(names) > 1 and types < TYPES:
            yield [[Fact(0, "", ("type", name))] for name in names]


def types_named(named: str | list[str]) -> frozenset[str]:
    """The types that the value of `type` allows."""
    names = frozenset([named] if isinstance(named, str) else named)
    return names - {"number"} | _NUMBER if "number" in names else names


def type_of(value: Json) -> str:
    """The one type a value is of."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "fraction"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
