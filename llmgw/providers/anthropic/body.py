"""Writing the body of a request to Anthropic: as it came over this protocol, or as near to it as another goes.

https://platform.claude.com/docs/en/api/messages/create and .../api/messages/count_tokens
"""

from collections.abc import Sequence
from typing import Final, assert_never

from msgspec import structs

from llmgw.providers.anthropic.blocks import PROTOCOL, BlockWriter
from llmgw.providers.anthropic.continuity import began_without_thinking, lost_its_thinking
from llmgw.providers.anthropic.foreign import ForeignTurns, lacks_thinking
from llmgw.providers.anthropic.models import Profile, profile_of
from llmgw.providers.anthropic.reasoning import Thinking, thinking_for
from llmgw.providers.anthropic.schema import Recursive, StrictRoom, narrowed
from llmgw.providers.anthropic.stored import stored_conversation
from llmgw.providers.anthropic.tools import foreign_choice, foreign_tools, native_choice, native_tools
from llmgw.providers.anthropic.turns import native_conversation
from llmgw.providers.details import deepen, note_details, note_passthrough
from llmgw.providers.stored import Origins, kinds_of_parts
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.invocation import (
    ChatInvocation,
    JsonObjectFormat,
    JsonSchemaFormat,
    OpaqueFormat,
    OutputFormat,
    Sampling,
    TextFormat,
)
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details, Message, ToolCallPart
from llmgw.types.target import Target

_OLDER_FORMAT: Final = "output_format"
"""The former name of `output_config.format`, still taken."""

_NOT_COUNTED: Final = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "stream")
"""What a request to count tokens does not take."""

_LONGEST_USER: Final = 256

_UNKNOWN_THERE: Final[tuple[tuple[str, Json], ...]] = (
    ("seed", None),
    ("frequency_penalty", 0),
    ("presence_penalty", 0),
    ("logit_bias", {}),
    ("logprobs", False),
    ("top_logprobs", 0),
)
"""Ways of sampling that the protocol lacks, each with the value that asks for what happens anyway."""

_REFUSED_BY_NEWER: Final[tuple[tuple[str, Json], ...]] = (("temperature", 1), ("top_p", 1), ("top_k", None))
"""Likewise those that newer models refuse."""


def native_body(invocation: ChatInvocation, target: Target, losses: Losses) -> Details:
    """Write a call that came over this protocol: equal in meaning to what the caller sent.

    A budget for thinking is left out where the vendor would refuse it, as another protocol's model began the turn.

    Raises:
        UnsupportedParameter: a part or tool belongs to another target.
    """
    writer = BlockWriter(target, losses, native=True)
    sampling = invocation.sampling
    if invocation.prompted:
        # What a prompt version says is of no dialect, and told to each target as it takes it.
        sampling, stop = _foreign_sampling(sampling, writer.profile, losses)
        sampling = structs.replace(sampling, stop=stop)
    if invocation.stored or invocation.prompted:
        system, messages = stored_conversation(invocation, target, losses)
    else:
        system, messages = native_conversation(invocation.messages, writer)
    body: Details = {"model": target.model, "messages": messages}
    if system is not None:
        body["system"] = system
    limit = sampling.max_output_tokens
    body["max_tokens"] = writer.profile.max_output_tokens if limit is None else limit
    _add_sampling(body, sampling, sampling.stop)
    if invocation.tools is not None:
        body["tools"] = native_tools(invocation.tools)
    choice = native_choice(invocation)
    if invocation.stored and not invocation.tools:
        choice = _add_called_tools(body, invocation.messages, losses) or choice
    if choice is not None:
        body["tool_choice"] = choice
    thinking = invocation.reasoning.provider_details
    if thinking.get("type") == "enabled" and (
        began_without_thinking(messages)
        if invocation.stored
        else lost_its_thinking(invocation.messages, writer.keeps)
    ):
        losses.note(LossCode.PARAMETER_DROPPED, "/reasoning")
    elif thinking:
        body["thinking"] = thinking
    _add_native_config(body, invocation, writer.profile, losses)
    metadata = dict(invocation.metadata or {})
    if invocation.user is not None:
        metadata["user_id"] = invocation.user
    if metadata:
        body["metadata"] = metadata
    deepen(body, invocation.passthrough)
    if invocation.stream:
        body["stream"] = True
    return body


