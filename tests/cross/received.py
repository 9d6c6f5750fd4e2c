"""What a provider received, piece by piece, read from the bytes alone; arguments as they were written."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

DUMMY: Final = "skip_thought_signature_validator"


class Piece(NamedTuple):
    """One thing that was said: what kind of thing, by whom, and what it comes to."""

    kind: str
    role: str
    value: tuple[Any, ...]


class _Block(Struct):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    name: str = ""
    input: Raw = Raw()
    content: str | list[dict[str, Any]] = ""
    is_error: bool = False
    source: dict[str, Any] = {}


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _AnthropicBody(Struct):
    messages: list[_Message]
    system: str | list[_Block] = ""


class _Call(Struct):
    name: str
    args: Raw = Raw()


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool = False
    thought_signature: str = ""
    function_call: _Call | None = None
    function_response: dict[str, Any] | None = None
    inline_data: dict[str, Any] | None = None
    file_data: dict[str, Any] | None = None
    executable_code: dict[str, Any] | None = None


class _Content(Struct):
    parts: list[_Part]
    role: str = "user"


class _GeminiBody(Struct, rename="camel"):
    contents: list[_Content]
    system_instruction: _Content | None = None


def pieces(protocol: str, body: bytes) -> list[Piece]:
    """All that a request says of the conversation, in its order."""
    match protocol:
        case "anthropic":
            return list(_of_anthropic(msgspec.json.decode(body, type=_AnthropicBody)))
        case "gemini":
            return list(_of_gemini(msgspec.json.decode(body, type=_GeminiBody)))
        case _:
            return list(_of_openai(msgspec.json.decode(body)))


def _of_openai(body: dict[str, Any]) -> Iterator[Piece]:
    for message in body["messages"]:
        role = message["role"]
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if role == "tool":
            yield Piece("result", "user", ("".join(part["text"] for part in parts), False))
            continue
        if message.get("reasoning_content"):
            yield Piece("thought", role, (message["reasoning_content"], ""))
        if message.get("refusal"):
            yield Piece("refusal", role, (message["refusal"],))
        for part in parts:
            yield from _openai_part(part, "system" if role == "developer" else role)
        for call in message.get("tool_calls") or ():
            said = call[call["type"]]
            yield Piece("call", role, (said["name"], said.get("arguments", said.get("input"))))
            if "extra_content" in call:
                yield Piece("seal", role, (call["extra_content"]["google"]["thought_signature"],))


def _openai_part(part: dict[str, Any], role: str) -> Iterator[Piece]:
    match part["type"]:
        case "text" if part["text"]:
            yield Piece("text", role, (part["text"],))
        case "refusal":
            yield Piece("refusal", role, (part["refusal"],))
        case "image_url":
            url = part["image_url"]["url"]
            yield Piece("media", role, (url.partition(";base64,")[2] or url,))
        case "input_audio":
            yield Piece("media", role, (part["input_audio"]["data"],))
        case "file":
            data = part["file"].get("file_data", "")
            yield Piece("media", role, (data.partition(";base64,")[2] or part["file"].get("file_id"),))
        case _:
            return


def _of_anthropic(body: _AnthropicBody) -> Iterator[Piece]:
    for message in (_Message("system", body.system), *body.messages):
        content = message.content
        blocks = [_Block("text", text=content)] if isinstance(content, str) else content
        for block in blocks:
            yield from _block(block, message.role)


def _block(block: _Block, role: str) -> Iterator[Piece]:
    match block.type:
        case "text" if block.text:
            yield Piece("text", role, (block.text,))
        case "thinking":
            yield Piece("thought", role, (block.thinking, block.signature))
        case "redacted_thinking":
            yield Piece("thought", role, ("", block.data))
        case "tool_use":
            yield Piece("call", role, (block.name, bytes(block.input).decode()))
        case "tool_result":
            told = block.content
            inner: list[dict[str, Any]] = [{"type": "text", "text": told}] if isinstance(told, str) else told
            yield Piece(
                "result", role, ("\n".join(each["text"] for each in inner if "text" in each), block.is_error)
            )
            yield from (
                Piece("media", role, (_source(each["source"]),)) for each in inner if "source" in each
            )
        case "image" | "document":
            yield Piece("media", role, (_source(block.source),))
        case "text":
            return
        case other:
            yield Piece("opaque", role, (other,))


def _source(source: dict[str, Any]) -> Any:
    return source.get("data") or source.get("url") or source.get("file_id")


def _of_gemini(body: _GeminiBody) -> Iterator[Piece]:
    if body.system_instruction is not None:
        yield from (Piece("text", "system", (part.text,)) for part in body.system_instruction.parts)
    for content in body.contents:
        role = "assistant" if content.role == "model" else content.role
        for part in content.parts:
            yield from _part(part, role)


def _part(part: _Part, role: str) -> Iterator[Piece]:
    signature = part.thought_signature
    if part.thought:
        yield Piece("thought", role, (part.text, signature))
        return
    if part.text:
        yield Piece("text", role, (part.text,))
    if part.function_call is not None:
        yield Piece("call", role, (part.function_call.name, bytes(part.function_call.args).decode()))
    if part.function_response is not None:
        response = part.function_response["response"]
        text = response.get("error", response.get("output"))
        yield Piece("result", role, (text, "error" in response))
        inner = part.function_response.get("parts", ())
        yield from (Piece("media", role, (each["inlineData"]["data"],)) for each in inner)
    if part.inline_data is not None:
        yield Piece("media", role, (part.inline_data["data"],))
    if part.file_data is not None:
        yield Piece("media", role, (part.file_data["fileUri"],))
    if part.executable_code is not None:
        yield Piece("opaque", role, ("executableCode",))
    if signature and signature != DUMMY:
        yield Piece("seal", role, (signature,))
