"""Seals of other protocols in OpenAI's dialect: out with the answer, home with the next request."""

from collections.abc import Iterator
from typing import Any

from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    Opaque,
    ReasoningDelta,
    Sealed,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from llmgw.types.message import OpaquePart, Part, ReasoningPart, Seal, TextPart, ToolCallPart
from llmgw.types.openai_seals import with_seals
from llmgw.wire.openai.chat import WIRE
from tests.contract.exchange import STREAMED, asked

SIGNED = Seal(protocol="anthropic", value="c2lnbmVk+/=")
HIDDEN = Seal(protocol="anthropic", value="aGlkZGVu", kind="encrypted")
THOUGHT = Seal(protocol="gemini", value="dGhvdWdodA==")

ANSWER: list[StreamEvent] = [
    Start(id="msg_1", model="claude", created=1, protocol="anthropic", extra=Extra(chunk={"container": 1})),
    ReasoningDelta(text="Let me ", member="thinking", part=0),
    ReasoningDelta(text="see.", member="thinking", part=0),
    Sealed(seal=SIGNED, part=0),
    Sealed(seal=HIDDEN, part=1),
    TextDelta(text="Calling.", part=2, extra=Extra(part={"citations": [{"cited_text": "x"}]})),
    ToolCallDelta(
        index=0, id="toolu_1", name="look", arguments='{"a":1}', part=3, call_details={"caller": 1}
    ),
    ChoiceEnd(reason="tool_calls", native_reason="tool_use", extra=Extra(choice={"stop_sequence": "x"})),
    Finish(),
]


def whole(events: list[StreamEvent]) -> dict[str, Any]:
    """The message of a whole answer, as the caller gets it."""
    body = json.decode(WIRE.encode_completion(fold(events)))
    message: dict[str, Any] = body["choices"][0]["message"]
    return message


def streamed(events: list[StreamEvent]) -> list[dict[str, Any]]:
    """The deltas of a stream, as the caller gets them."""
    encoder = WIRE.encoder(STREAMED)
    written = b"".join(map(encoder.encode, events)).split(b"\n\n")
    chunks = [json.decode(event.removeprefix(b"data: ")) for event in written if event.startswith(b"data: {")]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


def home(message: dict[str, Any]) -> tuple[Part, ...]:
    """The parts of an assistant message that a client sends back as it got it."""
    conversation = [{"role": "user", "content": "hi"}, message]
    return asked(messages=conversation).messages[1].parts


def test_signed_reasoning_comes_home_byte_for_byte() -> None:
    """A client that sends the message back returns each thinking part with its own seal, in order."""
    parts = home(whole(ANSWER))
    assert parts[:2] == (
        ReasoningPart(text="Let me see.", member="reasoning_details", seal=SIGNED),
        ReasoningPart(text="", member="reasoning_details", seal=HIDDEN),
    )


def test_a_stream_gives_the_same_details_as_a_whole_answer() -> None:
    """The items of all deltas, one after the other, are those of the whole message."""
    items = [item for delta in streamed(ANSWER) for item in delta.get("reasoning_details", ())]
    assert items == whole(ANSWER)["reasoning_details"]
    assert [item["type"] for item in items] == ["reasoning.text", "reasoning.encrypted"]


def test_a_tool_calls_signature_stands_where_google_has_it() -> None:
    """It goes out in `extra_content` of the call, whole and streamed, and comes home as the call's seal."""
    events: list[StreamEvent] = [
        Start(id="r", model="gemini", created=1, protocol="gemini"),
        ToolCallDelta(index=0, id="call_1", name="look", arguments="{}"),
        Sealed(seal=THOUGHT, call=0),
        ChoiceEnd(reason="tool_calls", native_reason="STOP"),
        Finish(),
    ]
    message = whole(events)
    google = {"google": {"thought_signature": THOUGHT.value}}
    assert message["tool_calls"][0]["extra_content"] == google
    assert [
        call.get("extra_content") for delta in streamed(events) for call in delta.get("tool_calls", ())
    ] == [
        None,
        google,
    ]
    call = home(message)[-1]
    assert isinstance(call, ToolCallPart)
    assert (call.seal, call.provider_details) == (THOUGHT, {})


def test_a_texts_signature_comes_home_on_the_text() -> None:
    """What seals the text is told apart from reasoning, which there is none of."""
    events: list[StreamEvent] = [
        Start(id="r", model="gemini", created=1, protocol="gemini"),
        TextDelta(text="Paris."),
        Sealed(seal=THOUGHT),
        ChoiceEnd(reason="stop", native_reason="STOP"),
        Finish(),
    ]
    assert home(whole(events)) == (TextPart(text="Paris.", seal=THOUGHT),)