def foreign_body(invocation: ChatInvocation, target: Target, losses: Losses) -> Details:
    """Write a call that came over another protocol, noting what is left out or altered.

    Raises:
        UnsupportedParameter: the call asks for what cannot be had here.
    """
    profile = profile_of(target.model)
    _refuse_demands(invocation, target, losses)
    room = StrictRoom()
    config = _foreign_config(invocation.output_format, profile, room, losses)
    max_tokens = _max_tokens(invocation.sampling, profile, losses)
    thinking = thinking_for(invocation, profile, max_tokens, losses)
    if invocation.stored:
        system, messages = stored_conversation(invocation, target, losses)
    else:
        writer = BlockWriter(target, losses, native=False)
        origins = Origins(invocation, PROTOCOL, losses, native=writer, foreign=writer)
        answered = not profile.prefill or bool(config) or thinking.is_on
        system, messages = ForeignTurns(origins, losses, answered=answered).conversation(invocation.messages)
    if thinking.has_budget and (
        began_without_thinking(messages) if invocation.stored else lacks_thinking(messages)
    ):
        losses.note(LossCode.PARAMETER_DROPPED, "/reasoning")
        thinking = Thinking()
    body: Details = {"model": target.model, "messages": messages, "max_tokens": max_tokens}
    if system is not None:
        body["system"] = system
    _add_sampling(body, *_foreign_sampling(invocation.sampling, profile, losses))
    if invocation.tools:
        body["tools"] = foreign_tools(invocation.tools, profile, room, losses)
        choice = foreign_choice(invocation, profile)
    else:
        choice = _add_called_tools(body, invocation.messages, losses)
    if choice is not None:
        body["tool_choice"] = choice
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    if config:
        body["output_config"] = config
    _add_user(body, invocation, losses)
    if invocation.stream:
        body["stream"] = True
    return body


def _add_called_tools(body: Details, messages: Sequence[Message], losses: Losses) -> Json:
    """Define the tools that were called before, as a history with calls must, and forbid to call them again."""
    if ToolCallPart not in kinds_of_parts(messages):
        return None
    calls = (part for message in messages for part in message.parts if isinstance(part, ToolCallPart))
    names = dict.fromkeys(call.name for call in calls)
    losses.note(LossCode.TURN_SYNTHESISED, "/tools")
    body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    return {"type": "none"}


def counted(body: Details) -> Details:
    """Leave of a body what a request to count its tokens takes, in place."""
    for name in _NOT_COUNTED:
        body.pop(name, None)
    return body


def _add_sampling(body: Details, sampling: Sampling, stop: tuple[str, ...] | None) -> None:
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
    ):
        if value is not None:
            body[name] = value
    if stop is not None:
        body["stop_sequences"] = list(stop)


def _add_native_config(body: Details, invocation: ChatInvocation, profile: Profile, losses: Losses) -> None:
    config: Details = {}
    if invocation.reasoning.effort is not None:
        config["effort"] = invocation.reasoning.effort
    output = invocation.output_format
    if isinstance(output, JsonSchemaFormat) and output.neutral:
        config |= _foreign_config(output, profile, StrictRoom(), losses)
    elif output is not None:
        form = _native_format(output)
        if _OLDER_FORMAT in form:
            body[_OLDER_FORMAT] = form[_OLDER_FORMAT]
        else:
            config["format"] = form
    if config:
        body["output_config"] = config


