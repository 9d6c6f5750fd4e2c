"""Reading an Anthropic request: a message to be made, or the tokens of one to be counted.

Members: https://platform.claude.com/docs/en/api/messages/create and
https://platform.claude.com/docs/en/api/messages/count_tokens
"""

from typing import Final

from llmgw.types import json
from llmgw.types.feature import Feature
from llmgw.types.invocation import (
    CacheHints,
    ChatInvocation,
    CountInvocation,
    JsonSchemaFormat,
    OpaqueFormat,
    OutputFormat,
    Reasoning,
    Sampling,
)
from llmgw.types.message import Details
from llmgw.wire.anthropic.conversation import Conversation
from llmgw.wire.anthropic.members import (
    flag,
    integer,
    members_of,
    missing,
    needed_members,
    needed_name,
    refusal,
    share,
    text,
    texts,
)
from llmgw.wire.anthropic.seals import PROTOCOL
from llmgw.wire.anthropic.tools import tool_choice_of, tools_of
from llmgw.wire.members import OPTIONS, options, request_object, unknown
from llmgw.wire.prompt_member import PROMPT

THREAD: Final = "thread"
"""The member that leaves the history of a conversation with Anthropic."""

OUTPUT_FORMAT: Final = "output_format"
"""The older member for `output_config.format`, and in a format's details the sign that it came by that name."""

LEAST_BUDGET: Final = 1024
"""Fewest tokens of thinking that may be asked for."""

_COUNTED: Final = frozenset({
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", OUTPUT_FORMAT, PROMPT,
    OPTIONS,
})  # fmt: skip
_TYPED: Final = _COUNTED | {
    "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "stream", "metadata",
}  # fmt: skip

_DEMANDS: Final = frozenset({THREAD, "container", "mcp_servers", "compaction"})
"""Members without which another answer comes, and which only Anthropic can honour.

A thread holds the history, a container the files and skills the model works with, MCP servers the tools it calls;
a compaction asks for a summary in place of an answer. `context_management`, which Claude Code always sends, is not
among them: it clears old parts of a long history, and without it the model sees more, not less. Nor are those that
only touch cost, speed and diagnosis (`service_tier`, `speed`, `cache_control`, `fallbacks`, `diagnostics`, ...).
"""

_CONSENT: Final = {"inference_geo": "global", "billing_policy": {"type": "billing_policy", "bill_to": "self"}}
"""Where the caller's words may be processed, and who pays: demands too, but for these values, which allow all."""

_MODES: Final = {"enabled": "on", "adaptive": "auto", "between_tools": "auto", "disabled": "off"}
_SHOWN: Final = {"summarized": True, "omitted": False}
_SCHEMA_NAME: Final = "answer"
"""The name of every JSON schema, as Anthropic's have none and OpenAI's must."""


def decode_message(body: bytes, *, prompted: bool = False) -> ChatInvocation:
    """Read the body of a request for a message; see `WireFormat.decode_request`."""
    members = request_object(json.decode(body))
    own = options(members)
    prompted = prompted or own.prompt is not None
    model = _model(members, prompted=prompted)
    most = integer(members, "max_tokens", least=0)
    if most is None and not prompted:
        raise missing("max_tokens")
    sampling = Sampling(
        temperature=share(members, "temperature"),
        top_p=share(members, "top_p"),
        top_k=integer(members, "top_k", least=0),
        max_output_tokens=most,
        stop=texts(members, "stop_sequences"),
    )
    stream = flag(members, "stream") or False
    metadata = members_of(members, "metadata") or {}
    invocation = _chat(
        body,
        members,
        model,
        unknown(members, _TYPED),
        prompted=prompted,
        sampling=sampling,
        stream=stream,
        user=text(metadata, "user_id", "metadata"),
        metadata=unknown(metadata, ("user_id",)) or None,
        options=own,
    )
    if stream:
        invocation.needs[Feature.STREAM] = "stream"
    return invocation


