"""The context protocol's own schemas, `schemas/context/1`: whether a document fits, and if not, what is wrong.

Two libraries share the work. jsonschema-rs judges, in microseconds. Where its verdict is no, jsonschema explains:
it finds one mistake after the other and can be stopped, while the other gathers all there are in a large document
before it tells the first.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias, get_args

import jsonschema_rs

from llmgw.types.json import Json, decode
from llmgw.types.violation import Violation

Kind: TypeAlias = Literal[
    "context", "turn", "part", "state", "policy", "report", "record", "problem", "session"
]
"""What a document may be."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FILES: Final = ("context", "turn", "part", "state", "policy", "report", "session", "problem", "common")
"""The files of the protocol, in the order in which one reads them."""

MAX_DEPTH: Final = 64
"""Deepest nesting of a document. jsonschema-rs recurses, and takes the process with it where the stack ends."""
MAX_VIOLATIONS: Final = 100

_URN: Final = "urn:llmgw:context:1:"
_LINEAR: Final = jsonschema_rs.RegexOptions()
"""Patterns are matched in linear time, or refused."""


@cache
def schemas() -> Mapping[str, Json]:
    """Each schema document by its file's name without `.json`, in the order of `FILES`."""
    shipped = files("llmgw").joinpath("_schemas")
    # An installed package brings the schemas along; in a checkout they lie beside the package.
    root = shipped if shipped.is_dir() else Path(__file__).parents[3] / "schemas"
    return {name: decode(root.joinpath("context", "1", f"{name}.json").read_bytes()) for name in FILES}


@cache
def documents() -> Mapping[str, Json]:
    """Each schema document by its URN, with references that mean the same everywhere: none begins with `#`.

    Without `$schema`, at which jsonschema would go back to its own reading of keywords.
    """
    return {schema["$id"]: _whole(schema, schema["$id"]) for schema in schemas().values()}


def fits(kind: Kind, document: Json) -> bool:
    """Whether a JSON value is a document of this kind."""
    return not is_too_deep(document) and judge(_reference_to(kind)).is_valid(document)


def violations(kind: Kind, document: Json) -> tuple[Violation, ...]:
    """Say what keeps a JSON value from being a document of this kind; nothing if it is one.

    At most `MAX_VIOLATIONS`. Each has the pointer into the document, the steps through the schema to the keyword,
    and a message that quotes no value of more than 64 characters.
    """
    if is_too_deep(document):
        return (Violation(rule="schema.depth", pointer="", message=f"nests deeper than {MAX_DEPTH} levels"),)
    if judge(_reference_to(kind)).is_valid(document):
        return ()
    found = tuple(islice(explanations(kind, document), MAX_VIOLATIONS))
    # Both libraries agree, as tests prove; should they ever not, a refusal without a reason is still a refusal.
    return found or (Violation(rule="schema", pointer="", message=f"is no valid {kind}"),)


def explanations(kind: Kind, document: Json) -> Iterator[Violation]:
    """Find what is wrong with a document that nests no deeper than `MAX_DEPTH`, one thing after the other."""
    # Costs a worker nothing that is told no mistakes.
    from llmgw.context.protocol.finding import found  # noqa: PLC0415

    return found(_reference_to(kind), document)


def fetch_nothing(uri: str) -> NoReturn:
    """Refuse to fetch a schema from anywhere, which jsonschema-rs does unasked.

    Raises:
        LookupError: always.
    """
    raise LookupError(f"schemas are not fetched, and {uri} is none of those at hand")


def _reference_to(kind: Kind) -> str:
    return f"{_URN}report#/$defs/record" if kind == "record" else f"{_URN}{kind}#"


def _whole(node: Json, base: str) -> Json:
    match node:
        case {"$ref": str(reference), **others} if reference.startswith("#"):
            return {"$ref": base + reference, **_whole(others, base)}
        case dict():
            return {name: _whole(child, base) for name, child in node.items() if name != "$schema"}
        case list():
            return [_whole(child, base) for child in node]
        case _:
            return node


@cache
def _judges_registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(
        list(documents().items()), draft=jsonschema_rs.Draft202012, retriever=fetch_nothing
    )


@cache
def judge(reference: str) -> jsonschema_rs.Validator:
    """What says whether a document fits the schema at a reference."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": reference},
        registry=_judges_registry(),
        retriever=fetch_nothing,
        pattern_options=_LINEAR,
    )


@cache
def judge_of_text(pattern: str) -> jsonschema_rs.Validator:
    """What says whether a text matches a pattern."""
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=_LINEAR)


def is_too_deep(document: Json) -> bool:
    """Whether a JSON value nests deeper than any document may."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return False
        # Exact types are quicker to ask for than `isinstance`, and JSON nests in no others.
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)
