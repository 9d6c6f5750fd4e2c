"""Knobs: how the simulator shall behave, said in the model's name."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Struct

FAMILY = "sim"
LISTED = (
    FAMILY,
    f"{FAMILY}-think",
    f"{FAMILY}-ttft-200ms",
    f"{FAMILY}-chunk-10ms",
    f"{FAMILY}-fail-503",
    f"{FAMILY}-cut-after-5",
)
"""The models that are listed; any other name that `parse` understands works as well."""
_MOST_CHUNKS = 100_000
_LARGEST_KB = 65_536


class UnknownKnob(Exception):
    """The name begins with `sim-` but says something that no knob understands."""


class Knobs(Struct, frozen=True, kw_only=True):
    """How to answer; the defaults are a healthy provider without delays.

    `*_after` count content chunks; `fail_times` is how many of equal requests fail before one succeeds, None
    for all of them.
    """

    think: bool = False
    redacted: bool = False
    strict: bool = False
    auth: bool = False
    ttft_s: float = 0.0
    chunk_s: float = 0.0
    chunks: int | None = None
    big_kb: int | None = None
    fail: int | None = None
    fail_times: int | None = None
    retry_after_s: int | None = None
    rate: int | None = None
    rate_window_s: int = 1
    cut_after: int | None = None
    stall_after: int | None = None
    reset: bool = False
    reset_after: int | None = None
    error_after: int | None = None
    hang: bool = False
    garbage: bool = False
    html: bool = False
    empty: bool = False
    nodone: bool = False
    nousage: bool = False
    reads: int | None = None
    """Tokens at the end of a prompt that are read; what stands before them is passed over without a word."""


_Fields: TypeAlias = dict[str, Any]
_Reader: TypeAlias = Callable[[re.Match[str]], _Fields]


def _flag(name: str) -> _Reader:
    return lambda _: {name: True}


def _integer(name: str) -> _Reader:
    return lambda match: {name: int(match[1])}


def _seconds(name: str) -> _Reader:
    return lambda match: {name: int(match[1]) / (1000 if match[2] == "ms" else 1)}


def _fail(match: re.Match[str]) -> _Fields:
    status = int(match["status"])
    fields: _Fields = {"fail": status}
    if match["once"]:
        fields["fail_times"] = 1
    elif match["times"]:
        fields["fail_times"] = int(match["times"])
    if match["after"]:
        fields["retry_after_s"] = int(match["after"])
    elif status == 429:
        fields["retry_after_s"] = 1
    return fields


def _rate(match: re.Match[str]) -> _Fields:
    return {"rate": int(match[1]), "rate_window_s": int(match[2] or 1)}


def _reset(match: re.Match[str]) -> _Fields:
    return {"reset_after": int(match[1])} if match[1] else {"reset": True}


_GRAMMAR: tuple[tuple[str, _Reader], ...] = (
    (r"think", _flag("think")),
    (r"redacted", _flag("redacted")),
    (r"strict", _flag("strict")),
    (r"auth-401", _flag("auth")),
    (r"ttft-(\d{1,6})(ms|s)", _seconds("ttft_s")),
    (r"chunk-(\d{1,6})(ms|s)", _seconds("chunk_s")),
    (r"chunks-(\d{1,6})", _integer("chunks")),
    (r"big-(\d{1,6})kb", _integer("big_kb")),
    (
        r"fail-(?P<status>[45]\d\d)(?:-(?P<once>once)|-times-(?P<times>\d{1,4}))?(?:-after-(?P<after>\d{1,6})s)?",
        _fail,
    ),
    (r"rate-(\d{1,6})(?:-per-([1-9]\d{0,4})s)?", _rate),
    (r"cut-after-(\d{1,6})", _integer("cut_after")),
    (r"stall-after-(\d{1,6})", _integer("stall_after")),
    (r"reset(?:-after-(\d{1,6}))?", _reset),
    (r"error-in-stream(?:-after-(\d{1,6}))?", lambda match: {"error_after": int(match[1] or 2)}),
    (r"hang", _flag("hang")),
    (r"garbage", _flag("garbage")),
    (r"html", _flag("html")),
    (r"empty", _flag("empty")),
    (r"nodone", _flag("nodone")),
    (r"nousage", _flag("nousage")),
    (r"reads-(\d{1,7})", _integer("reads")),
)
_KNOBS = tuple((re.compile(f"-{pattern}(?=-|$)"), reader) for pattern, reader in _GRAMMAR)


@lru_cache(maxsize=1024)
def parse(model: str) -> Knobs:
    """Read a model's name; one that is not of the family `sim` is a plain simulator under another name.

    Raises:
        UnknownKnob: a knob does not exist, is out of range, or is set twice.
    """
    if model != FAMILY and not model.startswith(f"{FAMILY}-"):
        return Knobs()
    fields: _Fields = {}
    position = len(FAMILY)
    while position < len(model):
        knob = _knob_at(model, position)
        if knob is None or fields.keys() & knob[1].keys():
            raise UnknownKnob(model)
        position = knob[0]
        fields.update(knob[1])
    knobs = Knobs(**fields)
    if (knobs.chunks or 0) > _MOST_CHUNKS or (knobs.big_kb or 0) > _LARGEST_KB:
        raise UnknownKnob(model)
    return knobs


def _knob_at(model: str, position: int) -> tuple[int, _Fields] | None:
    for pattern, reader in _KNOBS:
        match = pattern.match(model, position)
        if match:
            return match.end(), reader(match)
    return None