def decode_count(body: bytes, *, prompted: bool = False) -> CountInvocation:
    """Read the body of a request to count tokens; see `WireFormat.decode_request`."""
    members = request_object(json.decode(body))
    own = options(members)
    prompted = prompted or own.prompt is not None
    model = _model(members, prompted=prompted)
    chat = _chat(body, members, model, unknown(members, _COUNTED), prompted=prompted)
    return CountInvocation(
        model=model,
        wire=PROTOCOL,
        chat=chat,
        options=own,
        needs={**chat.needs, Feature.COUNT_TOKENS: "messages"},
    )


def _model(members: Details, *, prompted: bool) -> str:
    return (text(members, "model") or "") if prompted else needed_name(members, "model")


def _chat(
    body: bytes, members: Details, model: str, passthrough: Details, *, prompted: bool, **of_message: object
) -> ChatInvocation:
    """Read what both kinds of request have; `of_message` are the fields that only one has."""
    conversation = Conversation(body)
    system = conversation.system(members.get("system"))
    said = members.get("messages")
    messages = () if prompted and said in (None, []) else conversation.messages(said)
    conversation.note_mark(members)
    needs = conversation.needs
    needs[Feature.CHAT] = "messages"
    tools = tools_of(members, conversation)
    choice, parallel = tool_choice_of(members, conversation)
    config = members_of(members, "output_config") or {}
    if unknown(config, ("effort", "format")):
        passthrough["output_config"] = config
    output = _output_format(members, config, needs)
    return ChatInvocation(
        model=model,
        wire=PROTOCOL,
        messages=system + messages,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        output_format=output,
        reasoning=_reasoning(members, text(config, "effort", "output_config")),
        cache=CacheHints(marks=conversation.cache_marks),
        passthrough=passthrough,
        demands=_demands(passthrough),
        needs=needs,
        **of_message,  # type: ignore[arg-type]  # each checked where it is read
    )


def _demands(passthrough: Details) -> frozenset[str]:
    return frozenset(
        name
        for name, value in passthrough.items()
        if value is not None
        and (name in _DEMANDS or (name in _CONSENT and value != _CONSENT[name]))
        and value != []
    )


def _reasoning(members: Details, effort: str | None) -> Reasoning:
    """Read how much to think.

    That a model should think is no need of the call: callers ask it of every model (Claude Code does), and one
    that cannot still answers.
    """
    thinking = members_of(members, "thinking")
    if thinking is None:
        return Reasoning(effort=effort)
    kind = needed_name(thinking, "type", "thinking")
    budget = integer(thinking, "budget_tokens", "thinking", least=LEAST_BUDGET)
    if kind == "enabled" and budget is None:
        raise missing("thinking.budget_tokens")
    return Reasoning(
        mode=_MODES.get(kind),  # type: ignore[arg-type]  # its words are those of `Reasoning.mode`
        effort=effort,
        budget_tokens=budget,
        show=_SHOWN.get(text(thinking, "display", "thinking") or ""),
        provider_details=thinking,
    )


def _output_format(members: Details, config: Details, needs: dict[Feature, str]) -> OutputFormat | None:
    place = "output_config.format"
    given = members_of(config, "format", "output_config")
    details: Details = {}
    older = members_of(members, OUTPUT_FORMAT)
    if older is not None:
        if given is not None:
            raise refusal(OUTPUT_FORMAT, f"cannot be set together with {place}")
        place, given, details = OUTPUT_FORMAT, older, {OUTPUT_FORMAT: older}
    if given is None:
        return None
    kind = needed_name(given, "type", place)
    if kind != "json_schema":
        return OpaqueFormat(value={OUTPUT_FORMAT: older} if older is not None else given)
    needs[Feature.JSON_SCHEMA] = place
    return JsonSchemaFormat(
        name=_SCHEMA_NAME,
        schema=needed_members(given, "schema", place),
        provider_details=details or unknown(given, ("type", "schema")),
    )
