"""What it means that two JSON bodies of OpenAI's dialect say the same: the one place where that is defined.

Everywhere: a null member is an absent one, the order of members is nothing, 1 is 1.0. Besides, the gateway
normalises on purpose:

Answers
* `object` is always the dialect's own; a missing `index` is the position, a missing role is `assistant`.
* Reasoning that came as `reasoning` is also written as `reasoning_content`.
* Content lists (Mistral) become a string; their thinking becomes `reasoning_content`, what else they hold
  `content_parts`.
* A choice without a message has an empty one.
* An empty list of tool calls is none; a tool call without a type is a function, one without arguments has "".
* A finish reason outside OpenAI's is translated, and the host's word stands in `native_finish_reason`; a whole
  answer without one reads `stop`, or what `finish_details` says.
* A stream has one id, one model and one time: those of its first chunk that has any. Usage under `x_groq`,
  or in a choice, is also written at its place.

Requests
* An empty list of tool calls is none.
* `stream: false` is absent; one `stop` is a list of one; a tool or tool choice without a type is a function.
* Reasoning goes back under the one member that the host wants.
"""

from typing import Any, Final

import msgspec
from llmgw.types.completion import Completion

_REASONS: Final = {"stop", "length", "tool_calls", "content_filter", "function_call"}
_TRANSLATED: Final = {"eos": "stop", "max_tokens": "length", "model_length": "length"}


def without_nulls(value: Any) -> Any:
    """The value with null members left out, at every depth; booleans stay apart from numbers."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return ("bool", value) if isinstance(value, bool) else value


def answer(body: dict[str, Any]) -> Any:
    """A whole chat completion in normal form."""
    choices = [_choice(choice, position) for position, choice in enumerate(body["choices"])]
    return without_nulls({**body, "object": "chat.completion", "choices": choices})


def embeddings(body: dict[str, Any]) -> Any:
    """A whole answer with embeddings in normal form."""
    items = [{"index": position, **item, "object": "embedding"} for position, item in enumerate(body["data"])]
    usage = body.get("usage") or {"prompt_tokens": 0, "total_tokens": 0}
    return without_nulls({**body, "object": "list", "data": items, "usage": usage})


def request(body: dict[str, Any], reasoning_member: str | None) -> Any:
    """A request in normal form, without what the gateway sets itself: model and stream options."""
    normal = {name: value for name, value in body.items() if name not in {"model", "stream_options"}}
    if not normal.get("stream"):
        normal.pop("stream", None)
    if isinstance(normal.get("stop"), str):
        normal["stop"] = [normal["stop"]]
    if normal.get("tools") is not None:
        normal["tools"] = [_typed(tool) for tool in normal["tools"]]
    if isinstance(normal.get("tool_choice"), dict):
        normal["tool_choice"] = _typed(normal["tool_choice"])
    if "messages" in normal:
        normal["messages"] = [_asked(message, reasoning_member) for message in normal["messages"]]
    return without_nulls(normal)


def stream(chunks: list[dict[str, Any]]) -> Any:
    """What the chunks of a stream come to, member by member, in normal form."""
    choices: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if value not in (None, "", 0) and name not in {"choices", "object"}:
                whole[name] = whole.get(name, value) if name in {"id", "model", "created"} else value
        if "usage" in (chunk.get("x_groq") or {}):
            whole["usage"] = chunk["x_groq"]["usage"]
        for position, piece in enumerate(chunk.get("choices") or []):
            index = piece.get("index", position)
            if piece.get("usage"):
                whole["usage"] = piece["usage"]
            choice = choices.setdefault(index, {"index": index, "delta": {}, "calls": {}})
            _add_piece(choice, without_nulls(piece))
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return without_nulls(whole)


def folded(completion: Completion) -> Any:
    """A folded stream in normal form: where reasoning came from is not kept in the caller's dialect."""
    body = msgspec.to_builtins(completion)
    for choice in body["choices"]:
        for part in choice["message"]["parts"]:
            if part["type"] == "reasoning" and part.get("member") != "reasoning":
                part["member"] = "reasoning_content"
    return without_nulls(body)


