"""Reading chat completion requests in OpenAI's dialect.

Every member of the reference has one of three fates: a typed field of `ChatInvocation`; `passthrough`, which
reaches only a host of the same protocol (`functions`, `audio`, `modalities`, `prediction`, `service_tier`,
`store`, `verbosity`, `web_search_options`, moderation …, and whatever hosts invent); or a 400.
https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from llmgw.types import json
from llmgw.types.errors import InvalidRequest
from llmgw.types.feature import Feature
from llmgw.types.invocation import (
    CacheHints,
    ChatInvocation,
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    OpaqueFormat,
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Sampling,
    TextFormat,
    Tool,
    ToolChoice,
)
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.wire.members import (
    OPTIONS,
    array,
    flag,
    integer,
    member_object,
    members_of,
    missing,
    needed_text,
    number,
    options,
    request_object,
    text,
    unknown,
    wrong_type,
)
from llmgw.wire.openai.chat_messages import PROTOCOL, Conversation
from llmgw.wire.prompt_member import PROMPT

_TYPED: Final = frozenset({
    "model", "messages", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed",
    "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs", "n", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "metadata", "user", "stream",
    "stream_options", "prompt_cache_key", "prompt_cache_retention", PROMPT, OPTIONS,
})  # fmt: skip

_USUAL: Final = frozenset({
    "model", "messages", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed",
    "stream", "stream_options", PROMPT, OPTIONS,
})  # fmt: skip
"""Members that most requests are made of; of such there is nothing else to read."""

_DEMANDS: Final = frozenset({"functions", "function_call", "web_search_options", "audio", "modalities"})
"""What changes the answer itself: tools under their old name, a search, a voice. Other unknown members tune."""


def decode_chat(body: bytes, *, prompted: bool = False) -> ChatInvocation:
    """Read a request body; see `WireFormat.decode_request`."""
    return chat_of(request_object(json.decode(body)), prompted=prompted)


def chat_of(members: Details, *, prompted: bool = False) -> ChatInvocation:
    """Read a request from its members; with a prompt it need say neither which model nor what.

    Raises:
        InvalidRequest: as `WireFormat.decode_request` lists.
    """
    own = options(members)
    prompted = prompted or own.prompt is not None
    model = (text(members, "model", "") or "") if prompted else needed_text(members, "model", "")
    conversation = Conversation()
    said = members.get("messages")
    messages = () if prompted and said in (None, []) else conversation.messages(said)
    stream = flag(members, "stream") or False
    stream_options = _stream_options(members, stream=stream)
    sampling = _sampling(members)
    if members.keys() <= _USUAL:
        _note_call(conversation.needs, stream=stream)
        _note_sampling(sampling, conversation.needs)
        return ChatInvocation(
            model=model,
            wire=PROTOCOL,
            messages=messages,
            sampling=sampling,
            cache=CacheHints(marks=conversation.cache_marks),
            stream=stream,
            include_usage=stream_options.pop("include_usage", None) or False,
            stream_options=stream_options,
            options=own,
            needs=conversation.needs,
        )
    tools = _tools(members)
    output_format = _output_format(members)
    passthrough = unknown(members, _TYPED)
    invocation = ChatInvocation(
        model=model,
        wire=PROTOCOL,
        messages=messages,
        sampling=sampling,
        tools=tools,
        tool_choice=_tool_choice(members),
        parallel_tool_calls=flag(members, "parallel_tool_calls"),
        output_format=output_format,
        reasoning=Reasoning(effort=text(members, "reasoning_effort", "")),
        metadata=members_of(members, "metadata"),
        user=text(members, "user", ""),
        cache=CacheHints(
            key=text(members, "prompt_cache_key", ""),
            retention=text(members, "prompt_cache_retention", ""),
            marks=conversation.cache_marks,
        ),
        stream=stream,
        include_usage=stream_options.pop("include_usage", None) or False,
        stream_options=stream_options,
        passthrough=passthrough,
        demands=_demands(passthrough),
        options=own,
        needs=conversation.needs,
    )
    _note_needs(invocation)
    return invocation


def _demands(passthrough: Details) -> frozenset[str]:
    """Members that another protocol cannot honour and must not ignore; `modalities: ["text"]` asks for nothing."""
    demands = _DEMANDS.intersection(
        name for name, value in passthrough.items() if value not in (None, [], {})
    )
    return demands - {"modalities"} if passthrough.get("modalities") == ["text"] else demands


def _note_needs(invocation: ChatInvocation) -> None:
    """Note what a target must be able to do; `seed` is no such thing, as it is best effort everywhere."""
    needs, passthrough = invocation.needs, invocation.passthrough
    _note_call(needs, stream=invocation.stream)
    if invocation.tools:
        needs[Feature.TOOLS] = "tools"
    elif passthrough.get("functions"):
        needs[Feature.TOOLS] = "functions"
    if invocation.parallel_tool_calls is False:
        needs[Feature.PARALLEL_TOOL_CALLS] = "parallel_tool_calls"
    effort = invocation.reasoning.effort
    if effort is not None and effort != "none":
        needs[Feature.REASONING] = "reasoning_effort"
    _note_sampling(invocation.sampling, needs)
    modalities = passthrough.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        needs[Feature.AUDIO_OUT] = "modalities"
    match invocation.output_format:
        case JsonSchemaFormat() | OpaqueFormat(value={"type": "json_schema"}):
            needs[Feature.JSON_SCHEMA] = "response_format"
        case JsonObjectFormat() | OpaqueFormat(value={"type": "json_object"}):
            needs[Feature.JSON_OBJECT] = "response_format"
        case _:
            pass


def _note_call(needs: dict[Feature, str], *, stream: bool) -> None:
    needs[Feature.CHAT] = "messages"
    if stream:
        needs[Feature.STREAM] = "stream"


def _note_sampling(sampling: Sampling, needs: dict[Feature, str]) -> None:
    if sampling.logprobs:
        needs[Feature.LOGPROBS] = "logprobs"
    if sampling.n is not None and sampling.n > 1:
        needs[Feature.MULTIPLE_CHOICES] = "n"
    if sampling.logit_bias:
        needs[Feature.LOGIT_BIAS] = "logit_bias"
    if sampling.frequency_penalty:
        needs[Feature.PENALTIES] = "frequency_penalty"
    elif sampling.presence_penalty:
        needs[Feature.PENALTIES] = "presence_penalty"


def _sampling(members: Details) -> Sampling:
    given = {name: _SAMPLING[name](members, name) for name in filter(_SAMPLING.__contains__, members)}
    old, new = given.pop("max_tokens", None), given.pop("max_completion_tokens", None)
    if old is None:
        return Sampling(
            max_output_tokens=new,
            max_tokens_member=None if new is None else "max_completion_tokens",
            **given,
        )
    if new is not None:
        raise InvalidRequest(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
        )
    return Sampling(max_output_tokens=old, max_tokens_member="max_tokens", **given)


def _stop(members: Details, name: str) -> tuple[str, ...] | None:
    stop = members.get(name)
    match stop:
        case None:
            return None
        case str():
            return (stop,)
        case list():
            for position, item in enumerate(stop):
                if not isinstance(item, str):
                    raise wrong_type(f"stop[{position}]", "a string", item)
            return tuple(stop)
        case _:
            raise wrong_type("stop", "a string or an array of strings", stop)


def _stream_options(members: Details, *, stream: bool) -> Details:
    given = members_of(members, "stream_options")
    if given is None:
        return {}
    if not stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    flag(given, "include_usage", "stream_options.")
    return dict(given)


def _tools(members: Details) -> tuple[Tool, ...] | None:
    given = array(members, "tools")
    if given is None:
        return None
    return tuple(_tool(item, f"tools[{position}]") for position, item in enumerate(given))


def _tool(value: Json, place: str) -> Tool:
    tool = member_object(value, place)
    path = f"{place}."
    kind = text(tool, "type", path)
    if kind is None and "function" in tool:
        kind = "function"  # Mistral's clients leave it out
    if kind is None:
        raise missing(f"{path}type")
    if kind != "function":
        return OpaqueTool(protocol=PROTOCOL, kind=kind, value=tool)
    function = members_of(tool, "function", path)
    if function is None:
        raise missing(f"{path}function")
    details = unknown(tool, ("type", "function"))
    inner = unknown(function, ("name", "description", "parameters", "strict"))
    if inner:
        details["function"] = inner
    path = f"{path}function."
    return FunctionTool(
        name=needed_text(function, "name", path),
        description=text(function, "description", path),
        parameters=members_of(function, "parameters", path),
        strict=flag(function, "strict", path),
        provider_details=details,
    )


def _tool_choice(members: Details) -> ToolChoice | None:
    choice = members.get("tool_choice")
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice)
        case {"function": {"name": str(name)}, **rest} if rest in ({"type": "function"}, {}):
            return ToolChoice(mode="named", name=name)
        case {"type": "function"}:
            named = members_of(choice, "function", "tool_choice.")
            if named is None:
                raise missing("tool_choice.function")
            needed_text(named, "name", "tool_choice.function.")
            return ToolChoice(mode="opaque", opaque=choice)
        case str() | dict():
            # `any` (Mistral), allowed tools, custom tools: for the host to judge.
            return ToolChoice(mode="opaque", opaque=choice)
        case _:
            raise wrong_type("tool_choice", "a string or an object", choice)


def _output_format(members: Details) -> OutputFormat | None:
    given = members_of(members, "response_format")
    if given is None:
        return None
    kind = needed_text(given, "type", "response_format.")
    match kind:
        case "text" if len(given) == 1:
            return TextFormat()
        case "json_object" if len(given) == 1:
            return JsonObjectFormat()
        case "json_schema" if given.keys() == {"type", "json_schema"}:
            return _json_schema(given)
        case "json_schema" if len(given) == 1:
            raise missing("response_format.json_schema")
        case _:
            # Grammars and regular expressions of vLLM and others, or a schema beside the type (Together).
            return OpaqueFormat(value=given)


def _json_schema(given: Details) -> JsonSchemaFormat:
    path = "response_format.json_schema."
    schema = members_of(given, "json_schema", "response_format.")
    if schema is None:
        raise missing(path[:-1])
    return JsonSchemaFormat(
        name=needed_text(schema, "name", path),
        schema=members_of(schema, "schema", path),
        description=text(schema, "description", path),
        strict=flag(schema, "strict", path),
        provider_details=unknown(schema, ("name", "schema", "description", "strict")),
    )


_SAMPLING: Final[dict[str, Callable[[Details, str], Json]]] = {
    "max_tokens": partial(integer, least=1),
    "max_completion_tokens": partial(integer, least=1),
    "logprobs": flag,
    "top_logprobs": partial(integer, least=0, most=20),
    "temperature": partial(number, least=0, most=2),
    "top_p": partial(number, least=0, most=1),
    "top_k": integer,
    "stop": _stop,
    "seed": integer,
    "frequency_penalty": partial(number, least=-2, most=2),
    "presence_penalty": partial(number, least=-2, most=2),
    "logit_bias": members_of,
    "n": partial(integer, least=1, most=128),
}
"""How each member of `Sampling` is read where a request has it; most requests have two."""
