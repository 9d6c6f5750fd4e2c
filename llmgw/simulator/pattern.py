"""The shortest text that a regular expression accepts, for the plain part of the language."""

import re

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "t": "\t", "n": "\n", "r": "\r"}
_WIDTHLESS = frozenset("bBAZz")
_REPEAT = re.compile(r"\{(\d+)(?:,\d*)?\}")
_TYPICAL = "a0A-_ .@/:#+"


class Unwritable(Exception):
    """The expression uses something that is not understood here."""


def example(pattern: str) -> str | None:
    """Write a text that `pattern` finds a match in; None where it is beyond this writer."""
    writer = _Writer(pattern)
    try:
        text = writer.alternatives()
        whole = writer.at_end()
        return text if whole and re.search(pattern, text) else None
    except (Unwritable, re.error, IndexError, OverflowError):
        return None


class _Writer:
    """Reads an expression from left to right and writes the least that each part accepts."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def at_end(self) -> bool:
        return self._at >= len(self._pattern)

    def alternatives(self) -> str:
        first = self._sequence()
        while self._take("|"):
            self._sequence()
        return first

    def _sequence(self) -> str:
        written = ""
        while not self.at_end() and self._peek() not in "|)":
            atom = self._atom()
            written += atom * self._repeats()
        return written

    def _peek(self) -> str:
        return self._pattern[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]

    def _take(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _repeats(self) -> int:
        times = 1
        match = _REPEAT.match(self._pattern, self._at)
        if match:
            times, self._at = int(match[1]), match.end()
        elif self._take("*") or self._take("?"):
            times = 0
        elif self._take("+"):
            times = 1
        else:
            return times
        if not self._take("?"):
            self._take("+")
        if times > 10_000:
            raise Unwritable(self._pattern)
        return times

    def _atom(self) -> str:
        char = self._next()
        match char:
            case "^" | "$":
                return ""
            case ".":
                return "a"
            case "(":
                return self._group()
            case "[":
                return self._set()
            case "\\":
                escaped = self._next()
                if escaped.isdigit() or escaped in "pPuxk":
                    raise Unwritable(self._pattern)
                return "" if escaped in _WIDTHLESS else _CLASSES.get(escaped, escaped)
            case _:
                return char

    def _group(self) -> str:
        if self._take("?") and not self._take(":"):
            named = re.compile(r"P?<[^=!>]+>").match(self._pattern, self._at)
            if not named:
                raise Unwritable(self._pattern)
            self._at = named.end()
        written = self.alternatives()
        if not self._take(")"):
            raise Unwritable(self._pattern)
        return written

    def _set(self) -> str:
        start = self._at - 1
        self._take("^")
        self._take("]")
        while self._next() != "]":
            if self._pattern[self._at - 1] == "\\":
                self._at += 1
        accepted = re.compile(self._pattern[start : self._at])
        candidates = _TYPICAL + self._pattern[start : self._at] + "".join(map(chr, range(33, 127)))
        return next(char for char in candidates if accepted.fullmatch(char))
