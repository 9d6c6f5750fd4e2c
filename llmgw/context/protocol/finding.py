"""Finds the mistakes of a document one after the other, with what the judge already knows of long lists."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from jsonschema import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from llmgw.context.protocol import documents, judge, judge_of_text
from llmgw.context.protocol.explain import Explainer, explained
from llmgw.types.json import Json
from llmgw.types.violation import Violation


def found(reference: str, document: Json) -> Iterator[Violation]:
    """Find what is wrong with a document by the schema at a reference."""
    errors = _Explainer({"$ref": reference}, registry=_registry()).iter_errors(document)
    _, _, fragment = reference.partition("#")
    return explained(errors, beneath=fragment)


@cache
def _registry() -> "Registry[Any]":
    # A registry that is given no way to retrieve fetches nothing.
    resources = ((name, DRAFT202012.create_resource(schema)) for name, schema in documents().items())
    return Registry[Any]().with_resources(resources)


def _items(validator: Any, items: Json, instance: Json, _: Json) -> Iterator[ValidationError]:
    """Look only into the items that do not fit: of a long list they may be few."""
    of_an_item = judge(items["$ref"])
    for place, item in enumerate(instance if isinstance(instance, list) else ()):
        if not of_an_item.is_valid(item):
            yield from validator.descend(item, items, path=place)


def _pattern(_: Any, pattern: str, instance: Json, __: Json) -> Iterator[ValidationError]:
    """Read patterns as the judge does: to Python's `re`, `$` also stands before a last line break."""
    if isinstance(instance, str) and not judge_of_text(pattern).is_valid(instance):
        yield ValidationError("")


_Explainer: Final[Any] = extend(  # type: ignore[no-untyped-call]
    Explainer, {"items": _items, "pattern": _pattern}
)
