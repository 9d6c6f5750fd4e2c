"""What sets two versions apart, and what of that breaks those who call: compared member by member, or as text."""

import difflib
from typing import Final, NamedTuple

from msgspec.structs import fields, replace

from llmgw.types import json
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.prompt import PromptContent
from llmgw.types.violation import Violation
from llmgw.user_schemas import compile_schema, incompatibilities

_MEMBERS: Final = tuple(field.name for field in fields(PromptContent))
_ANYTHING: Final[dict[str, Json]] = {}


class Titled(NamedTuple):
    """The text of a prompt file, and what it is called in a comparison."""

    title: str
    text: str


def as_text(old: Titled, new: Titled) -> str:
    """Write a unified diff of two files; empty where there is no difference."""
    before, after = (each.text.splitlines(keepends=True) for each in (old, new))
    return "".join(difflib.unified_diff(before, after, old.title, new.title))


def changed_members(old: PromptContent, new: PromptContent) -> list[str]:
    """Name the members in which two contents differ, in the order of the format."""
    return [name for name in _MEMBERS if getattr(old, name) != getattr(new, name)]


def breaking(old: PromptContent, new: PromptContent) -> list[Violation]:
    """Say why callers of the old version may fail with the new one.

    Variables that the old one took must be taken; answers that the new one gives must be such as the old one gave.
    That nothing is said is a proof, as far as there are schemas.
    """
    found = _apart(old.input_schema, new.input_schema, "/input_schema")
    if old.output_schema is not None:
        found += _apart(new.output_schema, old.output_schema, "/output_schema")
    if old.api is not None and new.api is None:
        found.append(Violation(rule="api", pointer="/api", message="the version is no API any more"))
    elif old.api is not None and new.api is not None and old.api.slug != new.api.slug:
        found.append(Violation(rule="api", pointer="/api/slug", message="the API has another address"))
    return found


def _apart(narrow: dict[str, Json] | None, wide: dict[str, Json] | None, within: str) -> list[Violation]:
    """Say why what fits one schema may not fit the other."""
    try:
        first, second = (
            compile_schema(json.encode(schema if schema is not None else _ANYTHING))
            for schema in (narrow, wide)
        )
    except SchemaRejected as refused:
        return [Violation(rule="schema", pointer=within, message=refused.message)]
    return [replace(each, pointer=within + each.pointer) for each in incompatibilities(first, second)]
