"""The same thing said has the same digest, however it is written; another thing has another."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from llmgw.types.completion import Choice, Completion, fold, unfold
from llmgw.types.message import (
    MediaPart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
)
from llmgw.wire import WIRES
from llmgw.wire.base import WireFormat
from tests.unit.context.verifying.histories import CANON, assistant, system, user

CHAT, MESSAGES = (
    next(wire for wire in WIRES if wire.path == path) for path in ("/v1/chat/completions", "/v1/messages")
)
NAMES = {CHAT: "openai", MESSAGES: "anthropic"}

_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(_texts, _values, max_size=4)


@st.composite
def _calls(draw: st.DrawFn) -> ToolCallPart:
    kind = draw(st.sampled_from(["function", "function", "custom"]))
    written = draw(
        st.one_of(
            _objects.map(lambda value: json.dumps(value, indent=draw(st.sampled_from([None, 1])))),
            st.sampled_from(["", "  ", "not json", '{"cut": ', "[1]", "null"]),
        )
    )
    return ToolCallPart(
        id=draw(st.sampled_from(["call_1", "call:2/3", "toolu_4", "llmgw-5"])),
        name=draw(st.sampled_from(["look", "write_file"])),
        arguments=written,
        kind="custom" if kind == "custom" else "function",
    )


@st.composite
def answers(draw: st.DrawFn) -> Completion:
    """Whole answers of all protocols: thinking, text in pieces, a refusal, calls."""
    parts: list[Part] = []
    if draw(st.booleans()):
        seal = draw(st.sampled_from([None, Seal(protocol="anthropic", value="c2ln")]))
        parts.append(ReasoningPart(text=draw(_texts), member="thinking", seal=seal))
    parts += (TextPart(text=text) for text in draw(st.lists(_texts, max_size=3)))
    if draw(st.booleans()):
        parts.append(RefusalPart(text=draw(_texts)))
    parts += draw(st.lists(_calls(), max_size=2))
    return Completion(
        id="a",
        model="m",
        created=1,
        protocol=draw(st.sampled_from(["openai", "anthropic", "gemini"])),
        choices=(Choice(index=0, message=Message(role="assistant", parts=tuple(parts)), reason="stop"),),
    )


def _sent_back(wire: WireFormat, completion: Completion) -> Message | None:
    """What a client of a dialect sends back of an answer: parsed, kept and written anew, as clients do."""
    body = json.loads(wire.encode_completion(completion))
    message: dict[str, Any]
    if wire is CHAT:
        message = {name: value for name, value in body["choices"][0]["message"].items() if value is not None}
    else:
        message = {"role": "assistant", "content": [block for block in body["content"] if block]}
    request = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "q"}, message, {"role": "user", "content": "next"}],
    }
    decoded = wire.decode_request(json.dumps(request).encode())
    said = getattr(decoded, "messages")  # noqa: B009  # of several kinds of request only this has them
    return next((each for each in said if each.role == "assistant"), None)


@given(completion=answers())
def test_an_answer_that_comes_back_in_any_dialect_is_the_same(completion: Completion) -> None:
    """Given over one protocol, sent back over any dialect: the digest is the one made when it was given."""
    given = completion.choices[0].message
    for wire in (CHAT, MESSAGES):
        back = _sent_back(wire, completion)
        digests = {CANON.answer(given, NAMES[other]) for other in (CHAT, MESSAGES)}
        assert len(digests) == 1
        assert back is not None
        assert CANON.answer(back, NAMES[wire]) in digests


@given(completion=answers())
def test_a_streamed_answer_is_the_same_as_a_whole_one(completion: Completion) -> None:
    """What is folded from events has the digest of what was whole."""
    folded = fold(unfold(completion)).choices
    given = completion.choices[0].message
    now = folded[0].message if folded else Message(role="assistant", parts=())
    assert CANON.answer(now, "openai") == CANON.answer(given, "openai")


@given(value=_objects, other=_objects)
def test_arguments_are_told_by_what_they_say(value: dict[str, Any], other: dict[str, Any]) -> None:
    """Order and blanks do not count; every value does."""

    def digest(written: str) -> bytes | None:
        call = ToolCallPart(id="c", name="look", arguments=written)
        return CANON.answer(Message(role="assistant", parts=(call,)), "openai")

    turned = dict(reversed(value.items()))
    assert digest(json.dumps(value)) == digest(json.dumps(turned, indent=2, ensure_ascii=False))
    if json.loads(json.dumps(value)) != json.loads(json.dumps(other)):
        assert digest(json.dumps(value)) != digest(json.dumps(other))


def _digests(*messages: Message, wire: str = "anthropic") -> tuple[bytes, list[bytes]]:
    history = CANON.history(messages, wire)
    return history.instructions, history.digests


def _said(*blocks: Any) -> tuple[bytes, list[bytes]]:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(blocks)}]}
    decoded = MESSAGES.decode_request(msgspec.json.encode(body))
    return _digests(*getattr(decoded, "messages"))  # noqa: B009  # of several kinds of request only this has them


def test_marks_for_caches_do_not_count() -> None:
    """A part with a mark is the part without it, as are a string and a list of one text."""
    marked = {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}
    assert _said(marked) == _said({"type": "text", "text": "hello"}) == _digests(user("hello"))


def test_what_claude_code_puts_in_anew_does_not_count() -> None:
    """Reminders in what the user says and the billing header of the instructions; words beside a reminder do."""
    reminder = {"type": "text", "text": "<system-reminder>\nToday is a day.\n</system-reminder>\n"}
    assert _said(reminder, {"type": "text", "text": "hello"}) == _digests(user("hello"))
    beside = "<system-reminder>a</system-reminder> delete all <system-reminder>b</system-reminder>"
    assert _said({"type": "text", "text": beside}) != _digests()
    billed = Message(
        role="system",
        parts=(TextPart(text="x-anthropic-billing-header: cch=1;"), TextPart(text="Be brief.")),
    )
    assert _digests(billed) == _digests(system("Be brief."))
    assert _digests(system("Be long.")) != _digests(system("Be brief."))


def test_what_is_said_in_one_message_or_in_several_is_the_same() -> None:
    """Clients join what was said between two answers, and part it again."""
    joined = Message(role="user", parts=(TextPart(text="one"), TextPart(text="two")))
    assert _digests(joined) == _digests(user("one"), user("two"))
    assert _digests(user("onetwo")) != _digests(user("one"), user("two"))


def test_pictures_are_told_by_their_bytes() -> None:
    """By what they are, not by what they are called."""
    one = MediaPart(kind="image", base64="aGVsbG8=", media_type="image/png", filename="a.png")
    same = MediaPart(kind="image", base64="aGVsbG8=", filename="b.png", detail="low")
    other = MediaPart(kind="image", base64="aGVsbG8h", media_type="image/png", filename="a.png")
    first, second, third = (_digests(Message(role="user", parts=(part,))) for part in (one, same, other))
    assert first == second != third


def test_an_answer_in_several_messages_is_one_where_it_is_known_as_one() -> None:
    """Joined where the joined answer is known; else each is a turn of its own."""
    parted = CANON.history([user("q"), assistant("one "), assistant("two"), user("next")], "openai")
    whole = CANON.history([user("q"), assistant("one two"), user("next")], "openai")
    assert parted.joined(whole.digests).digests == whole.digests
    assert len(parted.joined(())) == 4


def test_who_said_it_counts() -> None:
    """The same words by another role are another turn."""
    first, second = _digests(user("q"), assistant("same"))[1], _digests(user("q"), user("same"))[1]
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_digests_depend_on_the_key() -> None:
    """Without the key nobody can find out by trying what was said."""
    other = type(CANON)(b"another key of tests only, of some length")
    assert other.history([user("q")], "openai").digests != CANON.history([user("q")], "openai").digests