def _native_format(output: OutputFormat) -> Details:
    """Write a format that came over this protocol; an older one stands under its older name."""
    match output:
        case JsonSchemaFormat():
            if _OLDER_FORMAT in output.provider_details:
                return output.provider_details
            form: Details = {"type": "json_schema", "schema": output.schema}
            deepen(form, output.provider_details)
            return form
        case OpaqueFormat(value=dict() as value):
            return value
        case OpaqueFormat() | JsonObjectFormat() | TextFormat():
            raise UnsupportedParameter("this output format is not Anthropic's", param="output_config.format")
        case _:
            assert_never(output)


def _refuse_demands(invocation: ChatInvocation, target: Target, losses: Losses) -> None:
    note_passthrough(invocation, target, losses)
    if (invocation.sampling.n or 1) > 1:
        raise UnsupportedParameter(f"{target.name} gives one answer", param="n")


def _foreign_config(
    output: OutputFormat | None, profile: Profile, room: StrictRoom, losses: Losses
) -> Details:
    """Write `output_config` but for the effort."""
    match output:
        case None | TextFormat():
            return {}
        case JsonSchemaFormat(schema=dict() as schema) if profile.structured:
            note_details(output.provider_details, "/output_format", losses)
            try:
                form = narrowed(schema, "/output_format/schema", losses)
            except Recursive:
                raise UnsupportedParameter(
                    "the schema refers to itself, which the model does not take", param="response_format"
                ) from None
            room.takes(form, tool=False)
            form.setdefault("title", output.name)
            if output.description is not None:
                form.setdefault("description", output.description)
            return {"format": {"type": "json_schema", "schema": form}}
        case JsonSchemaFormat() | JsonObjectFormat() | OpaqueFormat():
            raise UnsupportedParameter(
                "the model cannot be held to this response_format", param="response_format"
            )
        case _:
            assert_never(output)


def _max_tokens(sampling: Sampling, profile: Profile, losses: Losses) -> int:
    """The bound of the answer, which the protocol demands: the caller's, else all that the model can give."""
    limit = sampling.max_output_tokens
    if limit is None:
        return profile.max_output_tokens
    if profile.bounded and limit > profile.max_output_tokens:
        losses.note(LossCode.PARAMETER_CLAMPED, "/sampling/max_output_tokens")
        return profile.max_output_tokens
    return limit


def _foreign_sampling(
    sampling: Sampling, profile: Profile, losses: Losses
) -> tuple[Sampling, tuple[str, ...] | None]:
    """What of the sampling the model takes, and its stop sequences."""
    temperature = sampling.temperature
    if temperature is not None and temperature > 1:
        losses.note(LossCode.PARAMETER_CLAMPED, "/sampling/temperature")
        temperature = 1
    taken = structs.replace(sampling, temperature=temperature)
    refused: tuple[tuple[str, Json], ...] = ()
    if profile.sampling == "none":
        refused = _REFUSED_BY_NEWER
    elif profile.sampling == "one" and temperature is not None:
        refused = (("top_p", 1),)
    for name, neutral in (*_UNKNOWN_THERE, *refused):
        value = getattr(taken, name)
        if value is not None and value != neutral:
            losses.note(LossCode.PARAMETER_DROPPED, f"/sampling/{name}")
    stop = sampling.stop
    if stop is not None and not all(word.strip() for word in stop):
        losses.note(LossCode.PARAMETER_DROPPED, "/sampling/stop")
        stop = tuple(word for word in stop if word.strip())
    return structs.replace(taken, **{name: None for name, _ in refused}), stop or None


def _add_user(body: Details, invocation: ChatInvocation, losses: Losses) -> None:
    if invocation.metadata:
        losses.note(LossCode.PARAMETER_DROPPED, "/metadata")
    if invocation.user is None:
        return
    if 0 < len(invocation.user) <= _LONGEST_USER:
        body["metadata"] = {"user_id": invocation.user}
    else:
        losses.note(LossCode.PARAMETER_DROPPED, "/user")
