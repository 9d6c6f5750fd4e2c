"""What a key may call: a list of names and patterns, held against what a call names."""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from llmgw.types.errors import ModelNotAllowed

ENTRIES_MAX: Final = 64
"""Entries of one key's list."""
ENTRY: Final = re.compile(r"(?:api:|prompt:)?[^\s\x00-\x1f\x7f]{1,256}")
"""An alias, `provider/model`, `api:` with an API's slug or `prompt:` with a prompt's name; `*` is any run."""
API: Final = "api:"
PROMPT: Final = "prompt:"
_SHOWN: Final = 64
_NAME_MAX: Final = 512
_REMEMBERED: Final = 2048


class Allowance(Struct, frozen=True):
    """The entries of one list.

    A `*` before the first `/` never stands for one, so `*` is every alias without a slash and no `provider/model`.
    """

    entries: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether an entry names this; `api:` and `prompt:` are part of the name."""
        # Nothing longer can be called, and what is remembered is bounded.
        return len(name) <= _NAME_MAX and _any_fits(self.entries, name)

    def has_model(self, name: str) -> bool:
        """Whether an entry names this alias or `provider/model`, whatever it looks like."""
        return not kind_of(name) and self.has(name)

    def require(self, model: str, *, slug: str = "", prompt: str = "") -> None:
        """Let a call pass that names a model, or gets it from a prompt, called as an API where there is a `slug`.

        Raises:
            ModelNotAllowed: the list has neither the model nor what it came from.
        """
        if self.has_model(model):
            return
        if (slug and self.has(API + slug)) or (prompt and self.has(PROMPT + prompt)):
            return
        if slug or prompt:
            raise ModelNotAllowed(
                "this key may call neither this "
                f"{'API' if slug else 'prompt'} nor the model behind it; ask for it: POST /v1/me/requests"
            )
        shown = model if len(model) <= _SHOWN else model[:_SHOWN] + "…"
        raise ModelNotAllowed(
            f"this key may not call the model {shown!r}; GET /v1/models lists what it may, "
            "POST /v1/me/requests asks for more",
            param="model",
        )


def kind_of(entry: str) -> str:
    """What an entry or a name is of: an API, a prompt, or, where it is empty, a model."""
    return next((kind for kind in (API, PROMPT) if entry.startswith(kind)), "")


@lru_cache(maxsize=_REMEMBERED)
def _any_fits(entries: tuple[str, ...], name: str) -> bool:
    return any(_fits(entry, name) for entry in entries)


def _fits(pattern: str, name: str) -> bool:
    if kind_of(pattern) != kind_of(name):
        return False
    if "*" not in pattern:
        return pattern == name
    first, slash, rest = pattern.partition("/")
    name_first, name_slash, name_rest = name.partition("/")
    return slash == name_slash and _covers(first, name_first) and _covers(rest, name_rest)


def _covers(pattern: str, text: str) -> bool:
    """Whether `*` in the pattern can stand for the rest of the text; each run is sought once, leftmost first."""
    head, *runs = pattern.split("*")
    if not runs:
        return pattern == text
    tail = runs.pop()
    if len(text) < len(head) + len(tail) or not (text.startswith(head) and text.endswith(tail)):
        return False
    place, end = len(head), len(text) - len(tail)
    for run in runs:
        found = text.find(run, place, end)
        if found < 0:
            return False
        place = found + len(run)
    return True
