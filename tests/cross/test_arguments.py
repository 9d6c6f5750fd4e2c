"""A tool call's arguments reach the caller, and the next provider, in the very characters the model wrote."""

from typing import Any, Final

import pytest
from llmgw.providers import PROVIDERS
from llmgw.providers.framing import SseFramer, framer
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.event import StreamEvent, ToolCallDelta
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import ToolCallPart
from tests.cross.test_homecoming import HOMES, NEXT, asked

WRITTEN: Final = (
    '{"n":18446744073709551616,"e":[],"x":1E2}',
    '{"a":1,"a":2}',
    '{"z":-0,"f":1.0e+05,"u":"\\u00e9\\/é","o":{}}',
    "{}",
)
"""What decoding and encoding again would alter: numbers, names said twice, escapes."""
SPACED: Final = '{"city": "Paris", "days": [ 1 ]}'
"""Spaces are the model's own where its protocol has arguments as text."""

OPENAI: Final = """{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
"finish_reason":"tool_calls","message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1",
"type":"function","function":{"name":"f","arguments":@TEXT@}}]}}]}"""
OPENAI_STREAM: Final = """data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[\
{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f",\
"arguments":@TEXT@}}]},"finish_reason":"tool_calls"}]}

data: [DONE]

"""
ANTHROPIC: Final = """{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"tool_use",
"content":[{"type":"text","text":"So."},{"type":"tool_use","id":"call_1","name":"f","input":@OBJECT@}]}"""
ANTHROPIC_OPENING: Final = """event: message_start
data: {"type":"message_start","message":{"id":"m","model":"m","content":[]}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"call_1","name":"f",\
"input":@INPUT@}}

@PIECE@event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}

event: message_stop
data: {"type":"message_stop"}

"""
ANTHROPIC_PIECE: Final = """event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":@TEXT@}}

"""
GEMINI: Final = """{"responseId":"r","candidates":[{"content":{"role":"model","parts":[{"text":"So."},
{"functionCall":{"id":"call_1","name":"f","args":@OBJECT@}}]},"finishReason":"STOP"}]}"""

ANSWERS: Final = {
    ("openai", False): OPENAI,
    ("openai", True): OPENAI_STREAM,
    ("anthropic", False): ANTHROPIC,
    ("anthropic", True): ANTHROPIC_OPENING.replace("@INPUT@", "{}").replace("@PIECE@", ANTHROPIC_PIECE),
    ("gemini", False): GEMINI,
    ("gemini", True): "data: " + GEMINI.replace("\n", "") + "\n\n",
}
ALL_AT_ONCE: Final = ANTHROPIC_OPENING.replace("@INPUT@", "@OBJECT@").replace("@PIECE@", "")
"""A stream of a host that tells a call's input with the block that holds it."""


def answered(form: str, written: str) -> bytes:
    """An answer with these arguments, as its provider tells them."""
    return form.replace("@TEXT@", json.encode(written).decode()).replace("@OBJECT@", written).encode()


def events(protocol: str, body: bytes, *, stream: bool) -> list[StreamEvent]:
    """An answer as its parser reads it."""
    parser = PROVIDERS[protocol].parser(asked("openai", stream=stream), HOMES[protocol].target)
    framing = framer("sse" if stream else "whole")
    frames = [*framing.feed(body), *framing.close()]
    return [event for frame in frames for event in parser.feed(frame)] + list(parser.end())


def heard(wire: str, read: list[StreamEvent], *, stream: bool) -> str:
    """The arguments in the hands of a caller."""
    dialect = NEXT[wire][0]
    if not stream:
        whole = dialect.encode_completion(fold(read))
        if wire == "openai":
            [call] = json.decode(whole)["choices"][0]["message"]["tool_calls"]
            return str(call["function"]["arguments"])
        return whole.decode().partition('"input":')[2].partition('}],"stop_reason"')[0]
    encoder = dialect.encoder(asked(wire, stream=True))
    frames = SseFramer().feed(b"".join(encoder.encode(event) for event in read))
    return "".join(_pieces(wire, [json.decode(frame.data) for frame in frames if frame.data != b"[DONE]"]))


def _pieces(wire: str, told: list[Any]) -> list[str]:
    if wire == "anthropic":
        return [each["delta"].get("partial_json", "") for each in told if "delta" in each]
    return [
        call["function"]["arguments"]
        for chunk in told
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]


