"""Why a document does not fit its schema, place by place.

jsonschema-rs says quickly whether a document fits, but puts no bounds on saying why: it collects every error before
it tells the first, 6 µs each, and of alternatives within alternatives twice as many on each level. So this walks
through schema and document by itself, lazily, and stops after so many violations or so much work. Single assertions
it leaves to jsonschema-rs, so that both are of one mind and no pattern meets an engine that backtracks.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import ClassVar, Final, TypeAlias

from jsonschema_rs import Draft202012Validator
from msgspec import Struct

from llmgw.types.json import Json
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.keywords import ASSERTIONS, Steps
from llmgw.user_schemas.measures import measured
from llmgw.user_schemas.outline import VIOLATIONS_MAX, Outline, target
from llmgw.user_schemas.patterns import ENGINE, matcher, program
from llmgw.user_schemas.wording import violation
from llmgw.user_schemas.work import assertion_steps

VISITS_MAX: Final = 25_000
"""Schemas that are applied to places of a document before the explanation ends: about 0.1 s."""

_STEPS: Final = 200
"""Steps of jsonschema-rs that take as long as one visit here: 2 µs."""
_MATCHING: Final = 20
"""KiB of programs times characters that take as long as one visit."""
_GLANCE: Final = 0.3
"""Visits that a look at one member's name takes, or coming by again."""
_CHECKS_MAX: Final = 256
_TRIED: Final = 10
"""Violations of one alternative that are looked at."""
_TELLING: Final = frozenset({"schema.const", "schema.enum"})
_UNKNOWN: Final = object()
_COUNTED: Final = frozenset({"minContains", "maxContains"})
_Found: TypeAlias = Iterator[Violation]


class _Exhausted(Exception):
    """The explanation has taken as long as it may."""


class _Cost(Struct, frozen=True, gc=False):
    """What one schema costs by itself: steps, and KiB of programs for texts and for the names of members."""

    steps: int
    texts: int
    names: int


class Explanation:
    """Explains documents that do not fit the schema of one outline; remembers the checks it has made for it."""

    def __init__(self, outline: Outline) -> None:
        self.schemas = outline.schemas
        self._checks: dict[tuple[str, str], Draft202012Validator] = {}
        self._costs: dict[str, _Cost] = {}

    def of(self, value: Json) -> tuple[Violation, ...]:
        """Say what keeps a document from fitting: at least one violation, and `VIOLATIONS_MAX` at most."""
        found: dict[Violation, None] = {}
        try:
            for each in Walk(self).through("", value, ()):
                found[each] = None
                if len(found) == VIOLATIONS_MAX:
                    break
        except (_Exhausted, RecursionError):
            more = " in more places than are told" if found else ", and to find out where would take too long"
            message = f"the document does not fit its schema{more}"
            found[Violation(rule="schema", pointer="", message=message, schema_pointer="")] = None
        return tuple(found)

    def holds(self, pointer: str, keyword: str, value: Json) -> bool:
        """Whether one assertion of the schema at a pointer holds for a value."""
        check = self._checks.get((pointer, keyword))
        if check is None:
            if len(self._checks) >= _CHECKS_MAX:
                self._checks.clear()
            schema = {keyword: self.schemas[pointer][keyword]}
            check = self._checks[pointer, keyword] = Draft202012Validator(schema, pattern_options=ENGINE)
        return check.is_valid(value)

    def cost(self, pointer: str) -> _Cost:
        """What the schema at a pointer costs without those in it."""
        cost = self._costs.get(pointer)
        if cost is None:
            schema = self.schemas[pointer]
            names = sum(program(pattern) or 0 for pattern in schema.get("patternProperties", ()))
            text = (program(schema["pattern"]) or 0) if "pattern" in schema else 0
            cost = self._costs[pointer] = _Cost(assertion_steps(schema), text, names)
        return cost


