"""Other people's JSON is read whole or refused, and never nests deeper than the rest of the program goes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.types import json
from llmgw.types.errors import InvalidJson

TRICKY = st.text(alphabet='[]{}"\\n,: é', max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(0, 9) | TRICKY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TRICKY, inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    """How many objects and lists are inside each other at most."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def nested(levels: int, value: bytes = b"1") -> bytes:
    """Objects and lists in turn around a value."""
    body = value
    for level in range(levels):
        body = b"[%b]" % body if level % 2 else b'{"a":%b}' % body
    return body


def is_read(body: bytes) -> bool:
    """Whether the body is not refused for its depth."""
    try:
        json.decode(body)
    except InvalidJson as refusal:
        return "nested" not in refusal.message
    return True


@pytest.mark.parametrize("padding", [0, 1000, 100_000])
@pytest.mark.parametrize(
    "noise",
    [b"", rb"[{[{" * 100, rb"}]" * 100, rb"\"[\"" * 100, rb"\\", rb"\\\"[", rb"\n\u005b\\[\\\\\"{" * 50],
    ids=["none", "opening", "closing", "quotes", "backslash", "both", "all"],
)
def test_the_deepest_nesting_is_exact(noise: bytes, padding: int) -> None:
    """128 levels are read and 129 are not, whatever stands in strings and however long the body is."""
    text = b'"%b%b"' % (noise, b" " * padding)
    flat = b",".join([b"[[],{}]"] * (padding // 100))
    for levels, expected in ((json.MAX_DEPTH, True), (json.MAX_DEPTH + 1, False)):
        deep = nested(levels - 1, b"[]")
        body = b"[%b,%b,[%b],%b]" % (text, nested(levels - 2, b"[]"), flat, text)
        assert expected == is_read(deep)
        assert expected == is_read(deep.replace(b"[]", b"[%b]" % text))
        assert expected == is_read(body)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, around=st.integers(110, 130), padding=st.sampled_from([0, 300, 5000]))
def test_depth_is_that_of_the_value(value: Any, around: int, padding: int) -> None:
    """Brackets, quotes and escapes in texts and names are no levels."""
    body = nested(around, json.encode([value, [[]] * 150, "." * padding]))
    assert (around + 1 + max(depth(value), 2) <= json.MAX_DEPTH) == is_read(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b"[Infinity]", b"1e999", b'"\xff"', b"\xef\xbb\xbf1", rb'"\ud800"', b"1 2", b"[1,]"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Bad syntax, numbers beyond a double, invalid UTF-8, a byte-order mark and lone surrogates."""
    with pytest.raises(InvalidJson, match="not valid JSON"):
        json.decode(body)


def test_nesting_beyond_any_stack_is_refused() -> None:
    """A body of nothing but brackets is an error of the caller, not of ours."""
    assert not is_read(b"[" * 100_000 + b"]" * 100_000)
