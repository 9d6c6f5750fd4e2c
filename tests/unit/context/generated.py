"""Documents made from the schemas alone, so that what a schema allows is not only what a struct writes."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st
from llmgw.context.protocol import Kind, documents, fits
from tests.unit.context.documents import JSON, TEXT


def generated(kind: Kind) -> st.SearchStrategy[Any]:
    """Any document that fits the schema of a kind."""
    place = "report#/$defs/record" if kind == "record" else f"{kind}#"
    return _of_reference(f"urn:llmgw:context:1:{place}").filter(lambda document: fits(kind, document))


@cache
def _of_reference(reference: str) -> st.SearchStrategy[Any]:
    urn, _, fragment = reference.partition("#")
    schema = documents()[urn]
    return _of(schema["$defs"][fragment.removeprefix("/$defs/")] if fragment else schema)


def _of(schema: Any) -> st.SearchStrategy[Any]:
    match schema:
        case {"$ref": reference}:
            return st.deferred(lambda: _of_reference(reference))
        case {"anyOf": choices}:
            return st.one_of([_of(choice) for choice in choices])
        case {"enum": values}:
            return st.sampled_from(values)
        case {"const": value}:
            return st.just(value)
        case {"dependentSchemas": {"type": {"allOf": choices}}}:
            return st.one_of([_of(choice["then"]) for choice in choices])
        case {"type": list(types)}:
            return st.one_of([_of({**schema, "type": name}) for name in types])
        case {"type": name}:
            return _OF_TYPE[name](schema)
        case _:
            return JSON


def _text(schema: Any) -> st.SearchStrategy[Any]:
    match schema:
        case {"pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True)
        case {"maxLength": high}:
            lengths = st.integers(schema.get("minLength", 0), high)
            return st.builds(lambda text, length: (text + "𝄞" * high)[:length], TEXT, lengths)
        case _:
            return TEXT


def _number(schema: Any) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    return st.floats(low, schema["maximum"], exclude_min="minimum" not in schema) | st.just(1)


def _list(schema: Any) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*map(_of, schema["prefixItems"])).map(list)
    return st.lists(_of(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)


@st.composite
def _object(draw: st.DrawFn, schema: Any) -> dict[str, Any]:
    if "propertyNames" in schema:
        names = _of(schema["propertyNames"])
        return draw(st.dictionaries(names, _of(schema["additionalProperties"]), max_size=4))
    if "properties" not in schema:
        return draw(st.dictionaries(TEXT, JSON, max_size=2))
    needed = set(schema["required"]) if "required" in schema else set()
    others = [name for name in schema["properties"] if name not in needed]
    # Of members that exclude each other, one is enough to try.
    rivals = [branch["required"][0] for branch in schema.get("oneOf", ())]
    chosen = draw(st.sampled_from(rivals)) if rivals else None
    present = needed | {
        name for name in others if name == chosen or (name not in rivals and draw(st.booleans()))
    }
    return {name: draw(_of(member)) for name, member in schema["properties"].items() if name in present}


_OF_TYPE: Final[dict[str, Callable[[Any], st.SearchStrategy[Any]]]] = {
    "object": _object,
    "array": _list,
    "string": _text,
    "number": _number,
    "integer": lambda schema: st.integers(schema["minimum"], schema["maximum"]),
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}
