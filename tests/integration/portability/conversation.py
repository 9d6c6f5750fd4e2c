"""One conversation with every kind of part, its answers made by a given vendor; always the same."""

import base64
from typing import Final

from llmgw.simulator.gemini.signatures import of_call, of_text
from llmgw.simulator.signatures import conceal, sign
from llmgw.types import json
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    Seal,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.target import Target

PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()
LARGE: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"a large picture " * 600).decode()
"""More than stays in its turn."""
PDF: Final = base64.b64encode(b"%PDF-1.4 a document").decode()
EXACT: Final = '{"n":18446744073709551616,"e":[],"x":1E2,"d":0.10,"t":"\\u00e9 \\ud83d\\ude00"}'
"""Arguments that most JSON libraries alter."""
TOOLS: Final = ("get_weather", "read_clock", "sql")
CALLS: Final = ("call_one", "toolu_two", "call three!")


def conversation(writer: Target) -> list[Message]:
    """What is stored, turn by turn: answers have the marks of `writer`'s protocol."""
    return [
        Message(role="developer", parts=(TextPart(text="You are a careful assistant."),), protocol="openai"),
        Message(
            role="user",
            name="ada",
            parts=(
                TextPart(text="What is on these?"),
                MediaPart(kind="image", base64=PNG, media_type="image/png"),
                MediaPart(kind="image", base64=LARGE, media_type="image/png"),
                MediaPart(kind="image", url="https://pictures.example/1.png"),
            ),
            protocol="openai",
        ),
        _answer(
            writer, *_thought(writer, "I look at them first."), _text(writer, "A picture and a larger one.")
        ),
        Message(
            role="user",
            parts=(
                TextPart(text="And what do these say?"),
                MediaPart(kind="file", base64=PDF, media_type="application/pdf", filename="paper.pdf"),
                MediaPart(
                    kind="file", text="A plain document.", media_type="text/plain", filename="notes.txt"
                ),
            ),
            protocol="anthropic",
        ),
        _answer(
            writer,
            *_thought(writer, "Two tools will tell."),
            TextPart(text="I ask my tools."),
            _call(writer, 0, "get_weather", EXACT, first=True),
            _call(writer, 1, "read_clock", "{}", first=False),
        ),
        Message(
            role="user",
            parts=(
                ToolResultPart(call_id=CALLS[0], content=(TextPart(text="sunny"),)),
                ToolResultPart(
                    call_id=CALLS[1],
                    content=(
                        TextPart(text="it stopped"),
                        MediaPart(kind="image", base64=PNG, media_type="image/png"),
                    ),
                    is_error=True,
                ),
            ),
            protocol="anthropic",
        ),
        _answer(
            writer, *_hidden(writer), *_own(writer), TextPart(text="It is sunny, and the clock stopped.")
        ),
        Message(
            role="user",
            parts=(TextPart(text="Hear this, and answer what you cannot."), _SOUND),
            protocol="openai",
        ),
        _answer(writer, RefusalPart(text="I cannot help with that.")),
        Message(role="user", parts=(TextPart(text="Then ask the database."),), protocol="openai"),
        _answer(
            writer,
            ToolCallPart(id=CALLS[2], name="sql", arguments="select 'é' -- no JSON", kind="custom"),
        ),
    ]


_SOUND: Final = MediaPart(
    kind="audio", base64=base64.b64encode(b"RIFF sound").decode(), media_type="audio/wav"
)


def _answer(writer: Target, *parts: Part) -> Message:
    return Message(role="assistant", parts=parts, protocol=writer.protocol)


def _thought(writer: Target, text: str) -> tuple[Part, ...]:
    """Reasoning as the vendor shows it: signed by Claude, in the clear by the others."""
    match writer.protocol:
        case "anthropic":
            seal = Seal(protocol="anthropic", value=sign(text, writer.model))
            return (ReasoningPart(text=text, member="thinking", seal=seal),)
        case "gemini":
            return (ReasoningPart(text=text, member="thought"),)
        case _:
            return (ReasoningPart(text=text),)


def _hidden(writer: Target) -> tuple[Part, ...]:
    """Reasoning that nobody can read, where the vendor has such."""
    if writer.protocol != "anthropic":
        return ()
    value = conceal("a secret", writer.model)
    return (
        ReasoningPart(
            text="", member="thinking", seal=Seal(protocol="anthropic", value=value, kind="encrypted")
        ),
    )


def _own(writer: Target) -> tuple[Part, ...]:
    """What a tool that the vendor ran itself left in the answer."""
    match writer.protocol:
        case "anthropic":
            use = {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "weather"},
            }
            found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
            return (
                OpaquePart(protocol="anthropic", kind="server_tool_use", value=use),
                OpaquePart(protocol="anthropic", kind="web_search_tool_result", value=found),
            )
        case "gemini":
            code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
            return (OpaquePart(protocol="gemini", kind="executableCode", value=code),)
        case _:
            return ()


def _text(writer: Target, text: str) -> TextPart:
    """A text, signed where the vendor signs texts."""
    seal = Seal(protocol="gemini", value=of_text(text, writer.model)) if writer.protocol == "gemini" else None
    return TextPart(text=text, seal=seal)


def _call(writer: Target, number: int, name: str, arguments: str, *, first: bool) -> ToolCallPart:
    """A call of a tool; the first of an answer is signed by Gemini."""
    seal = None
    if first and writer.protocol == "gemini":
        seal = Seal(protocol="gemini", value=of_call(name, json.decode(arguments.encode()), writer.model))
    return ToolCallPart(id=CALLS[number], name=name, arguments=arguments, seal=seal)
