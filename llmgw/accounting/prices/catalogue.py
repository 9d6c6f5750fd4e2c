"""The published prices of models, brought along: `genai-prices`, flattened by `flatten.py`; never fetched.

A model is found by the clauses of its entry. Its prices are as in the package: US dollars for a million tokens, or
for a thousand things. `periods` hold from a date or between two times of the day, and the last that holds counts;
`variants` change single prices for ways of serving a call.
"""

import gzip
import re
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


class _Provider(Struct, frozen=True, kw_only=True):
    fallback: tuple[str, ...] = ()
    models: tuple[Entry, ...]


class Catalogue(Struct, frozen=True, kw_only=True):
    """All published prices of one version of the package."""

    source: str
    version: str
    licence: str
    providers: dict[str, _Provider]

    def find(self, kind: str, model: str) -> Entry | None:
        """Find a model of a provider kind by any name it goes by; None where it has no price."""
        provider = self.providers.get(PROVIDERS.get(kind, ""))
        if provider is None:
            return None
        name = model.lower().rpartition("models/")[2]
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
        for each in dict.fromkeys((name, dashed)):
            for listed in (provider, *(self.providers[other] for other in provider.fallback)):
                for entry in listed.models:
                    if _matches(entry.match, each):
                        return entry
        return None


@cache
def catalogue() -> Catalogue:
    """Read the catalogue as it is installed, once."""
    packed = (files(__package__) / FILE).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Catalogue)


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
