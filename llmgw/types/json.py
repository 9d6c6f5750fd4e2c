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
_UNSTRUCTURAL = bytes(byte for byte in range(256) if byte not in b'[]{}"\\')
_BRACES_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ESCAPES = re.compile(rb"\\.", re.DOTALL)
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
    # Counting brackets is never too low, so the exact measure runs for large or suspicious bodies only.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _deeper_than_cap(body):
        raise InvalidJson(f"JSON is nested deeper than {MAX_DEPTH} levels")
    return value


def _deeper_than_cap(valid: bytes) -> bool:
    """Whether valid JSON nests too deep: each pass removes the innermost level, at the speed of `bytes`."""
    brackets = _STRINGS.sub(b"", _ESCAPES.sub(b"", valid).translate(None, _UNSTRUCTURAL))
    brackets = brackets.translate(_BRACES_AS_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
