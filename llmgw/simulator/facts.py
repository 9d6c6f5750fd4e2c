"""Reading: what a text states, names and counts, found by plain patterns."""

import re
from collections.abc import Iterable, Iterator

from llmgw.simulator.transcript import Turn

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_STATED = re.compile(
    r"\b(?:my|our|the(?:\s+user[\u2019']s)?)\s+(?P<what>\w[\w -]{0,60}?)\s+"
    r"(?:is|are|was|were)\s+(?:called\s+)?(?P<value>\S.*)",
    re.IGNORECASE,
)
_VALUE_END = re.compile(
    r"[.!?;,]*(?:$|[,;]\s|\s{1,8}(?:and|but)\s{1,8}(?:i|my|we|our|the|it)\b).*", re.IGNORECASE
)
_ASIDE = (
    ("name", re.compile(r"\b(?:[Cc]all me|[Nn]amed|I am|I[\u2019']m)\s+([A-ZÀ-Þ][\w\u2019'-]*)")),
    ("city", re.compile(r"\b[Ll]ives? in\s+([A-ZÀ-Þ][\w\u2019'-]*(?:\s+[A-ZÀ-Þ][\w\u2019'-]*)*)")),
    ("age", re.compile(r"\b(\d{1,3})\s+years?\s+old\b|\baged?\s+(\d{1,3})\b", re.IGNORECASE)),
)

_PLACE = r"[A-ZÀ-Þ][\w\u2019'-]*(?:[ ][A-ZÀ-Þ][\w\u2019'-]*)*"
_PLACES = re.compile(rf"\b(?:in|for|at|of|to|near)\s+({_PLACE}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+){_PLACE})*)")
_NOT_PLACES = frozenset(
    {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "I"}
    | {"January", "February", "March", "April", "May", "June"}
    | {"July", "August", "September", "October", "November", "December"}
)
_PLACE_WORD = re.compile(r"\bin\s+([^\W\d_][\w\u2019'-]*)")
_JOINT = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+")
_NUMBER = re.compile(r"(?<![\w.-])-?\d{1,15}(?:\.\d{1,15})?(?![\w-])(?!\.\d)")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_WORD = re.compile(r"[^\W_]+")


def sentences(text: str) -> list[str]:
    """Cut a text into sentences."""
    return [sentence.strip() for sentence in _SENTENCE.split(text) if sentence.strip()]


def words(text: str) -> list[str]:
    """Give the words in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def phrase(text: str) -> str:
    """Bring a noun phrase to one form, so that `Code-word` and `code word` are the same."""
    return " ".join(words(text))


def statements(turns: Iterable[Turn]) -> dict[str, str]:
    """Collect what was stated, `the code word is tangerine` and the like, by what it is about.

    Assistant turns do not count, and the latest statement wins.
    """
    stated: dict[str, str] = {}
    for turn in turns:
        if turn.role != "assistant":
            for sentence in sentences(turn.text):
                if not sentence.endswith("?"):
                    stated.update(_stated_in(sentence))
    return stated


def _stated_in(sentence: str) -> Iterator[tuple[str, str]]:
    for what, pattern in _ASIDE:
        match = pattern.search(sentence)
        if match:
            yield what, next(group for group in match.groups() if group)
    match = _STATED.search(sentence)
    while match:
        value = _VALUE_END.sub("", match["value"]).strip().strip("\"'`\u201c\u201d")
        if value:
            yield phrase(match["what"]), value
        match = _STATED.search(sentence, match.start("value"))


def places(text: str) -> list[str]:
    """List the places named after `in`, `for`, `near` and the like: `Paris and Rome`; `Paris, France` is one."""
    found: list[str] = []
    for match in _PLACES.finditer(text):
        group = match[1]
        found += _JOINT.split(group) if re.search(r"\sand\s", group) else [group]
    if not found:
        found = _PLACE_WORD.findall(text)
    return [place for place in dict.fromkeys(found) if place not in _NOT_PLACES]


def numbers(text: str) -> list[int | float]:
    """List the numbers, dates left out."""
    bare = without_dates(text)
    return [float(number) if "." in number else int(number) for number in _NUMBER.findall(bare)]


def dates(text: str) -> list[str]:
    """List the ISO dates."""
    return _DATE.findall(text)


def without_dates(text: str) -> str:
    """Blank out the ISO dates, which look like subtractions."""
    return _DATE.sub(" ", text)