class Walk:
    """One walk through a document, as long as its visits last."""

    def __init__(self, explanation: Explanation, visits: int = VISITS_MAX) -> None:
        self._explanation = explanation
        self._schemas = explanation.schemas
        self._left: float = visits
        self._known: dict[tuple[str, Steps, int], Violation | None] = {}

    def through(self, pointer: str, value: Json, at: Steps) -> _Found:
        """Look at the value at one place with the schema at a pointer.

        Who comes by again is told the first violation only: else schemas that refer to themselves twice would have
        each place looked at twice as often as the one above it.
        """
        # A member and its name are at one place, and two values.
        visit = (pointer, at, id(value))
        known = self._known.get(visit, _UNKNOWN)
        if known is _UNKNOWN:
            first: Violation | None = None
            for found in self._anew(pointer, value, at):
                if first is None:
                    first = self._known[visit] = found
                yield found
            self._known[visit] = first
            return
        self._spend(_GLANCE)
        if isinstance(known, Violation):
            yield known

    def verdict(self, pointer: str, value: Json) -> bool | None:
        """Whether a value fits the schema at a pointer; None where that would take too long to find out.

        The value must live as long as the walk.
        """
        try:
            return self.fits(pointer, value, ())
        except (_Exhausted, RecursionError):
            return None

    def fits(self, pointer: str, value: Json, at: Steps) -> bool:
        """Whether the value at a place fits the schema at a pointer."""
        return next(self.through(pointer, value, at), None) is None

    def _anew(self, pointer: str, value: Json, at: Steps) -> _Found:
        schema = self._schemas[pointer]
        if isinstance(schema, bool):
            self._spend(1)
            if not schema:
                yield violation(pointer, "false", None, value, at)
            return
        cost = self._explanation.cost(pointer)
        steps = cost.steps * (measured(value, 0).places if isinstance(value, int) else 1)
        matching = cost.texts * len(value) if isinstance(value, str) else 0
        self._spend(1 + steps // _STEPS + matching // _MATCHING)
        for keyword in schema:
            if keyword in ASSERTIONS:
                yield from self._assertion(pointer, keyword, value, at)
        for walk in dict.fromkeys(self._WALKS[keyword] for keyword in schema if keyword in self._WALKS):
            yield from walk(self, pointer, schema, value, at)

    def _spend(self, visits: float) -> None:
        self._left -= visits
        if self._left < 0:
            raise _Exhausted

    def _assertion(self, pointer: str, keyword: str, value: Json, at: Steps) -> _Found:
        # How many items `contains` may find is looked at where they are looked for.
        if keyword in _COUNTED or self._explanation.holds(pointer, keyword, value):
            return
        expected = self._schemas[pointer][keyword]
        if keyword == "required":
            for name in expected:
                if name not in value:
                    yield violation(pointer, keyword, name, value, at)
        else:
            yield violation(pointer, keyword, expected, value, at)

    def _referred(self, _: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        return self.through(target(schema["$ref"]), value, at)

    def _all_of(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        for number in range(len(schema["allOf"])):
            yield from self.through(f"{pointer}/allOf/{number}", value, at)

    def _any_of(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        forms: list[list[Violation]] = []
        for number in range(len(schema["anyOf"])):
            forms.append(self._failures(f"{pointer}/anyOf/{number}", value, at))
            if not forms[-1]:
                return
        yield from _meant(forms, at) or [violation(pointer, "anyOf", None, value, at)]

    def _one_of(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        forms = [
            self._failures(f"{pointer}/oneOf/{number}", value, at) for number in range(len(schema["oneOf"]))
        ]
        fitting = forms.count([])
        if fitting != 1:
            meant = _meant(forms, at) if fitting == 0 else []
            yield from meant or [violation(pointer, "oneOf", fitting, value, at)]

    def _failures(self, pointer: str, value: Json, at: Steps) -> list[Violation]:
        """Some of what is wrong with a value as one form of several."""
        return list(islice(self.through(pointer, value, at), _TRIED))

    def _negated(self, pointer: str, _: dict[str, Json], value: Json, at: Steps) -> _Found:
        if self.fits(f"{pointer}/not", value, at):
            yield violation(pointer, "not", None, value, at)

    def _conditional(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        branch = "then" if self.fits(f"{pointer}/if", value, at) else "else"
        if branch in schema:
            yield from self.through(f"{pointer}/{branch}", value, at)

    def _dependent(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        for name in schema["dependentSchemas"]:
            if isinstance(value, dict) and name in value:
                yield from self.through(f"{pointer}/dependentSchemas" + pointer_to(name), value, at)

    def _members(self, pointer: str, _: dict[str, Json], value: Json, at: Steps) -> _Found:
        for name, each in value.items() if isinstance(value, dict) else ():
            for schema in self._of_member(pointer, name):
                yield from self.through(schema, each, (*at, name))

    def _of_member(self, pointer: str, name: str) -> list[str]:
        """The schemas of an object that its member of this name must fit."""
        schema = self._schemas[pointer]
        self._spend(_GLANCE + self._explanation.cost(pointer).names * len(name) // _MATCHING)
        found = [
            f"{pointer}/patternProperties" + pointer_to(pattern)
            for pattern in schema.get("patternProperties", ())
            if matcher(pattern).is_valid(name)
        ]
        if name in schema.get("properties", ()):
            found.append(f"{pointer}/properties" + pointer_to(name))
        if not found and "additionalProperties" in schema:
            found.append(f"{pointer}/additionalProperties")
        return found

    def _names(self, pointer: str, _: dict[str, Json], value: Json, at: Steps) -> _Found:
        for name in value if isinstance(value, dict) else ():
            yield from self.through(f"{pointer}/propertyNames", name, (*at, name))

    def _items(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        if not isinstance(value, list):
            return
        first = len(schema.get("prefixItems", ()))
        for number, each in enumerate(value[:first]):
            yield from self.through(f"{pointer}/prefixItems/{number}", each, (*at, number))
        if "items" in schema:
            for number, each in enumerate(value[first:], first):
                yield from self.through(f"{pointer}/items", each, (*at, number))

    def _contained(self, pointer: str, schema: dict[str, Json], value: Json, at: Steps) -> _Found:
        if not isinstance(value, list):
            return
        found = sum(
            self.fits(f"{pointer}/contains", each, (*at, number)) for number, each in enumerate(value)
        )
        least, most = schema.get("minContains", 1), schema.get("maxContains", found)
        if found < least:
            yield violation(
                pointer, "minContains" if "minContains" in schema else "contains", least, value, at
            )
        elif found > most:
            yield violation(pointer, "maxContains", most, value, at)

    def _other_members(self, pointer: str, _: dict[str, Json], value: Json, at: Steps) -> _Found:
        if isinstance(value, dict):
            seen = set(self._seen(pointer, value, at, itself=False))
            for name, each in value.items():
                if name not in seen:
                    yield from self.through(f"{pointer}/unevaluatedProperties", each, (*at, name))

    def _other_items(self, pointer: str, _: dict[str, Json], value: Json, at: Steps) -> _Found:
        if isinstance(value, list):
            seen = set(self._seen(pointer, value, at, itself=False))
            for number, each in enumerate(value):
                if number not in seen:
                    yield from self.through(f"{pointer}/unevaluatedItems", each, (*at, number))

    def _seen(self, pointer: str, value: Json, at: Steps, *, itself: bool = True) -> Iterator[str | int]:
        """The members or items at which a schema looks, and the schemas that it applies to the same place.

        Without `itself` what its `unevaluatedProperties` and `unevaluatedItems` look at is left out.
        """
        schema = self._schemas[pointer]
        if isinstance(schema, bool) or (itself and not self.fits(pointer, value, at)):
            return
        yield from self._seen_directly(pointer, value, at, itself=itself)
        for each in self._applied(pointer, value, at):
            yield from self._seen(each, value, at)

    def _seen_directly(self, pointer: str, value: Json, at: Steps, *, itself: bool) -> Iterable[str | int]:
        schema = self._schemas[pointer]
        if isinstance(value, dict):
            if itself and "unevaluatedProperties" in schema:
                return value
            return [name for name in value if self._of_member(pointer, name)]
        if "items" in schema or (itself and "unevaluatedItems" in schema):
            return range(len(value))
        held = [
            number
            for number, each in enumerate(value)
            if "contains" in schema and self.fits(f"{pointer}/contains", each, (*at, number))
        ]
        return [*range(len(schema.get("prefixItems", ()))), *held]

    def _applied(self, pointer: str, value: Json, at: Steps) -> Iterator[str]:
        """The schemas within a schema that apply to the same value."""
        schema = self._schemas[pointer]
        if "$ref" in schema:
            yield target(schema["$ref"])
        for keyword in ("allOf", "anyOf", "oneOf"):
            yield from (f"{pointer}/{keyword}/{number}" for number in range(len(schema.get(keyword, ()))))
        if "if" in schema:
            branch = "then" if self.fits(f"{pointer}/if", value, at) else "else"
            yield from (f"{pointer}/{each}" for each in ("if", branch) if each in schema)
        if isinstance(value, dict):
            for name in schema.get("dependentSchemas", ()):
                if name in value:
                    yield f"{pointer}/dependentSchemas" + pointer_to(name)

    _WALKS: ClassVar[dict[str, Callable[["Walk", str, dict[str, Json], Json, Steps], _Found]]] = {
        "$ref": _referred,
        "allOf": _all_of,
        "anyOf": _any_of,
        "oneOf": _one_of,
        "not": _negated,
        "if": _conditional,
        "dependentSchemas": _dependent,
        "properties": _members,
        "patternProperties": _members,
        "additionalProperties": _members,
        "propertyNames": _names,
        "prefixItems": _items,
        "items": _items,
        "contains": _contained,
        "unevaluatedProperties": _other_members,
        "unevaluatedItems": _other_items,
    }
    """How each keyword that holds schemas is walked through."""


def _meant(forms: list[list[Violation]], at: Steps) -> list[Violation]:
    """What is wrong with the only form that was meant, where the value shows which that is."""
    meant = [form for form in forms if not any(_is_of_another_form(found, at) for found in form)]
    return meant[0] if len(meant) == 1 else []


def _is_of_another_form(found: Violation, at: Steps) -> bool:
    """Whether a value is of another type than a form wants, or another kind by a member that tells forms apart."""
    below = found.pointer.count("/") - len(at)
    return (found.rule == "schema.type" and below == 0) or (found.rule in _TELLING and below <= 1)
