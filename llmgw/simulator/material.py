"""What there is to fill JSON with: values that a conversation offers for a member's name."""

import re
from collections.abc import Iterator

from llmgw.simulator import facts
from llmgw.simulator.transcript import Prompt
from llmgw.types.json import Json

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"https?://[^\s\"'<>]+")
_PLACE_NAMES = frozenset({"city", "location", "place", "town", "destination", "country", "region", "where"})
_PLURAL_PLACES = frozenset({"cities", "locations", "places", "towns", "destinations", "countries", "regions"})
_WHOLE_TEXT = frozenset(
    {"query", "question", "text", "message", "input", "prompt", "request", "content", "q"}
)
_DAY_NAMES = frozenset({"date", "day", "when"})


def name_words(name: str) -> list[str]:
    """Cut an identifier into lower-case words: `getWeather`, `get_weather` and `get-weather` are alike."""
    return facts.words(_CAMEL.sub(" ", name))


def is_place(name: str) -> bool:
    """Whether a member of this name holds one place."""
    parts = name_words(name)
    return bool(parts) and parts[-1] in _PLACE_NAMES


class Material:
    """Offers values found in a conversation; the newest user message first, then statements of earlier turns."""

    def __init__(self, prompt: Prompt, place: str | None = None) -> None:
        self.text = prompt.last_user_text
        self._stated = facts.statements(prompt.turns)
        self._places = [place] if place else facts.places(self.text)
        self._numbers = facts.numbers(self.text)
        self._words = set(facts.words(self.text))

    def mentions(self, value: Json) -> bool:
        """Whether the words of a value occur in the newest user message."""
        own = facts.words(str(value))
        return bool(own) and self._words.issuperset(own)

    def offers(self, name: str) -> Iterator[Json]:
        """Yield values for a member, likeliest first, as text or list of texts; the schema decides what fits."""
        parts = name_words(name)
        if not parts:
            return
        yield from self._labelled(parts)
        last = parts[-1]
        if last in _PLACE_NAMES:
            yield from self._places[:1]
        if last in _PLURAL_PLACES and self._places:
            yield list(self._places)
        for key in (" ".join(parts), last):
            if key in self._stated:
                yield from _readings(self._stated[key])
        if last in _DAY_NAMES:
            yield from facts.dates(self.text)
        if last == "email":
            yield from _EMAIL.findall(self.text)
        if last in {"url", "uri", "link"}:
            yield from _URL.findall(self.text)
        if last in _WHOLE_TEXT and self.text:
            yield self.text

    def number(self, *, whole: bool) -> int | float | None:
        """Take the next number of the newest user message that nobody has taken."""
        for index, number in enumerate(self._numbers):
            if not whole or isinstance(number, int):
                return self._numbers.pop(index)
        return None

    def _labelled(self, parts: list[str]) -> Iterator[Json]:
        label = r"[\s_-]+".join(re.escape(part) for part in parts)
        pattern = rf"\b{label}[\"']?\s*(?:is\s+|are\s+|=|:)\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,;]+))"
        match = re.search(pattern, self.text, re.IGNORECASE)
        if match:
            quoted = match[1] or match[2]
            yield from _readings(quoted or match[3].rstrip(".!?)]}"))


def _readings(text: str) -> Iterator[Json]:
    """The text, and what else it may mean: a number, a truth."""
    found = facts.numbers(text)
    if len(found) == 1 and str(found[0]) == text:
        yield found[0]
    if text.lower() in {"true", "yes"}:
        yield True
    if text.lower() in {"false", "no"}:
        yield False
    yield text
    if len(found) == 1 and str(found[0]) != text:
        yield found[0]