def returned(wire: str, written: str) -> bytes:
    """The request in which a caller sends a call with these arguments back, with its result."""
    if wire == "openai":
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": written}}
        message = {"role": "assistant", "tool_calls": [call]}
        return json.encode(NEXT[wire][2](message, ("f",)))
    block = {"type": "tool_use", "id": "call_1", "name": "f", "input": "@OBJECT@"}
    body = json.encode(NEXT[wire][2]({"role": "assistant", "content": [block]}, ("f",)))
    return body.replace(b'"@OBJECT@"', written.encode())


def passed_on(protocol: str, body: bytes) -> str:
    """The arguments in a request for a target."""
    if protocol == "openai":
        [call] = json.decode(body)["messages"][1]["tool_calls"]
        return str(call["function"]["arguments"])
    before, after = {
        "anthropic": ('"input":', '}]},{"role":"user"'),
        "gemini": ('"args":', ',"id":"call_1"}'),
    }[protocol]
    return body.decode().partition(before)[2].partition(after)[0]


@pytest.mark.parametrize("written", [*WRITTEN, SPACED])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("following", ["openai", "anthropic", "gemini"])
def test_arguments_stay_as_they_were_written(
    wire: str, protocol: str, following: str, written: str, *, stream: bool
) -> None:
    """From any provider to a caller of any dialect, whole and streamed, and on to any provider."""
    expected = '{"city":"Paris","days":[1]}' if protocol == "gemini" and written is SPACED else written
    read = events(protocol, answered(ANSWERS[protocol, stream], written), stream=stream)
    arguments = heard(wire, read, stream=stream)
    assert arguments == expected
    invocation = NEXT[wire][0].decode_request(returned(wire, arguments))
    assert isinstance(invocation, ChatInvocation)
    request = PROVIDERS[following].build_request(invocation, HOMES[following].target)
    assert passed_on(following, request.body) == expected


@pytest.mark.parametrize("written", [*WRITTEN, SPACED])
def test_a_stream_may_tell_a_calls_input_at_once(written: str) -> None:
    """Hosts that do not cut it into pieces say it where its block begins."""
    read = events("anthropic", answered(ALL_AT_ONCE, written), stream=True)
    assert "".join(event.arguments for event in read if isinstance(event, ToolCallDelta)) == written


@pytest.mark.parametrize("written", WRITTEN)
def test_ids_are_made_alike_of_streams_and_whole_answers(written: str) -> None:
    """However an answer of Gemini's is laid out, a call without an id gets the same."""
    bare = GEMINI.replace('"id":"call_1",', "")
    ids = []
    for form, arguments in (
        (bare, written),
        (bare, written.replace(",", ",\n ").replace('":', '": ')),
        (f"data: {bare}\n\n".replace(",\n", ","), written),
    ):
        read = events("gemini", answered(form, arguments), stream=form.startswith("data"))
        [call] = [part for part in fold(read).choices[0].message.parts if isinstance(part, ToolCallPart)]
        assert call.arguments == written
        ids.append(call.id)
    assert len(set(ids)) == 1


def test_calls_and_other_blocks_keep_apart() -> None:
    """Each call has its own arguments, wherever it stands."""
    calls = ",".join(
        f'{{"type":"tool_use","id":"call_{number}","name":"f","input":{{"n":{number}E1}}}}'
        for number in (1, 2)
    )
    body = ANTHROPIC.replace('{"type":"tool_use","id":"call_1","name":"f","input":@OBJECT@}', calls)
    read = events("anthropic", body.encode(), stream=False)
    assert [event.arguments for event in read if isinstance(event, ToolCallDelta) and event.arguments] == [
        '{"n":1E1}',
        '{"n":2E1}',
    ]


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("anthropic", ANTHROPIC.replace('"content":[', '"content":"","content":[')),
        ("gemini", GEMINI.replace('"parts":[', '"parts":"","parts":[')),
    ],
)
def test_an_answer_that_says_something_twice_is_still_read(protocol: str, body: str) -> None:
    """The last one counts; its arguments are then what they were decoded to."""
    read = events(protocol, answered(body, '{"x":1E2}'), stream=False)
    assert "".join(event.arguments for event in read if isinstance(event, ToolCallDelta)) == '{"x":100.0}'


def test_a_request_that_says_something_twice_is_still_read() -> None:
    """Likewise what callers say."""
    body = returned("anthropic", '{"x":1E2}').replace(b'"content":[', b'"content":1,"content":[')
    invocation = NEXT["anthropic"][0].decode_request(body)
    assert isinstance(invocation, ChatInvocation)
    [call] = [part for part in invocation.messages[1].parts if isinstance(part, ToolCallPart)]
    assert call.arguments == '{"x":100.0}'
