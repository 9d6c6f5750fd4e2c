"""JSON in and out: one decoder for bytes that somebody else owns, bounded in depth."""

import re
from typing import Any

import msgspec

from llmgw.types.errors import InvalidJson

MAX_DEPTH = 128
"""Deepest nesting accepted, so that nothing behind the decoder recurses further."""

Json = Any
"""A JSON value somebody else owns: None, bool, int, float, str, list or dict."""

encode = msgspec.json.Encoder().encode
"""Encode a struct or JSON value as compact UTF-8 bytes."""

_decode = msgspec.json.Decoder().decode
_SHORT = 4096
"""Up to so many bytes, counting brackets is quicker than looking for each."""
_UNSTRUCTURAL = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STRINGS = re.compile(rb'"[^"]*"')


def decode(body: bytes) -> Json:
    """Decode JSON bytes.

    Raises:
        InvalidJson: on bad syntax, NaN, Infinity, numbers beyond a double, invalid UTF-8, a byte-order mark,
            lone surrogates, or nesting deeper than `MAX_DEPTH`.
    """
    try:
        value = _decode(body)
    except RecursionError:
        raise InvalidJson(f"JSON is nested deeper than {MAX_DEPTH} levels") from None
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        raise InvalidJson(f"body is not valid JSON: {error}") from None
    # Each level takes two bytes and an opening bracket; only then is the exact measure worth its time.
    if len(body) > 2 * MAX_DEPTH and _has_many_brackets(body) and _deeper_than_cap(body):
        raise InvalidJson(f"JSON is nested deeper than {MAX_DEPTH} levels")
    return value


def _has_many_brackets(body: bytes) -> bool:
    """Whether there are more opening brackets than levels allowed, in strings too: never false of a deep body."""
    if len(body) <= _SHORT:
        return body.count(b"[") + body.count(b"{") > MAX_DEPTH
    # Counting reads each byte of a long body; `find` leaps over text and pictures, and has seen enough early.
    seen = 0
    for bracket in (b"[", b"{"):
        place = body.find(bracket)
        while place >= 0:
            seen += 1
            if seen > MAX_DEPTH:
                return True
            place = body.find(bracket, place + 1)
    return False


def _deeper_than_cap(valid: bytes) -> bool:
    """Whether valid JSON nests too deep: each pass removes the innermost level, at the speed of `bytes`."""
    if b"\\" in valid:
        # In this order: what is left of a run of backslashes then escapes the character behind it.
        valid = valid.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side end what they begin, or begin what they end: without them, all else is inside or
    # outside a string as before. Only strings with brackets are left for the slower search.
    brackets = valid.translate(_BRACES_AS_BRACKETS, _UNSTRUCTURAL).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRINGS.sub(b"", brackets)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
