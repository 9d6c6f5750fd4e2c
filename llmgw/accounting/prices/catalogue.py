"""The published prices of models, brought along: `genai-prices`, flattened by `flatten.py`; never fetched.

A model is found by the clauses of its entry. Its prices are as in the package: US dollars for a million tokens, or
for a thousand things. `periods` hold from a date or between two times of the day, and the last that holds counts;
`variants` change single prices for ways of serving a call.
"""

import gzip
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.types.json import Json

FILE: Final = "genai-prices.json.gz"

PROVIDERS: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "google",
    "xai": "x-ai",
    "zai": "zai",
    "zhipu": "zhipuai",
}
"""The catalogue's providers by kind; kinds that are not here have no published prices."""

Price: TypeAlias = str | tuple[str, tuple[tuple[int, str], ...]]
"""US dollars, or those and what replaces them for all tokens of a call with more input than so many tokens."""
Prices: TypeAlias = dict[str, Price]

_COMPACT_DATE: Final = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Period(Struct, frozen=True, kw_only=True):
    """Prices that hold from the unix second `start`, or between two seconds of each day in UTC."""

    start: int = msgspec.field(default=0, name="from")
    between: tuple[int, int] | None = None
    prices: Prices

    def holds(self, at_s: int) -> bool:
        """Whether they hold at a unix second."""
        if self.between is None:
            return at_s >= self.start
        begin, end = self.between
        second = at_s % 86_400
        return begin <= second < end if begin <= end else second >= begin or second < end


class Variant(Period, frozen=True, kw_only=True):
    """Prices that hold for calls that were served as `when` says."""

    when: dict[str, str]


class Entry(Struct, frozen=True, kw_only=True):
    """One model; `match` is a clause: its word, and a text or further clauses."""

    id: str
    match: Json = None
    periods: tuple[Period, ...]
    variants: tuple[Variant, ...] = ()


class Provider(Struct, frozen=True, kw_only=True):
    """The models of one provider; those of the ones in `fallback` are its models, too."""

    fallback: tuple[str, ...] = ()
    models: tuple[Entry, ...]


class _Published(Struct, frozen=True, kw_only=True):
    """The catalogue as it is installed."""

    source: str
    version: str
    licence: str
    providers: dict[str, msgspec.Raw]


class Providers(Mapping[str, Provider]):
    """The catalogue's providers, each read when it is first asked for: all of them take 2 MiB, and few are used."""

    def __init__(self, published: Mapping[str, msgspec.Raw]) -> None:
        self._published = published
        self._read: dict[str, Provider] = {}

    def __getitem__(self, name: str) -> Provider:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = msgspec.json.decode(self._published[name], type=Provider)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._published

    def __iter__(self) -> Iterator[str]:
        return iter(self._published)

    def __len__(self) -> int:
        return len(self._published)


class Catalogue(Struct, frozen=True, kw_only=True):
    """All published prices of one version of the package."""

    source: str
    version: str
    licence: str
    providers: Mapping[str, Provider]

    def read(self, kind: str) -> None:
        """Read the models of a provider kind, so that no call waits for it."""
        if kind in PROVIDERS:
            self._listed(PROVIDERS[kind])

    def find(self, kind: str, model: str) -> Entry | None:
        """Find a model of a provider kind by any name it goes by; None where it has no price."""
        listed = self._listed(PROVIDERS.get(kind, ""))
        name = model.lower().rpartition("models/")[2]
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
        for each in dict.fromkeys((name, dashed)):
            for provider in listed:
                for entry in provider.models:
                    if _matches(entry.match, each):
                        return entry
        return None

    def _listed(self, name: str) -> list[Provider]:
        """A provider and those it falls back to; nothing where it is not in here."""
        provider = self.providers.get(name)
        if provider is None:
            return []
        return [provider, *(self.providers[other] for other in provider.fallback)]


@cache
def catalogue() -> Catalogue:
    """Read the catalogue as it is installed, once."""
    packed = (files(__package__) / FILE).read_bytes()
    published = msgspec.json.decode(gzip.decompress(packed), type=_Published)
    return Catalogue(
        source=published.source,
        version=published.version,
        licence=published.licence,
        providers=Providers(published.providers),
    )


def _matches(clause: Json, name: str) -> bool:
    word, what = clause
    match word:
        case "equals":
            return name == str(what).lower()
        case "starts":
            return name.startswith(str(what).lower())
        case "ends":
            return name.endswith(str(what).lower())
        case "contains":
            return str(what).lower() in name
        case "regex":
            return re.search(what, name) is not None
        case "or":
            return any(_matches(each, name) for each in what)
        case _:
            return all(_matches(each, name) for each in what)
