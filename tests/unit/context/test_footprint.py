"""What a worker counts of turns is what they take in memory."""

import sys
from typing import Any, Final

import pytest
from llmgw.context.footprint import of_turn
from llmgw.context.kept import Kept, encode_json, from_frame
from llmgw.context.known import History
from llmgw.types.message import MediaPart, Part, Seal, TextPart
from llmgw.types.turn import Binding, RawAnswer, Turn
from msgspec import Struct
from tests.unit.context.turns import call, framed, result, text, turn
from tests.unit.routing.targets import target

NAMES: Final = {"protocol": "openai", "call": f"call_{'0' * 24}"}
ANSWERED: Final[dict[str, Any]] = {
    "source": "provider",
    "finish_reason": "stop",
    "produced_by": Binding(
        provider="openai", kind="openai", protocol="openai", model="gpt-5", account="a" * 16, prefix="b" * 32
    ),
    "raw": RawAnswer(blob=f"sha256:{'0' * 64}", size=934),
}
PICTURE: Final = MediaPart(kind="image", blob=f"sha256:{'1' * 64}", size=100_000, media_type="image/png")


def read(made: Turn) -> Kept:
    """A turn as a worker has it that reads it from the store."""
    return from_frame(framed(made), made.seq, None, "ctx")


def memory(root: object, seen: set[int] | None = None) -> int:
    """Bytes of everything that can be reached from here, each thing once."""
    seen = set() if seen is None else seen
    if id(root) in seen or isinstance(root, type | bool | None):
        return 0
    seen.add(id(root))
    within: list[object] = []
    if isinstance(root, Struct):
        within = [getattr(root, name) for name in root.__struct_fields__]
    elif isinstance(root, dict):
        within = [*root.keys(), *root.values()]
    elif isinstance(root, list | tuple):
        within = list(root)
    return sys.getsizeof(root) + sum(memory(each, seen) for each in within)


@pytest.mark.parametrize(
    ("parts", "more"),
    [
        ((text("a"),), {}),
        ((text("word " * 5_000),), {}),
        ((text("слово " * 200),), {}),
        ((text("a word and a smile 😀" + "x" * 1_000),), {}),
        ((text("an answer " * 50),), ANSWERED),
        ((text(), call("c1"), call("c2")), ANSWERED),
        ((result("c1", "found " * 300),), {}),
        ((text("look at this"), PICTURE), {}),
        ((TextPart(text="sealed", seal=Seal(protocol="gemini", value="s" * 2_000)),), {}),
    ],
)
def test_a_turn_counts_what_it_takes(parts: tuple[Part, ...], more: dict[str, Any]) -> None:
    """Whatever it holds, and whatever characters its words are of: no less than it takes, and little more."""
    held = read(turn(1_000, "user", *parts, **NAMES, **more))
    shared = sum(map(sys.getsizeof, (held.turn.role, held.turn.status, held.turn.source, held.home)))
    took = memory(held) - shared
    assert took <= of_turn(held) <= 1.2 * took + 32


@pytest.mark.parametrize("length", [10, 100, 1_000])
def test_a_conversation_counts_what_it_takes(length: int) -> None:
    """With its numbers of tokens and what a target was told, long or short: the whole of it, within a quarter."""
    known = History((), None, 1)
    known.add(
        [
            read(turn(seq, "user", text(f"{seq} {'word ' * 60}"), **NAMES, **(ANSWERED if seq % 2 else {})))
            for seq in range(length)
        ],
        b"link",
    )
    memo = known.begin_memo(target("static/static"))
    known.tokens["o200k_base"] = {each.seq: 1_000 + each.seq for each in known.turns}
    for each in known.turns:
        memo.keep(each.message, encode_json(each.message))
    took = memory([known.turns, known.tokens, memo.words])
    assert took <= known.size <= 1.25 * took
