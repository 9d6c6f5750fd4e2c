"""A schema reduced to what it asserts, with every reference resolved: what all else in this room works on.

Each schema stays where it was, so that pointers into the outline are pointers into what the author wrote. Without
identifiers and annotations nothing is left in it that could lead anywhere else.
"""

from typing import Final
from urllib.parse import quote, unquote

from msgspec import Struct

from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.keywords import (
    ASSERTIONS,
    DIALECT,
    MANY,
    NAMED,
    ONE,
    REFERENCES,
    REFUSED,
    inner,
)
from llmgw.user_schemas.references import References

SUBSCHEMAS_MAX: Final = 2000
VIOLATIONS_MAX: Final = 50
"""So many things wrong with one schema or document are told."""


class Outline(Struct, frozen=True):
    """What a schema asserts: the `document`, and every schema in it by the pointer to it."""

    document: Json
    schemas: dict[str, Json]


def outlined(document: dict[str, Json]) -> Outline:
    """Outline a schema that has the form of one.

    Raises:
        SchemaRejected: it is of another draft, too large, or refers to what is not in it.
    """
    problems, count = _examined(document)
    if count > SUBSCHEMAS_MAX:
        message = f"there are {count} schemas in it; the most are {SUBSCHEMAS_MAX}"
        raise SchemaRejected(message, [Violation(rule="schema.size", pointer="", message=message)])
    if not problems:
        references = References(document)
        problems = references.problems
    if problems:
        raise SchemaRejected("the schema cannot be registered", problems[:VIOLATIONS_MAX])
    schemas: dict[str, Json] = {}
    return Outline(_reduced(document, "", references.targets, schemas), schemas)


def target(reference: str) -> str:
    """The pointer to which a reference in an outline leads."""
    return unquote(reference[1:])


def foreign(schema: dict[str, Json], pointer: str) -> Violation | None:
    """Say so if a schema declares that it is of another draft."""
    if schema.get("$schema", DIALECT) in (DIALECT, f"{DIALECT}#"):
        return None
    message = f"only schemas of draft 2020-12 are understood: {DIALECT}"
    return Violation(rule="schema.dialect", pointer=f"{pointer}/$schema", message=message)


def _examined(document: dict[str, Json]) -> tuple[list[Violation], int]:
    """Look for keywords of other drafts, and count the schemas."""
    problems: list[Violation] = []
    waiting: list[tuple[str, Json]] = [("", document)]
    count = 0
    while waiting:
        pointer, schema = waiting.pop()
        count += 1
        if isinstance(schema, bool):
            continue
        if problem := foreign(schema, pointer):
            problems.append(problem)
        problems += (
            Violation(
                rule="schema.dialect", pointer=f"{pointer}/{keyword}", message=f"{keyword} {REFUSED[keyword]}"
            )
            for keyword in REFUSED.keys() & schema.keys()
        )
        waiting += ((pointer + pointer_to(*steps), each) for steps, each in inner(schema))
    return problems, count


def _reduced(schema: Json, pointer: str, targets: dict[str, str], found: dict[str, Json]) -> Json:
    """Leave out what asserts nothing, and write references as plain pointers."""
    if isinstance(schema, bool):
        found[pointer] = schema
        return schema
    reduced: dict[str, Json] = {}
    found[pointer] = reduced
    for keyword, value in schema.items():
        at = pointer + pointer_to(keyword)
        if keyword in ONE:
            reduced[keyword] = _reduced(value, at, targets, found)
        elif keyword in MANY:
            reduced[keyword] = [
                _reduced(each, f"{at}/{number}", targets, found) for number, each in enumerate(value)
            ]
        elif keyword in NAMED:
            reduced[keyword] = {
                name: _reduced(each, at + pointer_to(name), targets, found) for name, each in value.items()
            }
        elif keyword in REFERENCES:
            reduced["$ref"] = "#" + quote(targets[pointer], safe="/$~")
        elif keyword in ASSERTIONS:
            reduced[keyword] = value
    return reduced
