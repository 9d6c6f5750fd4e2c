"""How much work a schema can make of a document, found without a document: so that no schema is a bomb.

A validator looks at every place of a document with every schema that leads there. What is counted here is how many
of them there can be at one place at most, with each reference replaced by what it leads to, as validators do; a
schema that comes round to itself is counted once, since jsonschema-rs keeps what it found for each place. The unit
is a step: about 10 ns there.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.keywords import MANY
from llmgw.user_schemas.measures import Measure, measured
from llmgw.user_schemas.outline import Outline, target

INLINED_MAX: Final = 10_000
"""Schemas within a schema once every reference is replaced by what it leads to."""
PATH_MAX: Final = 128
"""Schemas in each other, through references too."""
STEPS_MAX: Final = 20_000
"""Steps at one place of a document: 0.2 ms."""
DOCUMENT_STEPS_MAX: Final = 10_000_000
"""Steps for a whole document: 0.1 s."""
MATCHING_MAX: Final = 2_000_000
"""KiB of programs times characters they are matched with: 0.1 s, and for the worst known patterns 0.3 s."""

_MEMBERS: Final = frozenset({"additionalProperties", "patternProperties", "properties", "propertyNames"})
_ITEMS: Final = frozenset({"contains", "items", "prefixItems"})
_DEPTH: Final = 64
"""Deeper no document is."""
_WORD: Final = 64
_LOOK = 1
_REFERENCE = 3
_FLOAT = 100
_COMPOUND = 10
_BOUND = 40
_MULTIPLE = 20
_FRACTION = 400
_HASH = 7
_AGAIN = 3
"""How often what lies under `unevaluatedProperties` is looked at: once, and to find out what it has looked at."""


class Work(Struct, frozen=True, gc=False):
    """The most that is done at one place of a document: steps, and KiB of programs for each character there."""

    steps: int
    programs: int

    def too_much(self, size: Measure) -> bool:
        """Whether a document of this size is more than is worth its time."""
        return self.steps * size.places > DOCUMENT_STEPS_MAX or self.programs * size.characters > MATCHING_MAX


class _Layers:
    """What is done at a place, in what lies directly in it, and so on downwards; `beneath` is done everywhere."""

    __slots__ = ("beneath", "programs", "steps")

    def __init__(self, steps: int) -> None:
        self.steps = [steps]
        self.programs = [0]
        self.beneath = 0

    def add(self, other: "_Layers", down: int = 0) -> None:
        """Do both, the other one so many levels further down."""
        self._deepen(len(other.steps) + down)
        for level, (steps, programs) in enumerate(zip(other.steps, other.programs, strict=True), down):
            self.steps[level] += steps
            self.programs[level] += programs
        self.beneath += other.beneath

    def either(self, other: "_Layers") -> None:
        """Do one of both."""
        self._deepen(len(other.steps))
        for level, (steps, programs) in enumerate(zip(other.steps, other.programs, strict=True)):
            self.steps[level] = max(self.steps[level], steps)
            self.programs[level] = max(self.programs[level], programs)
        self.beneath = max(self.beneath, other.beneath)

    def repeat(self, times: int) -> None:
        """Do it several times."""
        self.steps = [steps * times for steps in self.steps]
        self.programs = [programs * times for programs in self.programs]
        self.beneath *= times

    def _deepen(self, levels: int) -> None:
        missing = levels - len(self.steps)
        self.steps += [0] * missing
        self.programs += [0] * missing


def work(outline: Outline, programs: dict[str, int]) -> Work:
    """Count the work of a schema.

    Raises:
        SchemaRejected: it never ends, or is out of all proportion.
    """
    counting = _Counting(outline, programs)
    first = counting.layers("")
    steps = max(first.steps) + first.beneath
    matching = max(first.programs)
    # What is recursive begins again at every place above this one.
    for pointer in counting.recursive():
        layers = counting.layers(pointer)
        steps += sum(layers.steps) + layers.beneath * _DEPTH
        matching += sum(layers.programs)
    if steps > STEPS_MAX:
        raise _out_of_proportion("", "it takes too long at each place of a document")
    return Work(steps, matching)


class _Counting:
    """Walks through one schema as a validator would, for the longest time it could."""

    def __init__(self, outline: Outline, programs: dict[str, int]) -> None:
        self._schemas = outline.schemas
        self._programs = programs
        self._inlined = 0
        self._path: dict[str, int] = {}
        """The schemas in which the present one is, and how many levels down in the document each applies."""
        self._recursive: dict[str, None] = {}

    def recursive(self) -> Iterable[str]:
        """Each schema that was found within itself; while they are walked through, more may be found."""
        seen: set[str] = set()
        while missing := self._recursive.keys() - seen:
            seen |= missing
            yield from sorted(missing)

    def layers(self, pointer: str, level: int = 0) -> _Layers:
        """Count one schema that applies so many levels down from where the walk began."""
        self._inlined += 1
        if self._inlined > INLINED_MAX or len(self._path) > PATH_MAX:
            raise _out_of_proportion(
                pointer, "up to here it has grown too large, with each reference replaced"
            )
        schema = self._schemas[pointer]
        if isinstance(schema, bool):
            return _Layers(_LOOK)
        self._path[pointer] = level
        layers = _Layers(_LOOK + assertion_steps(schema))
        if "pattern" in schema:
            layers.programs[0] += self._programs[schema["pattern"]]
        if schema.get("uniqueItems"):
            layers.beneath += _HASH
        self._same_place(schema, pointer, level, layers)
        if _MEMBERS & schema.keys():
            self._members(schema, pointer, level + 1, layers)
        if _ITEMS & schema.keys():
            self._items(schema, pointer, level + 1, layers)
        self._unevaluated(schema, pointer, level + 1, layers)
        del self._path[pointer]
        return layers

    def _same_place(self, schema: dict[str, Json], pointer: str, level: int, layers: _Layers) -> None:
        for keyword in ("not", "if", "then", "else"):
            if keyword in schema:
                layers.add(self.layers(f"{pointer}/{keyword}", level))
        for keyword in MANY - {"prefixItems"}:
            for number in range(len(schema.get(keyword, ()))):
                layers.add(self.layers(f"{pointer}/{keyword}/{number}", level))
        for each in self._named(schema, pointer, "dependentSchemas"):
            layers.add(self.layers(each, level))
        if "$ref" not in schema:
            return
        to = target(schema["$ref"])
        if to not in self._path:
            layers.add(self.layers(to, level))
        elif self._path[to] == level:
            raise SchemaRejected(
                "the schema refers to itself without end",
                [
                    Violation(
                        rule="schema.reference",
                        pointer=f"{pointer}/$ref",
                        message="leads back to itself without going into the document",
                    )
                ],
            )
        else:
            self._recursive[to] = None
            layers.steps[0] += _REFERENCE

    def _members(self, schema: dict[str, Json], pointer: str, level: int, layers: _Layers) -> None:
        known = _Layers(0)
        for each in self._named(schema, pointer, "properties"):
            known.either(self.layers(each, level))
        for each in self._named(schema, pointer, "patternProperties"):
            known.add(self.layers(each, level))
        if "additionalProperties" in schema:
            known.either(self.layers(f"{pointer}/additionalProperties", level))
        if "propertyNames" in schema:
            known.add(self.layers(f"{pointer}/propertyNames", level))
        patterns = schema.get("patternProperties", {})
        # Twice: once for themselves, once to know which members are left for `additionalProperties`.
        known.steps[0] += _LOOK + 2 * _LOOK * len(patterns)
        known.programs[0] += 2 * sum(self._programs[pattern] for pattern in patterns)
        layers.add(known, down=1)

    def _items(self, schema: dict[str, Json], pointer: str, level: int, layers: _Layers) -> None:
        known = _Layers(0)
        for number in range(len(schema.get("prefixItems", ()))):
            known.either(self.layers(f"{pointer}/prefixItems/{number}", level))
        if "items" in schema:
            known.either(self.layers(f"{pointer}/items", level))
        if "contains" in schema:
            known.add(self.layers(f"{pointer}/contains", level))
        layers.add(known, down=1)

    def _unevaluated(self, schema: dict[str, Json], pointer: str, level: int, layers: _Layers) -> None:
        for keyword in ("unevaluatedProperties", "unevaluatedItems"):
            if keyword in schema:
                others = self.layers(f"{pointer}/{keyword}", level)
                # Each member is looked for in every schema that applies to the whole.
                others.steps[0] += layers.steps[0]
                layers.add(others, down=1)
                layers.repeat(_AGAIN)

    @staticmethod
    def _named(schema: dict[str, Json], pointer: str, keyword: str) -> Iterable[str]:
        return (f"{pointer}/{keyword}{pointer_to(name)}" for name in schema.get(keyword, ()))


def assertion_steps(schema: dict[str, Json]) -> int:
    """Count what the assertions of a schema take by themselves."""
    steps = 0
    for keyword, value in schema.items():
        match keyword:
            case "const":
                steps += _comparing(value)
            case "enum":
                plain = all(map(_is_short, value)) or all(type(each) is str for each in value)
                steps += 2 if plain else sum(map(_comparing, value))
            case "multipleOf":
                steps += _MULTIPLE if isinstance(value, int) else _FRACTION
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                steps += 2 if _is_short(value) else max(_BOUND, _comparing(value))
            case "required":
                steps += len(value)
            case "dependentRequired":
                steps += len(value) + sum(map(len, value.values()))
            case "dependentSchemas" | "type" | "minLength" | "maxLength" | "pattern":
                steps += _LOOK
    return steps


def _is_short(literal: Json) -> bool:
    return type(literal) is int and literal.bit_length() <= _WORD


def _comparing(literal: Any) -> int:
    """Steps to find out that a value is not this one."""
    if isinstance(literal, float):
        return _FLOAT
    return _COMPOUND * measured(literal, _DEPTH).places


def _out_of_proportion(pointer: str, message: str) -> SchemaRejected:
    return SchemaRejected(
        f"the schema is out of proportion: {message}",
        [Violation(rule="schema.work", pointer=pointer, message=message)],
    )
