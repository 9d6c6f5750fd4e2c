"""Handlebars taken apart: texts and tags, with the blank space gone that Handlebars does not print."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from llmgw.prompts.rendering import scan
from llmgw.prompts.rendering.scan import TAGS_MAX
from llmgw.types.prompt_errors import InvalidPrompt

_OPENING: Final = re.compile(r"(\\{0,2})\{\{")
_WORD: Final = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>[=()|])"""
    r"""|(?P<word>(?:[^\s"'=()|{}\[\]~]|\[[^\]]{0,200}\])+)""",
    re.DOTALL,
)
_END: Final = re.compile(r"~?\}\}")
_END_LONG: Final = re.compile(r"--~?\}\}")
_ALONE: Final = frozenset("#^/!>")
_ALONE_WORDS: Final = frozenset({"else"})
_AFTER: Final = re.compile(r"[ \t]*(?:\n|\Z)")


class Text(NamedTuple):
    """What is printed as it stands, and the line it begins at."""

    said: str
    line: int


class Tag(NamedTuple):
    """What stands between braces: `kind` is `#`, `^`, `/`, `>`, `!` or empty, `words` are the rest."""

    kind: str
    words: tuple[str, ...]
    line: int
    strips_before: bool = False
    strips_after: bool = False


def parts(template: str, line: int) -> list[Text | Tag]:
    """Take a template apart; `line` is that of its beginning.

    Raises:
        InvalidPrompt: a tag does not end, or is none that is known.
    """
    found = list(_split(template.replace("\r\n", "\n"), line))
    trimmed: list[Text | Tag] = []
    for at, part in enumerate(found):
        if isinstance(part, Tag):
            trimmed.append(part)
            continue
        start, end, line = 0, len(part.said), part.line
        before = found[at - 1] if at else None
        after = found[at + 1] if at + 1 < len(found) else None
        if isinstance(before, Tag):
            if before.strips_after:
                start = len(part.said) - len(part.said.lstrip())
            elif _is_alone(found, at - 1) and (blank := _AFTER.match(part.said)):
                start = blank.end()
        if isinstance(after, Tag):
            if after.strips_before:
                end = len(part.said.rstrip())
            elif _is_alone(found, at + 1):
                end = len(part.said.rstrip(" \t"))
        trimmed.append(Text(part.said[start:end], line + part.said.count("\n", 0, start)))
    return trimmed


def _is_alone(found: list[Text | Tag], at: int) -> bool:
    """Whether a tag that prints nothing has its line for itself: the line is then not printed either."""
    tag = found[at]
    if not isinstance(tag, Tag) or not (
        (tag.kind in _ALONE and tag.kind) or (tag.words[:1] and tag.words[0] in _ALONE_WORDS)
    ):
        return False
    before = found[at - 1] if at else None
    after = found[at + 1] if at + 1 < len(found) else None
    if isinstance(before, Tag) or isinstance(after, Tag):
        return False
    blank = "" if before is None else before.said.rstrip(" \t")
    starts = before is None or blank.endswith("\n") or (not blank and at == 1)
    if after is None:
        return starts
    return starts and ("\n" in after.said or at + 2 == len(found)) and bool(_AFTER.match(after.said))


def _split(template: str, line: int) -> Iterator[Text | Tag]:
    """Texts and tags by turns; between two tags there is no text if it is empty."""
    text: list[str] = []
    place = count = 0
    begins = at = line
    while opening := _OPENING.search(template, place):
        skipped = template[place : opening.start()]
        text.append(skipped)
        at += skipped.count("\n")
        slashes = opening[1]
        if slashes == "\\":
            end = template.find("}}", opening.end())
            end = len(template) if end < 0 else end + 2
            literal = template[opening.start() + 1 : end]
            text.append(literal)
            at += literal.count("\n")
            place = end
            continue
        text.append(slashes[:1])
        if said := "".join(text):
            yield Text(said, begins)
        text.clear()
        count += 1
        if count > TAGS_MAX:
            raise InvalidPrompt(f"line {at}: a template has at most {TAGS_MAX} tags")
        tag, place = _tag(template, opening.end(), at)
        yield tag
        at += template.count("\n", opening.start(), place)
        begins = at
    text.append(template[place:])
    if said := "".join(text):
        yield Text(said, begins)


def _tag(template: str, place: int, line: int) -> tuple[Tag, int]:
    """Read the tag whose braces end before `place`, and say where it ends."""
    braces = 2
    if template.startswith("{{", place):
        raise InvalidPrompt(f"line {line}: raw blocks (`{{{{{{{{`) have no equal here")
    if template.startswith("{", place):
        braces, place = 3, place + 1
    before = template.startswith("~", place)
    place += before
    kind = template[place : place + 1]
    if kind == "!":
        return _comment(template, place, line, strips_before=before)
    if kind in {"#", "^", "/", ">"}:
        place += 1
    elif kind == "&":
        kind, place = "", place + 1
    else:
        kind = ""
    words: list[str] = []
    while place < len(template):
        after = template.startswith("~", place)
        if template.startswith("}" * braces, place + after):
            return Tag(kind, tuple(words), line, before, after), place + after + braces
        found = _WORD.match(template, place)
        if found is None:
            break
        if found.lastgroup is not None:
            words.append(found[0])
        if len(words) > scan.TOKENS_MAX:
            break
        place = found.end()
    raise InvalidPrompt(f"line {line}: a tag does not end, or has a sign in it that is not read")


def _comment(template: str, place: int, line: int, *, strips_before: bool) -> tuple[Tag, int]:
    long = template.startswith("!--", place)
    place += 3 if long else 1
    found = (_END_LONG if long else _END).search(template, place)
    if found is None:
        raise InvalidPrompt(f"line {line}: a comment does not end")
    said = template[place : found.start()].strip()
    return Tag("!", (said,), line, strips_before, found[0][-3:-2] == "~"), found.end()
