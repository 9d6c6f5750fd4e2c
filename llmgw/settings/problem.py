"""What is wrong with the settings: where, what, and what was probably meant."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct

Path: TypeAlias = tuple[str | int, ...]
"""Where a value sits: mapping keys and list indexes from the root."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LONGEST_NAME = 80


class Finding(Struct, frozen=True, kw_only=True):
    """One thing wrong, before its line is known; `message` never holds a value that could be a secret."""

    path: Path
    message: str
    suggestion: str | None = None


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong, as the operator reads it.

    `path` reads like `aliases.smart.targets[1]` and is empty for the file as a whole; `line` counts from 1
    and is None where no file is involved.
    """

    path: str
    message: str
    line: int | None = None
    suggestion: str | None = None

    @property
    def text(self) -> str:
        """Path, message and suggestion in one line."""
        at = f"{self.path}: " if self.path else ""
        hint = f"; did you mean {quoted(self.suggestion)}?" if self.suggestion is not None else ""
        return f"{at}{self.message}{hint}"

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line is not None else self.text


class ConfigError(Exception):
    """The settings cannot be used; `problems` holds everything found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        title = f"{source or 'settings'}: {count} problem{'' if count == 1 else 's'}"
        super().__init__("\n  ".join([title, *map(str, self.problems)]))


def quoted(name: str) -> str:
    """Write an operator's word so that it stays on one line and harmless on a terminal."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    plain = msgspec.json.encode(short).decode()
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in plain)


def rendered(path: Path) -> str:
    """Write a path as `aliases.smart.targets[1]`, with brackets round names that hold more than a word."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _BARE.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def located(findings: Iterable[Finding], lines: Mapping[Path, int]) -> tuple[Problem, ...]:
    """Give each finding the line of its value or of the nearest thing around it; sort by line."""
    problems = [
        Problem(
            path=rendered(finding.path),
            message=finding.message,
            line=_line(finding.path, lines),
            suggestion=finding.suggestion,
        )
        for finding in findings
    ]
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))


def closest(word: str, options: Iterable[str]) -> str | None:
    """Pick the option that `word` looks like, or None."""
    by_folded = {option.casefold(): option for option in options}
    matches = difflib.get_close_matches(word[:_LONGEST_NAME].casefold(), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def _line(path: Path, lines: Mapping[Path, int]) -> int | None:
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