def _add_piece(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    native = piece.pop("finish_reason", None)
    if native:
        choice.setdefault("finish_reason", native)
    if "logprobs" in piece:
        choice.setdefault("logprobs", []).append(piece.pop("logprobs"))
    delta = piece.pop("delta", {})
    for position, call in enumerate(delta.pop("tool_calls", [])):
        known = choice["calls"].setdefault(call.pop("index", position), {"text": ""})
        body = call.pop(call.get("type", "function"), None) or call.pop("function", {})
        known["text"] += body.pop("arguments", "") or body.pop("input", "")
        known |= {name: value for name, value in {**call, **body}.items() if name != "type"}
    delta.pop("role", None)
    if isinstance(delta.get("content"), list):
        delta |= {"content": "", **_listed(delta["content"])}
    if "reasoning" in delta:
        delta["reasoning_content"] = delta["reasoning"]
    for name, value in delta.items():
        _join(choice["delta"], name, value)
    for name, value in piece.items():
        if name != "message":
            choice[name] = {**choice.get(name, {}), **value} if isinstance(value, dict) else value


def _join(whole: dict[str, Any], name: str, value: Any) -> None:
    before: Any = whole.get(name)
    if before is not None and type(before) is type(value) and isinstance(value, str | list):
        whole[name] = before + value
    elif isinstance(before, dict) and isinstance(value, dict):
        for inner, item in value.items():
            _join(before, inner, item)
    elif value not in ("", []):
        whole[name] = value


def _choice(choice: dict[str, Any], position: int) -> dict[str, Any]:
    normal = {"index": position, **choice, "message": _answered(choice.get("message") or {})}
    native = normal.get("finish_reason") or (normal.get("finish_details") or {}).get("type")
    normal["finish_reason"] = native
    if native not in _REASONS:
        normal["finish_reason"] = _TRANSLATED.get(native or "", "stop")
        if native is not None:
            normal["native_finish_reason"] = native
    return normal


def _answered(message: dict[str, Any]) -> dict[str, Any]:
    normal = {"role": "assistant", **message}
    if isinstance(normal.get("content"), list):
        normal |= _listed(normal["content"])
    if normal.get("reasoning") is not None:
        normal["reasoning_content"] = normal["reasoning"]
    if not normal.get("tool_calls"):
        normal.pop("tool_calls", None)
    else:
        normal["tool_calls"] = [_typed(call) for call in normal["tool_calls"]]
    return normal


def _listed(content: list[Any]) -> dict[str, Any]:
    """What a content list of text and thinking says as plain members."""
    texts, thoughts, rest = [], [], []
    for part in content:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "thinking":
            thoughts += [item["text"] for item in part["thinking"]]
            left = {name: value for name, value in part.items() if name != "thinking"}
            rest += [left] if len(left) > 1 else []
        else:
            rest.append(part)
    said: dict[str, Any] = {}
    if texts:
        said["content"] = "".join(texts)
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)
    if rest:
        said["content_parts"] = rest
    return said


def _typed(tool: dict[str, Any]) -> dict[str, Any]:
    if "function" not in tool:
        return tool
    typed = {"type": "function", **tool}
    if typed["function"].get("name") and "id" in typed:
        typed["function"] = {"arguments": "", **without_nulls(typed["function"])}
    return typed


def _asked(message: dict[str, Any], reasoning_member: str | None) -> dict[str, Any]:
    normal = dict(message)
    if normal.get("tool_calls") == []:
        del normal["tool_calls"]
    said = [normal.pop(name, None) for name in ("reasoning", "reasoning_content")]
    if reasoning_member is not None and any(said):
        normal[reasoning_member] = next(filter(None, said))
    return normal
