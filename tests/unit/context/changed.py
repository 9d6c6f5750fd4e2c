"""Documents near the valid ones: members missing, too many, of another type, out of range, in the wrong place."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st
from llmgw.context.protocol import Kind
from llmgw.types import json
from llmgw.types.scalars import MAX_COUNT
from tests.unit.context.documents import VALUES

_ODD: Final[st.SearchStrategy[Any]] = st.sampled_from([
    None, True, False, 0, 1, -1, 0.5, 1.5, -0.1, 2, 17, 59, 60, 399, 400, 600, 1001, 1023, MAX_COUNT, MAX_COUNT + 1,
    10**30, -(10**30), 1e-300, "", "x", "\0", "\n", "٣", "a" * 256, "a" * 257, "𝄞" * 257, "0" * 16, "0" * 64,
    "type", "text", "media", "tool_call", "complete", "incomplete", "redacted", "repair", "pass", "c1",
    "window.fit", "a/1", "/a", "~", "2026-11-27T12:17:20.000Z", [], [None], [[]], [0, 1], [[0, 1]], ["x"], [{}],
    {}, {"x": 1}, {"type": "text", "text": "x"}, [{"type": "text", "text": "x"}], {"type": "tool_call"}, {"": {}},
    {"first": 1, "last": 0, "digest": "sha256:" + "0" * 64}, {"tool.pairing": "off"}, {"c1": "skip"},
    {"protocol": "p", "value": "v"}, {str(number): number for number in range(17)},
])  # fmt: skip
"""Values that stand where something else should, or just where they may."""

_NAMES: Final = st.sampled_from([
    "id", "seq", "role", "type", "text", "kind", "url", "blob", "base64", "seal", "parts", "status", "content",
    "value", "name", "protocol", "compaction", "raw", "rev", "rules", "fit", "schema", "data", "score", "checks",
    "sent", "tokens", "losses", "violations", "pointer", "level", "metadata", "policy", "v", "x",
])  # fmt: skip
_TWISTS: Final = (
    str.upper,
    str.strip,
    lambda text: text + "\n",
    lambda text: "\n" + text,
    lambda text: text[:-1],
    lambda text: text + text,
    lambda text: text.replace("0", "\u0660"),
    lambda text: text.replace(":", "-"),
    lambda text: text.replace("/", "~"),
    lambda text: "",
)


@st.composite
def changed(draw: st.DrawFn, kind: Kind) -> Any:
    """A document of this kind with one to three changes; it may still be one, by luck."""
    document = {"": json.decode(json.encode(draw(VALUES[kind])))}
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = list(_places(document))
        holder, key = draw(st.sampled_from(places))
        match draw(
            st.sampled_from(["drop", "replace", "replace", "null", "empty", "twist", "add", "nest", "move"])
        ):
            case "drop" if holder is not document:
                del holder[key]
            case "replace":
                holder[key] = deepcopy(draw(_ODD))
            case "null":
                holder[key] = None
            case "empty":
                holder[key] = type(holder[key])() if isinstance(holder[key], str | list | dict) else 0
            case "twist" if isinstance(holder[key], str):
                holder[key] = draw(st.sampled_from(_TWISTS))(holder[key])
            case "add" if isinstance(holder[key], dict):
                holder[key][draw(_NAMES)] = deepcopy(draw(_ODD))
            case "nest":
                holder[key] = draw(st.sampled_from([[holder[key]], {"value": holder[key]}]))
            case "move":
                elsewhere, other = draw(st.sampled_from(places))
                holder[key] = deepcopy(elsewhere.get(other) if isinstance(elsewhere, dict) else elsewhere)
    return _as_written(document[""])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Find every place below a value: what holds it, and under which key.

    What is deep inside a value that anything goes for is of little interest, and there is a lot of it.
    """
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        if key not in {"provider_details", "value", "data", "metadata"}:
            yield from _places(value[key])


def _as_written(value: Any) -> Any:
    """Write whole numbers as whole: to a schema 1.0 is an integer, to the protocol it is none."""
    match value:
        case float() if value.is_integer() and abs(value) <= MAX_COUNT:
            return int(value)
        case dict():
            return {name: _as_written(member) for name, member in value.items()}
        case list():
            return [_as_written(item) for item in value]
        case _:
            return value
