"""What a provider says it did with a conversation, as losses of the context."""

from typing import Any

import pytest
from llmgw.context.kept import Kept
from llmgw.context.views.bindings import Maker
from llmgw.context.views.fit import Fitted
from llmgw.context.views.view import View, view_of
from llmgw.gateway.echoes import echoed
from llmgw.types.completion import Choice, Completion
from llmgw.types.message import Message
from tests.unit.context.turns import call, held, result, text

READER = Maker(provider="p", kind="anthropic", protocol="anthropic", model="claude-opus-5-5")
PLAIN = [
    held(0, "system", text()), held(1, "user", text()), held(2, "assistant", text()), held(3, "user", text()),
    held(4, "assistant", text()), held(5, "user", text()),
]  # fmt: skip


def seen(turns: list[Kept], dropped: frozenset[int] = frozenset()) -> View:
    """A view of turns."""
    fitted = Fitted(tokens=1, dropped=dropped)
    return view_of(turns, [], fitted, READER, {}, lambda _seq: "")


def answer(protocol: str = "anthropic", *, within: str = "completion", **details: Any) -> Completion:
    """An answer that says something about its input."""
    message = Message(
        role="assistant", parts=(text(),), provider_details=details if within == "message" else {}
    )
    choice = Choice(index=0, message=message, provider_details=details if within == "choice" else {})
    return Completion(
        id="x", model="m", created=0, protocol=protocol, choices=(choice,),
        provider_details=details if within == "completion" else {},
    )  # fmt: skip


def dropped(path: str) -> dict[str, Any]:
    """One block that the model was not shown."""
    return {"type": "thinking_dropped", "path": path, "reason": "model_mismatch"}


def told(completion: Completion, view: View) -> list[tuple[str, str | None, str | None]]:
    """Pointer, turn and detail of each loss."""
    return [(each.pointer, each.turn, each.detail) for each in echoed(completion, view)]


@pytest.mark.parametrize("within", ["completion", "choice", "message"])
def test_a_dropped_block_is_a_loss_of_its_turn(within: str) -> None:
    """The provider's number of a message is translated into the turn that stood there, wherever it is said."""
    completion = answer(within=within, input_transformations=[dropped("messages.1.content.0")])
    assert told(completion, seen(PLAIN)) == [("/turns/2", PLAIN[2].turn.id, "model_mismatch")]


def test_turns_that_were_not_told_are_not_counted() -> None:
    """Numbers are those of the messages that were sent."""
    completion = answer(input_transformations=[dropped("messages.1.content.0")])
    view = seen(PLAIN, frozenset({1, 2}))
    assert told(completion, view) == [("/turns/4", PLAIN[4].turn.id, "model_mismatch")]


@pytest.mark.parametrize(
    "turns",
    [
        [held(0, "user", text()), held(1, "user", text()), held(2, "assistant", text())],
        [held(0, "user", text()), held(1, "system", text()), held(2, "assistant", text())],
        [held(0, "assistant", call("a"), call("b")), held(1, "tool", result("a")), held(2, "tool", result("b")),
         held(3, "assistant", text())],
    ],
    ids=["two in a row", "instructions amid", "two results"],
)  # fmt: skip
def test_where_messages_may_have_been_joined_no_turn_is_named(turns: list[Kept]) -> None:
    """A loss is reported all the same, of the conversation as a whole: a wrong turn is never blamed."""
    for number in (2, 3):
        completion = answer(input_transformations=[dropped(f"messages.{number}.content.0")])
        assert told(completion, seen(turns)) == [("/turns", None, "model_mismatch")]
    first = answer(input_transformations=[dropped("messages.0.content.0")])
    assert told(first, seen(turns)) == [("/turns/0", turns[0].turn.id, "model_mismatch")]


@pytest.mark.parametrize(
    "said",
    [
        None, "x", {}, [1, None, "x"], [{"type": "thinking_kept", "path": "messages.1.content.0"}],
        [{"path": "messages.1.content.0"}],
    ],
)  # fmt: skip
def test_what_is_no_list_of_drops_says_nothing(said: Any) -> None:
    """Whatever else stands there is passed over."""
    assert echoed(answer(input_transformations=said), seen(PLAIN)) == []


@pytest.mark.parametrize(
    "path",
    [
        "",
        "messages",
        "messages.99.content.0",
        "messages.-1.content.0",
        "system.0",
        f"messages.{'9' * 5000}.content.0",
        7,
        None,
    ],
)
def test_a_drop_at_no_known_place_is_still_told(path: Any) -> None:
    """It counts against the context as a whole."""
    assert [each[:2] for each in told(answer(input_transformations=[dropped(path)]), seen(PLAIN))] == [
        ("/turns", None)
    ]


def test_edits_that_cleared_something_are_told() -> None:
    """By their kind; those that cleared nothing are none."""
    edits = [
        {"type": "clear_tool_uses", "cleared_tool_uses": 3, "cleared_input_tokens": 10},
        {"type": "clear_thinking", "cleared_thinking_turns": 0},
        {"type": "x" * 500, "cleared_x": 1},
        {"cleared_x": "3"},
    ]
    found = echoed(answer(context_management={"applied_edits": edits}), seen(PLAIN))
    assert [(each.pointer, each.detail) for each in found] == [
        ("/turns", "clear_tool_uses"),
        ("/turns", "x" * 200),
    ]


def test_other_protocols_say_nothing_of_this() -> None:
    """The same members under another protocol mean nothing here."""
    completion = answer("openai", input_transformations=[dropped("messages.1.content.0")])
    assert echoed(completion, seen(PLAIN)) == []
