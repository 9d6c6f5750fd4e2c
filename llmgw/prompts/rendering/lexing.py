"""Templates cut into text and tags, and tags into words and signs; nothing is understood here, only seen."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from llmgw.prompts.rendering.limits import TOKENS_MAX

Kind = Literal["name", "string", "number", "sign"]


class Problem(NamedTuple):
    """What is wrong with a template, and in which of its lines (from 1)."""

    line: int
    message: str


class Token(NamedTuple):
    """A word or a sign; of a string `text` is what it means, not how it is written."""

    kind: Kind
    text: str


class Text(NamedTuple):
    """What is told as it stands; `raw` says that braces in it are no tags."""

    line: int
    text: str
    raw: bool = False


class Tag(NamedTuple):
    """What stands between `{{ }}` (`block` is false) or `{% %}`."""

    line: int
    block: bool
    tokens: tuple[Token, ...]


class LexingError(Exception):
    """The template cannot be cut any further."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, message)


_OPENING: Final = re.compile(r"\{[{%#]")
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<end>[-+]?(?:%\}|\}\}))
  | (?P<name>[^\W\d]\w*)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?!\w))
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<sign>==|!=|<=|>=|//|\*\*|[-+*/%~|.,:()\[\]{}<>=])
    """,
    re.VERBOSE | re.DOTALL,
)
_END_RAW: Final = re.compile(r"\{%([-+]?)[ \t\r\n]*endraw[ \t\r\n]*([-+]?)%\}")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'", "/": "/"}
_WHITE: Final = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What `-` takes away: White_Space of Unicode."""
_RAW: Final = (Token("name", "raw"),)
_NUMBER_MAX: Final = 24
"""Digits and signs of a number."""


def cut(template: str) -> Iterator[Text | Tag]:
    """Cut a template into text and tags; comments are gone, and the space that `-` takes away.

    Raises:
        LexingError: a tag has no end, or holds what is no word or sign of the language.
    """
    place, line, trim = 0, 1, False
    while True:
        opening = _OPENING.search(template, place)
        text = template[place : opening.start() if opening else len(template)]
        here = line
        line += text.count("\n")
        stripped = opening is not None and template.startswith("-", opening.end())
        if trim:
            shorter = text.lstrip(_WHITE)
            here += text.count("\n") - shorter.count("\n") if shorter else 0
            text = shorter
        if stripped:
            text = text.rstrip(_WHITE)
        if text:
            yield Text(here, text)
        if opening is None:
            return
        inside = opening.end() + (template[opening.end() : opening.end() + 1] in {"-", "+"})
        if opening[0] == "{#":
            # A comment may begin with a sign that is no mark: only `-` takes space away.
            place, trim = _comment_end(template, opening.end(), line)
        else:
            tokens, place, trim = _tokens(template, opening.start(), inside, line)
            if opening[0] == "{%" and tokens == _RAW:
                raw, place, trim = _raw(template, place, line, trim=trim)
                if raw:
                    yield Text(line, raw, raw=True)
            else:
                yield Tag(line, opening[0] == "{%", tokens)
        line += template.count("\n", opening.start(), place)


def _raw(template: str, start: int, line: int, *, trim: bool) -> tuple[str, int, bool]:
    end = _END_RAW.search(template, start)
    if end is None:
        raise LexingError(line, "`raw` has no end: {% endraw %} is missing")
    text = template[start : end.start()]
    text = text.lstrip(_WHITE) if trim else text
    return text.rstrip(_WHITE) if end[1] == "-" else text, end.end(), end[2] == "-"


def _comment_end(template: str, start: int, line: int) -> tuple[int, bool]:
    end = template.find("#}", start)
    if end < 0:
        raise LexingError(line, "a comment has no end: #} is missing")
    # One `-` alone stands at the beginning, and takes away what is before.
    after = start + template.startswith("-", start)
    return end + 2, end > after and template[end - 1] == "-"


def _tokens(template: str, start: int, place: int, line: int) -> tuple[tuple[Token, ...], int, bool]:
    closing = "%}" if template.startswith("{%", start) else "}}"
    found: list[Token] = []
    braces = 0
    while True:
        match = _TOKEN.match(template, place)
        if match is None:
            if place >= len(template):
                raise LexingError(line, f"a tag has no end: {closing} is missing")
            at = line + template.count("\n", start, place)
            raise LexingError(at, f"{template[place]!r} has no meaning in a tag")
        kind, text = str(match.lastgroup), match[0]
        if braces and text == "}}":
            kind, text = "sign", "}"
        place += len(text)
        if kind == "end":
            if not text.endswith(closing):
                raise LexingError(
                    line, f"a tag that begins with {template[start : start + 2]} ends with {closing}"
                )
            return tuple(found), place, text.startswith("-")
        if kind == "space":
            continue
        braces += (text == "{") - (text == "}")
        found.append(_token(kind, text, line))
        if len(found) > TOKENS_MAX:
            raise LexingError(line, f"a tag has more than {TOKENS_MAX} words and signs")


def _token(kind: str, text: str, line: int) -> Token:
    if kind == "string":
        return Token("string", _ESCAPE.sub(lambda match: _meant(match[1], line), text[1:-1]))
    if kind == "number":
        if len(text) > _NUMBER_MAX:
            raise LexingError(line, "a number is too long")
        return Token("number", text)
    return Token("name" if kind == "name" else "sign", text)


def _meant(escape: str, line: int) -> str:
    if escape[0] == "u" and len(escape) == 5:
        return chr(int(escape[1:], 16))
    if escape not in _ESCAPES:
        raise LexingError(
            line, f"\\{escape} has no meaning in a string; there are \\n \\r \\t \\\\ \\\" \\' \\uXXXX"
        )
    return _ESCAPES[escape]
