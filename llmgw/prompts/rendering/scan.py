"""What a template may contain, looked at before the engine sees it.

The engine counts its steps and the bytes it makes, so that what it runs ends early; what it cannot be kept from by
counting is refused here: nesting that its parser would recurse into, calls, inheritance, and names that are not in
the language of prompts.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import minijinja

from llmgw.types.prompt import PromptContent

TEMPLATE_MAX: Final = 65_536
"""Characters of one template."""
TAGS_MAX: Final = 5_000
"""Tags in one template."""
TOKENS_MAX: Final = 300
"""Words and signs in one tag."""
NESTING_MAX: Final = 24
"""Blocks in each other, and brackets in each other."""
ELIFS_MAX: Final = 100

STATEMENTS: Final = frozenset({
    "if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith", "include", "raw", "endraw",
})  # fmt: skip
FILTERS: Final = frozenset({
    "abs", "bool", "capitalize", "count", "d", "default", "dictsort", "first", "float", "indent", "int",
    "items", "join", "last", "length", "lines", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "replace", "reverse", "round", "select", "selectattr", "sort", "split", "string", "sum", "title", "tojson",
    "trim", "truncate", "unique", "upper",
})  # fmt: skip
WITHHELD_FILTERS: Final = frozenset({
    "attr", "batch", "chain", "e", "escape", "filesizeformat", "format", "groupby", "pluralize", "pprint",
    "safe", "slice", "striptags", "urlencode", "wordwrap", "zip",
})  # fmt: skip
"""Those of the engine that are left out: some put a list into itself, which the engine cannot count."""
TESTS: Final = frozenset({
    "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "even", "false", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lt", "mapping", "ne", "none", "number",
    "odd", "sequence", "startingwith", "string", "true", "undefined",
})  # fmt: skip
WITHHELD_TESTS: Final = frozenset({"escaped", "filter", "int", "lower", "safe", "sameas", "test", "upper"})
FUNCTIONS: Final = frozenset({"range"})

_OPENING: Final = re.compile(r"\{[{%#]")
_END_RAW: Final = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_TOKEN: Final = re.compile(
    r"""\s+|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<name>[^\W\d]\w*)|(?P<number>\d[\d_.]*(?:[eE][+-]?\d+)?)"""
    r"""|(?P<sign>//|\*\*|==|!=|<=|>=|[-+*/%~<>|.,:()\[\]{}=])""",
    re.DOTALL,
)
_OPENS: Final = frozenset("([{")
_CLOSES: Final = frozenset(")]}")
_BEFORE_CALLABLE: Final = frozenset({"|", "is", "not"})
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else", "elif", "for", "set", "with"})
_PLAIN: Final = frozenset(
    {"true", "false", "none", "True", "False", "None", ",", ":", "-", "[", "]", "{", "}"}
)
_MAPPED: Final = ["(", "attribute", "=", ")"]


class Problem(NamedTuple):
    """What is wrong with a template, and in which of its lines, counted from 1."""

    line: int
    message: str


class _Refused(Exception):
    """A tag that may not be; where it begins or where the refusal is."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


class _Tag(NamedTuple):
    """One `{{ … }}` or `{% … %}`: where it begins, the word of a statement, and its words."""

    place: int
    statement: str
    words: list[str]


def problems(template: str) -> list[Problem]:
    """Say what keeps a template from being used; an empty list for nothing that can be seen without the engine."""
    if len(template) > TEMPLATE_MAX:
        return [Problem(1, f"a template has at most {TEMPLATE_MAX} characters")]
    try:
        _check(template)
    except _Refused as refused:
        return [Problem(template.count("\n", 0, refused.place) + 1, refused.message)]
    return []


def includes_of(template: str) -> list[str]:
    """The names of the partials that a template includes, each once, in order; none of one that has problems."""
    if problems(template):
        return []
    return list({_included(tag): None for tag in _tags(template) if tag.statement == "include"})


def variables(content: PromptContent) -> set[str]:
    """The variables that a content's templates ask for; what cannot be parsed asks for none."""
    environment = minijinja.Environment()
    found: set[str] = set()
    texts = [each.text for each in content.messages]
    texts += [each.text for each in content.includes.values()]
    if content.partial is not None:
        texts.append(content.partial)
    for text in texts:
        if not problems(text):
            found |= environment.undeclared_variables_in_str(text)
    return found - FUNCTIONS


def _check(template: str) -> None:
    depth = elifs = 0
    for count, tag in enumerate(_tags(template)):
        if count >= TAGS_MAX:
            raise _Refused(tag.place, f"a template has at most {TAGS_MAX} tags")
        if tag.statement and tag.statement not in STATEMENTS:
            raise _Refused(
                tag.place, f"`{tag.statement}` is not part of the template language: {_told(STATEMENTS)}"
            )
        match tag.statement:
            case "if" | "for" | "with":
                depth += 1
            case "endif" | "endfor" | "endwith":
                depth -= 1
            case "elif":
                elifs += 1
            case "set" if "=" not in tag.words:
                raise _Refused(tag.place, "`set` takes a value: {% set name = value %}")
            case "include":
                _included(tag)
        if depth > NESTING_MAX:
            raise _Refused(tag.place, f"blocks are nested deeper than {NESTING_MAX} levels")
        if elifs > ELIFS_MAX:
            raise _Refused(tag.place, f"a template has at most {ELIFS_MAX} `elif`")
        _check_words(tag)


