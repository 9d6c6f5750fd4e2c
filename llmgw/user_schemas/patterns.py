"""Regular expressions a stranger sends: only such as an engine without backtracking takes, of bounded size.

The engine (Rust's `regex`) matches in time linear in the text, times the size of the program it makes of a pattern.
So the size of the program is what is bounded, and what is counted wherever the pattern is matched.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Final

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.form import PATTERN_MAX
from llmgw.user_schemas.outline import VIOLATIONS_MAX

PATTERNS_MAX: Final = 8 * 1024
"""Characters of all patterns of a schema together: some of them take the engine 2 µs a character to refuse."""
PROGRAM_MAX: Final = 64
"""KiB of the program made of one pattern."""
PROGRAMS_MAX: Final = 1024
"""KiB of the programs of one schema."""

_UNUSABLE: Final = (
    "is not a regular expression that can be matched in linear time: write it without look-around, back-references "
    "and flags, and bounds on length as minLength and maxLength"
)
_SIZES: Final = (1, 2, 4, 8, 16, 32, PROGRAM_MAX)
"""KiB: the engine tells no sizes, but takes a limit; a program counts for the smallest of these that it fits."""
_DFA_KIB: Final = 64
_FLAGS: Final = re.compile(r"(?<!\\)(?:\\\\)*\(\?(?!:|<[A-Za-z_])")
"""Groups with a meaning of their own: look-around, and flags, of which `(?i)` alone can take the engine 0.3 s."""

ENGINE: Final = RegexOptions(size_limit=PROGRAM_MAX * 1024, dfa_size_limit=_DFA_KIB * 1024)
"""The engine of every pattern of every schema."""


def programs(schemas: dict[str, Json]) -> dict[str, int]:
    """Measure the program of each pattern in an outline's schemas, in KiB.

    Raises:
        SchemaRejected: some cannot be matched in linear time, or they are too large.
    """
    found: dict[str, int] = {}
    problems: list[Violation] = []
    characters = 0
    for pointer, pattern in _patterns(schemas):
        if pattern in found:
            continue
        characters += len(pattern)
        if characters > PATTERNS_MAX:
            problems.append(
                _problem(pointer, f"the patterns of a schema have {PATTERNS_MAX} characters at most")
            )
            break
        size = program(pattern)
        if size is None:
            problems.append(_problem(pointer, _UNUSABLE))
        found[pattern] = size or 0
        if sum(found.values()) > PROGRAMS_MAX:
            problems.append(_problem(pointer, "the patterns up to this one need too much memory together"))
            break
    if problems:
        raise SchemaRejected("the schema has patterns that cannot be used", problems[:VIOLATIONS_MAX])
    return found


@lru_cache(maxsize=1024)
def program(pattern: str) -> int | None:
    """The size of the program made of a pattern, in KiB; None where it cannot be made."""
    if len(pattern) > PATTERN_MAX or _FLAGS.search(pattern):
        return None
    # The largest first: most of what is refused is refused for good.
    if not _fits(pattern, PROGRAM_MAX):
        return None
    return _SIZES[bisect_left(_SIZES, True, hi=len(_SIZES) - 1, key=partial(_fits, pattern))]  # noqa: FBT003


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Draft202012Validator:
    """What says whether a text matches a pattern that is known to have a program."""
    return Draft202012Validator({"pattern": pattern}, pattern_options=ENGINE)


def _fits(pattern: str, kib: int) -> bool:
    options = RegexOptions(size_limit=kib * 1024, dfa_size_limit=_DFA_KIB * 1024)
    try:
        Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except ValidationError:
        return False
    return True


def _patterns(schemas: dict[str, Json]) -> Iterable[tuple[str, str]]:
    for pointer, schema in schemas.items():
        if not isinstance(schema, dict):
            continue
        if "pattern" in schema:
            yield f"{pointer}/pattern", schema["pattern"]
        for pattern in schema.get("patternProperties", {}):
            yield f"{pointer}/patternProperties" + pointer_to(pattern), pattern


def _problem(pointer: str, message: str) -> Violation:
    return Violation(rule="schema.pattern", pointer=pointer, message=message)
