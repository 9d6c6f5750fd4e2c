"""Two schemas at once: following local references and joining what must hold together."""

from collections.abc import Mapping
from urllib.parse import unquote

from llmgw.types.json import Json

_LOWER_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER_BOUNDS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


def resolved(
    schema: Mapping[str, Json], root: Mapping[str, Json], error: type[Exception]
) -> tuple[dict[str, Json], frozenset[str]]:
    """Replace `$ref` by what it points to and `allOf` by its parts joined; also name the references followed.

    Raises:
        error: a reference leaves the document, points nowhere or goes in circles.
    """
    flat = dict(schema)
    followed: set[str] = set()
    while "$ref" in flat or "allOf" in flat:
        if "$ref" in flat:
            reference = flat.pop("$ref")
            if reference in followed:
                raise error("$ref goes in circles")
            target = _target(reference, root, error)
            followed.add(reference)
            flat = merged(flat, target)
        for part in flat.pop("allOf", ()):
            inner, more = resolved(part, root, error) if isinstance(part, dict) else (part, frozenset())
            followed |= more
            flat = merged(flat, inner)
    return flat, frozenset(followed)


def _target(reference: Json, root: Mapping[str, Json], error: type[Exception]) -> Json:
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise error(f"$ref {reference!r} is not a path within the schema")
    found: Json = root
    for step in reference[1:].split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise error(f"$ref {reference!r} points nowhere")
    return found


def merged(one: Mapping[str, Json], other: Json) -> dict[str, Json]:
    """Join two schemas into one that asks for both, as far as keywords can be joined; the second wins else."""
    if not isinstance(other, dict):
        return dict(one) if other is not False else {**one, "enum": []}
    joined = dict(one)
    for keyword, value in other.items():
        joined[keyword] = _joined(keyword, joined[keyword], value) if keyword in joined else value
    return joined


def _joined(keyword: str, one: Json, other: Json) -> Json:
    if keyword == "properties":
        both = {
            name: merged(one[name], other[name])
            for name in one.keys() & other.keys()
            if isinstance(one[name], dict)
        }
        return {**one, **other, **both}
    if keyword in {"$defs", "definitions"}:
        return {**one, **other}
    if keyword == "required":
        return list(dict.fromkeys([*one, *other]))
    if keyword == "enum":
        return [member for member in one if member in other]
    if keyword == "type":
        return _joined_types(one, other)
    if keyword in _LOWER_BOUNDS:
        return max(one, other)
    if keyword in _UPPER_BOUNDS:
        return min(one, other)
    if keyword == "allOf":
        return [*one, *other]
    return other


def _joined_types(one: Json, other: Json) -> Json:
    first = one if isinstance(one, list) else [one]
    second = other if isinstance(other, list) else [other]
    both = [each for each in first if each in second]
    both += [each for each in ("integer",) if each not in both and {*first, *second} >= {"integer", "number"}]
    return both[0] if len(both) == 1 else both or other