def _check_words(tag: _Tag) -> None:
    """Hold the words of a tag against what may be said."""
    depth = plain = 0
    before = ["", ""]
    for number, word in enumerate(tag.words):
        if plain and word not in _PLAIN and not _is_literal(word):
            raise _Refused(tag.place, "a list or object written in a template holds plain values only")
        if word in _OPENS:
            depth += 1
            _check_call(tag, word, before)
            if not plain and word != "(" and not _is_subscript(word, before[-1]):
                plain = depth
        elif word in _CLOSES:
            plain = 0 if plain == depth else plain
            depth -= 1
        else:
            _check_name(tag, word, before)
        if word == "map" and before[-1] == "|":
            _check_map(tag, number)
        if word == "+" and not any(
            each[:1].isdigit() for each in (before[-1], *tag.words[number + 1 : number + 2])
        ):
            # Lists added to themselves are not copied, and grow without being counted.
            raise _Refused(tag.place, "`+` adds a number that stands beside it; text is joined by `~`")
        if depth > NESTING_MAX or number >= TOKENS_MAX:
            raise _Refused(tag.place, "a tag says too much: break it up")
        before = [before[-1], word]


def _check_name(tag: _Tag, word: str, before: list[str]) -> None:
    if before[-1] == "|" and word not in FILTERS:
        raise _Refused(tag.place, f"there is no filter `{word}`: {_told(FILTERS)}")
    if (before == ["is", "not"] and word not in TESTS) or (
        before[-1] == "is" and word not in TESTS | {"not"}
    ):
        raise _Refused(tag.place, f"there is no test `{word}`: {_told(TESTS)}")


def _check_map(tag: _Tag, number: int) -> None:
    """Let `map` do no more than read a member of each item: it would else apply any filter of the engine's."""
    after = tag.words[number + 1 : number + 6]
    if len(after) != 5 or not _is_literal(after.pop(3)) or after != _MAPPED:
        raise _Refused(tag.place, "`map` is written map(attribute='name')")


def _check_call(tag: _Tag, word: str, before: list[str]) -> None:
    """Refuse what calls a value: filters, tests and a few functions are all that is called."""
    callee = before[-1]
    if word != "(" or not (callee.isidentifier() or callee in {")", "]"}) or callee in _KEYWORDS:
        return
    if before[-2] in _BEFORE_CALLABLE or (callee in FUNCTIONS and before[-2] != "."):
        return
    raise _Refused(tag.place, f"`{callee}(…)` calls a value; only {_told(FUNCTIONS)} can be called")


def _is_subscript(word: str, before: str) -> bool:
    return (
        word == "["
        and before not in _KEYWORDS
        and (before[-1:] in {")", "]", "}", '"', "'"} or before.isidentifier())
    )


def _is_literal(word: str) -> bool:
    return word[0] in "\"'" or word[0].isdigit()


def _included(tag: _Tag) -> str:
    names = tag.words
    if len(names) != 1 or names[0][0] not in "\"'" or "\\" in names[0]:
        raise _Refused(tag.place, "`include` takes the name of a partial in quotes, and nothing else")
    return names[0][1:-1]


def _tags(template: str) -> Iterator[_Tag]:
    """Find the tags of a template, in order."""
    place = 0
    while opening := _OPENING.search(template, place):
        start = opening.start()
        if opening[0] == "{#":
            end = template.find("#}", start + 2)
            if end < 0:
                raise _Refused(start, "a comment does not end")
            place = end + 2
            continue
        close = "}}" if opening[0] == "{{" else "%}"
        words, place = _read(template, start, close)
        if close == "}}":
            yield _Tag(start, "", words)
            continue
        if not words:
            raise _Refused(start, "a statement is empty")
        yield _Tag(start, words[0], words[1:])
        if words[0] == "raw":
            end_raw = _END_RAW.search(template, place)
            if end_raw is None:
                raise _Refused(start, "`raw` does not end")
            place = end_raw.end()


def _read(template: str, start: int, close: str) -> tuple[list[str], int]:
    """The words and signs of a tag, and where it ends; its marks for whitespace are no part of them."""
    words: list[str] = []
    place = start + 2
    if template[place : place + 1] in {"-", "+"}:
        place += 1
    braces = 0
    while place < len(template):
        if not braces and template.startswith(close, place):
            return words, place + 2
        if not braces and template[place] in "-+" and template.startswith(close, place + 1):
            return words, place + 3
        found = _TOKEN.match(template, place)
        if found is None:
            raise _Refused(place, "a sign that is not part of the template language")
        place = found.end()
        if found.lastgroup is None:
            continue
        word = found[0]
        braces += (word == "{") - (word == "}")
        words.append(word)
    raise _Refused(start, "a tag does not end")


def _told(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
