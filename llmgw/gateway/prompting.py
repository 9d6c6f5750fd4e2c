"""Calls with a prompt: which version, rendered with the call's variables, and joined with what the caller says.

The version is found in what the worker knows, and no store is asked.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from llmgw.prompts.prompts import Prompts
from llmgw.prompts.rendering.compiled import CompiledPrompt, Rendered
from llmgw.prompts.serving.snapshot import Resolved, Units
from llmgw.types.call import DEFAULT_TENANT, Call
from llmgw.types.clock import Clock
from llmgw.types.context import ContextOptions
from llmgw.types.errors import InvalidRequest, UnsupportedParameter
from llmgw.types.feature import Feature
from llmgw.types.invocation import (
    ChatInvocation,
    CountInvocation,
    FunctionTool,
    Invocation,
    JsonSchemaFormat,
    Reasoning,
    Sampling,
    TextFormat,
    Tool,
    ToolChoice,
)
from llmgw.types.json import Json
from llmgw.types.message import Message
from llmgw.types.prompt import PromptConfig, PromptContent, PromptFacts, PromptRef, PromptTool

PROMPT: Final = "prompt"
"""The member that errors and needs name."""

_APART: Final = "anthropic"
"""The dialect with words and bounds of its own for how a model answers."""
_NO_CONFIG: Final = PromptConfig()
_NO_REASONING: Final = Reasoning()
_INSTRUCTING: Final = frozenset({"system", "developer"})
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64
_EFFORTS_APART: Final = {"none": None, "minimal": "low"}
"""Efforts that Anthropic's dialect has no word for, and what comes nearest."""


class Prompted(NamedTuple):
    """A call as it is asked, and the version that is part of it."""

    invocation: Invocation
    compiled: CompiledPrompt


class Prompting:
    """Puts prompt versions into calls; one per worker."""

    def __init__(self, prompts: Prompts, clock: Clock) -> None:
        self._prompts = prompts
        self._clock = clock

    async def applied(self, invocation: Invocation, call: Call) -> Prompted:
        """Do as `apply`, once the version is ready: one that is large is compiled off the loop.

        Raises:
            GatewayError: as `apply` lists.
        """
        return await self._prompts.when_ready(partial(self.apply, invocation, call))

    def apply(self, invocation: Invocation, call: Call) -> Prompted:
        """Join a call with the prompt version it names, and note on the call which that is.

        Raises:
            PromptNotFound, PromptVersionNotFound, ApiNotFound, PromptRetired: there is none to be had.
            InputViolation: the variables do not fit the version's input schema.
            TemplateError: it cannot be rendered with them.
            InvalidRequest: the call says what belongs to the version, or neither says what must be said.
            NotCompiled: the version is large, and was not asked for yet.
        """
        ref = invocation.options.prompt
        if ref is None:
            raise RuntimeError("a call without a prompt was to be joined with one")
        counted = invocation if isinstance(invocation, CountInvocation) else None
        chat = invocation if counted is None else counted.chat
        if not isinstance(chat, ChatInvocation):
            raise UnsupportedParameter("only conversations have a prompt", param=PROMPT)
        context = invocation.options.context
        if ref.slug and context is not None:
            raise InvalidRequest("an API continues no conversation", param="llmgw.context")
        compiled = self._compiled(ref, context, chat.user, call)
        name = call.prompt.name if call.prompt is not None else ref.name
        asked = joined(chat, compiled, ref.variables, name=name, stored=context is not None)
        if counted is None:
            return Prompted(asked, compiled)
        needs = {**asked.needs, **counted.needs}
        return Prompted(replace(counted, model=asked.model, chat=asked, needs=needs), compiled)

    def _compiled(
        self, ref: PromptRef, context: ContextOptions | None, user: str | None, call: Call
    ) -> CompiledPrompt:
        started_ns = self._clock.monotonic_ns()
        tenant = call.caller.tenant if call.caller is not None else DEFAULT_TENANT
        units = Units(context.id if context is not None else None, user, tenant, call.id)
        resolved = self._prompts.snapshot.resolve(tenant, ref, units)
        call.prompt = facts_of(resolved, started_ns)
        try:
            return self._prompts.compiled(resolved, tenant)
        finally:
            call.prompt.ended_ns = self._clock.monotonic_ns()


