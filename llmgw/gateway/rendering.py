"""A prompt version rendered to be looked at: what a model would be told, without asking one."""

from collections.abc import Mapping

from llmgw.gateway.prompting import facts_of, schema_name
from llmgw.prompts.prompts import Prompts
from llmgw.prompts.rendering.compiled import CompiledPrompt
from llmgw.prompts.serving.snapshot import Units
from llmgw.types.clock import Clock
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.prompt import PromptContent, PromptFacts, PromptRef, PromptTool


def rendering_of(
    prompts: Prompts, tenant: str, ref: PromptRef, call: str, clock: Clock
) -> tuple[Details, PromptFacts]:
    """Render the version that a call would get; returns what it says, and which version it is.

    Raises:
        PromptNotFound, PromptVersionNotFound, PromptRetired: there is none to be had.
        InputViolation, TemplateError: it cannot be rendered with these variables.
    """
    started_ns = clock.monotonic_ns()
    resolved = prompts.snapshot.resolve(tenant, ref, Units(None, None, tenant, call))
    facts = facts_of(resolved, started_ns)
    compiled = prompts.compiled(resolved, tenant)
    return rendered_as_told(compiled, ref.variables, facts.name, facts.version), facts


def rendered_as_told(
    compiled: CompiledPrompt, variables: Mapping[str, Json], name: str, version: int
) -> Details:
    """Render a version, a draft too, in the words of OpenAI's dialect.

    `history` is how many messages come before the conversation, null where it follows them all.

    Raises:
        InputViolation, TemplateError: it cannot be rendered with these variables.
    """
    content = compiled.content
    before, after, placed = compiled.render(variables)
    told: Details = {
        "prompt": f"{name}@{version}",
        "model": content.model,
        "messages": [{"role": each.role, "content": each.text} for each in (*before, *after)],
        "history": len(before) if placed else None,
    }
    return told | _besides(content, name)


def _besides(content: PromptContent, name: str) -> Details:
    """What goes with the messages, as far as there is such."""
    besides: Details = {}
    if content.tools:
        besides["tools"] = [_tool(each) for each in content.tools]
    if content.tool_choice is not None:
        besides["tool_choice"] = content.tool_choice
    if content.output_schema is not None:
        form = {"name": schema_name(name), "schema": content.output_schema}
        besides["response_format"] = {"type": "json_schema", "json_schema": form}
    return besides


def _tool(tool: PromptTool) -> Details:
    function: Details = {"name": tool.name}
    for name in ("description", "parameters", "strict"):
        value = getattr(tool, name)
        if value is not None:
            function[name] = value
    return {"type": "function", "function": function}