def test_details_of_another_protocol_stay_out_of_this_dialect() -> None:
    """Members of Anthropic's message, choice and call are not written; citations are, where clients may look."""
    body = json.decode(WIRE.encode_completion(fold(ANSWER)))
    assert "container" not in body
    assert "stop_sequence" not in body["choices"][0]
    assert "caller" not in body["choices"][0]["message"]["tool_calls"][0]
    assert body["choices"][0]["message"]["citations"] == [{"cited_text": "x"}]
    deltas = streamed(ANSWER)
    assert [delta["citations"] for delta in deltas if "citations" in delta] == [[{"cited_text": "x"}]]
    assert not any("caller" in call for delta in deltas for call in delta.get("tool_calls", ()))


def test_parts_only_their_protocol_understands_are_handed_on_as_they_came() -> None:
    """A server tool's call is neither dropped nor dressed up."""
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    events: list[StreamEvent] = [
        Start(id="m", model="claude", created=1, protocol="anthropic"),
        Opaque(value=OpaquePart(protocol="anthropic", kind="server_tool_use", value=block)),
        Detail(extra=Extra(choice={"unknown": 1})),
        TextDelta(text="Found.", part=1),
        ChoiceEnd(reason="stop", native_reason="end_turn"),
        Finish(),
    ]
    assert whole(events)["content_parts"] == [block]
    assert [delta["content_parts"] for delta in streamed(events) if "content_parts" in delta] == [[block]]


def test_details_of_formats_nobody_here_knows_stay_as_they_came() -> None:
    """Items of OpenRouter's other formats are no seals; they ride along, and the plain text still counts."""
    details = [{"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1"}]
    message = {"role": "assistant", "content": "x", "reasoning_content": "y", "reasoning_details": details}
    invocation = asked(messages=[{"role": "user", "content": "hi"}, message])
    assert invocation.messages[1].parts[0] == ReasoningPart(text="y")
    assert invocation.messages[1].provider_details == {"reasoning_details": details}


def test_gemini_details_with_a_calls_id_seal_that_call() -> None:
    """OpenRouter's form of a Gemini signature names the call it belongs to."""
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in "ab"
        ],
        "reasoning_details": [
            {"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": "b", "data": "c2ln"}
        ],
    }
    calls = [part for part in home(message) if isinstance(part, ToolCallPart)]
    assert [call.seal for call in calls] == [None, Seal(protocol="gemini", value="c2ln")]


def test_seals_are_sought_once_per_message() -> None:
    """Each part is looked at a fixed number of times, however many seals there are for ids that no call has."""

    class Counted(list[Part]):
        looked = 0

        def __getitem__(self, place: Any) -> Any:
            self.looked += 1
            return super().__getitem__(place)

        def __iter__(self) -> Iterator[Part]:
            for part in super().__iter__():
                self.looked += 1
                yield part

    parts = Counted(ToolCallPart(id=f"call_{number}", name="f", arguments="{}") for number in range(300))
    details = [
        {"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": f"none_{number}", "data": "c2ln"}
        for number in range(300)
    ]
    assert with_seals(parts, details) == tuple(parts)
    assert parts.looked <= 4 * len(parts)


def test_calls_of_one_id_are_sealed_from_the_last() -> None:
    """A second seal for an id goes to the call before; one more has no place."""
    calls: list[Part] = [ToolCallPart(id="a", name=name, arguments="{}") for name in "fg"]
    details = [
        {"type": "reasoning.encrypted", "format": "google-gemini-v1", "id": "a", "data": data}
        for data in ("one", "two", "three")
    ]
    sealed = [
        part.seal.value for part in with_seals(calls, details) if isinstance(part, ToolCallPart) and part.seal
    ]
    assert sealed == ["two", "one"]


def test_thinking_that_is_kept_from_view_comes_home_as_thinking() -> None:
    """A signature without words is a thinking part without words, not an encrypted one."""
    events: list[StreamEvent] = [
        Start(id="m", model="claude", created=1, protocol="anthropic"),
        ReasoningDelta(text="", member="thinking"),
        Sealed(seal=SIGNED),
        TextDelta(text="Yes.", part=1),
        ChoiceEnd(reason="stop", native_reason="end_turn"),
        Finish(),
    ]
    assert home(whole(events))[0] == ReasoningPart(text="", member="reasoning_details", seal=SIGNED)
