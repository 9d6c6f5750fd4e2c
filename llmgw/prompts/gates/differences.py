"""What sets two versions apart, and what of that breaks those who call: compared member by member, or as text."""

import difflib
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import fields, replace

from llmgw.types import json
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.prompt import PromptContent
from llmgw.types.violation import Violation
from llmgw.user_schemas import compile_schema, incompatibilities

_MEMBERS: Final = tuple(field.name for field in fields(PromptContent))
DIFF_WORK_MAX: Final = 4_000_000
"""Pairs of lines that are compared to find out which stayed."""
_AROUND: Final = 3
"""Lines that are shown around what differs."""
_HUNK: Final = re.compile(r"\A@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@(?=\n\Z)")
_ANYTHING: Final[dict[str, Json]] = {}


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


def unified(old: Sequence[str], new: Sequence[str], from_name: str, to_name: str) -> str:
    """The unified diff of two texts by their lines, in a time that is bounded.

    Between texts that are long and differ at both ends all lines are told as taken out and put in, as finding out
    which of them stayed takes a time that grows with the square of their number.
    """
    most = min(len(old), len(new))
    head = next((at for at in range(most) if old[at] != new[at]), most)
    tail = next((at for at in range(most - head) if old[-1 - at] != new[-1 - at]), most - head)
    before, after = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(before) * len(after) <= DIFF_WORK_MAX:
        # Nothing but what differs is looked at, and the lines that are shown around it.
        first, last = max(0, head - _AROUND), max(0, tail - _AROUND)
        looked_at = old[first : len(old) - last], new[first : len(new) - last]
        found = difflib.unified_diff(*looked_at, from_name, to_name, n=_AROUND)
        return "".join(_HUNK.sub(partial(_moved, by=first), line) for line in found)
    told = [f"--- {from_name}\n", f"+++ {to_name}\n"]
    told.append(f"@@ -{head + 1},{len(before)} +{head + 1},{len(after)} @@\n")
    return "".join([*told, *(f"-{each}" for each in before), *(f"+{each}" for each in after)])


def _moved(hunk: "re.Match[str]", *, by: int) -> str:
    """The head of a hunk, so many lines further down."""
    return f"@@ -{int(hunk[1]) + by}{hunk[2]} +{int(hunk[3]) + by}{hunk[4]} @@"