def joined(
    chat: ChatInvocation,
    compiled: CompiledPrompt,
    variables: Mapping[str, Json],
    *,
    name: str,
    stored: bool,
) -> ChatInvocation:
    """Join what a caller says with a version of the prompt `name`, rendered with the caller's variables.

    `stored` tells that the conversation before is a stored one. The version's model and what it says of tools and
    of the answer's form are its own; of how the answer is drawn the caller's word comes first.

    Raises:
        InputViolation, TemplateError: it cannot be rendered with them.
        InvalidRequest: the call says what belongs to the version, or neither says what must be said.
    """
    content = compiled.content
    _refuse_conflicts(chat, content)
    model = content.model or chat.model
    if not model:
        raise InvalidRequest("neither the call nor the prompt version names a model", param="model")
    needs = dict(chat.needs)
    rendered = compiled.render(variables)
    preamble, first, messages = _told(chat.messages, rendered, stored=stored)
    if not messages and not stored:
        raise InvalidRequest("neither the call nor the prompt version says anything", param="messages")
    asked = replace(
        chat,
        model=model,
        messages=messages,
        preamble=preamble,
        rendered=first,
        prompted=True,
        sampling=_sampling(chat, content.config, needs),
        reasoning=_reasoning(chat, content.config, needs),
        needs=needs,
    )
    if content.tools:
        needs[Feature.TOOLS] = PROMPT
        asked = replace(asked, tools=tuple(map(_tool, content.tools)))
    if content.tool_choice is not None:
        asked = replace(asked, tool_choice=_tool_choice(content.tool_choice))
    if content.output_schema is not None:
        needs[Feature.JSON_SCHEMA] = PROMPT
        output = JsonSchemaFormat(name=schema_name(name), schema=content.output_schema, neutral=True)
        asked = replace(asked, output_format=output)
    return asked


def _told(
    said: Sequence[Message], rendered: Rendered, *, stored: bool
) -> tuple[tuple[Message, ...], int, tuple[Message, ...]]:
    """The preamble, how many of the messages are the version's, and the messages."""
    before, after, placed = rendered
    if not stored:
        # What the caller says is the conversation, for which the version has a place.
        return (), 0, (*before, *said, *after)
    if not placed:
        count = 0
        for each in before:
            if each.role not in _INSTRUCTING:
                break
            count += 1
        before, after = before[:count], before[count:]
    return tuple(before), len(after), (*after, *said)


def _refuse_conflicts(chat: ChatInvocation, content: PromptContent) -> None:
    """Refuse a call that brings what the version has already.

    Raises:
        InvalidRequest: it does; `param` names the member.
    """
    offered = bool(chat.tools) or bool(chat.passthrough.get("functions"))
    if content.tools and offered:
        raise _conflict("tools")
    if (content.tools or content.tool_choice is not None) and chat.tool_choice is not None:
        raise _conflict("tool_choice")
    if content.output_schema is not None and not isinstance(chat.output_format, TextFormat | None):
        raise _conflict("output_config" if chat.wire == _APART else "response_format")


def _conflict(member: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{member}' belongs to the prompt version, which has it: leave it out", param=member
    )


def _sampling(chat: ChatInvocation, config: PromptConfig, needs: dict[Feature, str]) -> Sampling:
    given = chat.sampling
    if config == _NO_CONFIG:
        return given
    values = {
        name: value
        for name, value in (
            ("temperature", config.temperature),
            ("top_p", config.top_p),
            ("top_k", config.top_k),
            ("max_output_tokens", config.max_tokens),
            ("stop", config.stop or None),
            ("seed", config.seed),
            ("frequency_penalty", config.frequency_penalty),
            ("presence_penalty", config.presence_penalty),
        )
        if value is not None and getattr(given, name) is None
    }
    if values.get("frequency_penalty") or values.get("presence_penalty"):
        needs.setdefault(Feature.PENALTIES, PROMPT)
    return replace(given, **values) if values else given


def _reasoning(chat: ChatInvocation, config: PromptConfig, needs: dict[Feature, str]) -> Reasoning:
    given = chat.reasoning
    effort = config.reasoning_effort
    if effort is None or given != _NO_REASONING:
        return given
    if chat.wire == _APART:
        # There it is no need of a call that a model should think: one that cannot still answers.
        return Reasoning(effort=_EFFORTS_APART.get(effort, effort))
    if effort != "none":
        needs.setdefault(Feature.REASONING, PROMPT)
    return Reasoning(effort=effort)


def _tool(tool: PromptTool) -> Tool:
    return FunctionTool(
        name=tool.name, description=tool.description, parameters=tool.parameters, strict=tool.strict
    )


def _tool_choice(choice: str) -> ToolChoice:
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice)
        case _:
            return ToolChoice(mode="named", name=choice)


def schema_name(name: str) -> str:
    """A name for the form of a prompt's answers that every host takes."""
    return _UNFIT.sub("_", name)[:_LONGEST_NAME]


def facts_of(resolved: Resolved, started_ns: int) -> PromptFacts:
    """What is noted of the version that a call gets."""
    info = resolved.info
    return PromptFacts(
        name=resolved.name,
        version=info.number,
        hash=info.hash,
        label=resolved.label,
        arm=resolved.arm,
        source=resolved.source,
        deprecated_ms=info.deprecated_ms,
        sunset_ms=info.sunset_ms,
        successor=info.successor,
        started_ns=started_ns,
        ended_ns=started_ns,
    )
