"""The protocol's schemas as a page for people: `python -m llmgw.context > docs/context-reference.md`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec

from llmgw.context.protocol import documents
from llmgw.types.json import Json, encode

_HEAD: Final = """\
# Context reference

Every document of [the context protocol](context-protocol.md), version 1, member by member. The schemas are in
`schemas/context/1`, JSON Schema 2020-12; examples of what fits and what does not, one mistake in each, are in
`schemas/context/1/examples`.

A member that is not needed may be left out; then it means what stands behind *else*, and null where nothing does.
An object with a table takes no members but those in it, unless its text says otherwise.

This page is made from the schemas. After changing one run
`.venv/bin/python -m llmgw.context > docs/context-reference.md`.
"""

_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "array": "list",
}
_LARGEST: Final = 2**53 - 1


def page() -> str:
    """Write the whole page, `docs/context-reference.md`."""
    return "\n".join([_HEAD, *chain.from_iterable(map(_document, documents().values()))])


def _document(schema: Json) -> Iterator[str]:
    urn = schema["$id"]
    yield f"## {schema['title']}\n"
    yield f"`schemas/context/1/{urn.rpartition(':')[2]}.json`, `{urn}`\n"
    yield f"{schema['description']}\n"
    yield from _body(schema)
    definitions = schema.get("$defs", {}).values()
    words = [each for each in definitions if "properties" not in each]
    for each in definitions:
        if "properties" in each:
            yield f"### {each['title']}\n"
            yield f"{each['description']}\n"
            yield from _body(each)
    if words:
        yield from _glossary(words)


def _body(schema: Json) -> Iterator[str]:
    if "properties" in schema:
        needed = schema.get("required", ())
        yield (
            _line(("member", "type", "needed", "meaning"))
            + _line(["---"] * 4)
            + "".join(
                _line(
                    (
                        f"`{name}`",
                        _type(member),
                        "yes" if name in needed else _else(member),
                        member["description"],
                    )
                )
                for name, member in schema["properties"].items()
            )
        )
    for example in schema.get("examples", ()):
        yield f"```json\n{msgspec.json.format(encode(example), indent=2).decode()}\n```\n"


def _glossary(definitions: list[Json]) -> Iterator[str]:
    """Explain what has no members, each under a heading that the tables can link to."""
    for each in definitions:
        yield f"### {each['title']}\n"
        examples = ", ".join(f"`{encode(example).decode()}`" for example in each.get("examples", ()))
        kind = _type(each)
        yield f"{each['description']}\n"
        yield f"{kind[0].upper()}{kind[1:]}{f'; for example {examples}' if examples else ''}.\n"


def _else(member: Json) -> str:
    default = member.get("default")
    return "no" if default is None else f"no, else {_code(default)}"


def _type(schema: Json) -> str:
    """Say in words what a schema takes."""
    match schema:
        case {"$ref": str(reference)}:
            title = _target(reference)["title"].lower()
            return f"[{title}](#{title.replace(' ', '-')})"
        case {"anyOf": list(choices)}:
            return _either(map(_type, choices))
        case {"enum": list(values)}:
            return _either(map(_code, values))
        case {"const": value}:
            return f"always {_code(value)}"
        case {"not": {"type": "null"}}:
            return "anything but null"
        case {"type": list(types)}:
            return _either(_type({**schema, "type": name}) for name in types)
        case {"type": str(name)}:
            return _limited(_WORDS.get(name, name), schema if name != "null" else {})
        case _:
            return "anything"


def _limited(word: str, schema: Json) -> str:
    """Put a type's bounds behind its name."""
    match schema:
        case {"pattern": str(pattern)}:
            return f"{word} that matches `{pattern}`"
        case {"minLength": low, "maxLength": high}:
            return f"{word} of {low} to {high} characters"
        case {"maxLength": high}:
            return f"{word} of at most {high} characters"
        case {"maxProperties": high}:
            return f"{word} of at most {high} members"
        case {"propertyNames": names, "additionalProperties": values}:
            return f"{word} from {_type(names)} to {_type(values)}"
        case {"items": item}:
            return f"{word} of {_type(item)}"
        case {"prefixItems": list(items)}:
            return f"{word} of {len(items)}: {' and '.join(map(_type, items))}"
        case {"exclusiveMinimum": low, "maximum": high}:
            return f"{word} above {low}, up to {high}"
        case {"minimum": low, "maximum": high}:
            return f"{word} from {low} to {'2⁵³ - 1' if high == _LARGEST else high}"
        case _:
            return word


def _target(reference: str) -> Json:
    """Find what a reference leads to."""
    urn, _, fragment = reference.partition("#")
    document = documents()[urn]
    return document["$defs"][fragment.removeprefix("/$defs/")] if fragment else document


def _code(value: Json) -> str:
    return (
        "null"
        if value is None
        else f"`{value if isinstance(value, str) and value else encode(value).decode()}`"
    )


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
