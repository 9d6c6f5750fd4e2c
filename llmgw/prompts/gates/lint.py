"""The lint: what is wrong with a content before anybody calls it, and where.

Errors keep a version from being published; `secret` keeps it from being stored at all, as no version is ever
changed. It may take a while: off the event loop.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from llmgw.prompts.gates.examples import api_findings, case_findings
from llmgw.prompts.gates.findings import Finding, error, warning
from llmgw.prompts.gates.fixed_text import fixed_text
from llmgw.prompts.gates.secrets import leaks
from llmgw.prompts.gates.templates import template_findings
from llmgw.types import json
from llmgw.types.context_errors import SchemaRejected
from llmgw.types.json import Json
from llmgw.types.prompt import PromptContent
from llmgw.types.violation import pointer_to
from llmgw.user_schemas import CompiledSchema, compile_schema

SECRET: Final = "secret"  # noqa: S105  # the name of a rule
"""The rule of findings that keep a content from being stored."""
FINDINGS_MAX: Final = 100

_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MODES: Final = frozenset({"auto", "none", "required"})


class Models(NamedTuple):
    """What the lint must know of the models that answer.

    `known` says whether calls may name a model; `window` is the smallest number of tokens that one of its targets
    takes, None where that is not known; `tokens` counts a text for a model.
    """

    known: Callable[[str], bool]
    window: Callable[[str], int | None]
    tokens: Callable[[str, str], int]


def lint(content: PromptContent, models: Models | None = None) -> tuple[Finding, ...]:
    """Find what is wrong with a content, errors first; the messages repeat no secret."""
    return tuple(sorted(_findings(content, models), key=_order)[:FINDINGS_MAX])


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that keep a version from being published."""
    return tuple(each for each in findings if each.severity == "error")


def _order(finding: Finding) -> tuple[bool, bool]:
    return finding.severity != "error", finding.rule != SECRET


def _findings(content: PromptContent, models: Models | None) -> Iterator[Finding]:
    yield from secret_findings(content)
    yield from shape_findings(content)
    yield from _tools(content)
    input_schema = yield from _schema(content.input_schema, "/input_schema")
    output_schema = yield from _schema(content.output_schema, "/output_schema")
    yield from template_findings(content)
    yield from api_findings(content, input_schema, output_schema)
    yield from case_findings(content, input_schema)
    if models is not None and content.model is not None:
        yield from _model(content, content.model, models)


def secret_findings(content: PromptContent) -> Iterator[Finding]:
    """Find credentials anywhere in a content."""
    for pointer, text in _texts(msgspec.to_builtins(content), ""):
        for leak in leaks(text):
            line = text.count("\n", 0, leak.start) + 1
            shape = leak.shape.replace("_", " ")
            yield error(SECRET, pointer, f"line {line} has what looks like a secret ({shape}): take it out")


def _texts(value: Json, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            # A name that is a secret itself is told nowhere, nor is the way through it.
            yield pointer, str(name)
            yield from _texts(member, pointer if any(leaks(str(name))) else pointer + pointer_to(name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _texts(item, pointer + pointer_to(number))


def shape_findings(content: PromptContent) -> Iterator[Finding]:
    """Find what keeps a content from saying anything to a model."""
    if content.partial is not None:
        if content.messages:
            yield error("shape", "/partial", "a partial is for others to include and has no messages")
        return
    if not content.messages:
        yield error("shape", "/messages", "a prompt says something: there are no messages")
    for number, message in enumerate(content.messages):
        if not message.text.strip():
            yield error("shape", pointer_to("messages", number, "text"), "the message is empty")
    if content.history is not None and content.history > len(content.messages):
        yield error("shape", "/history", "the place of the conversation is behind the last message")


def _tools(content: PromptContent) -> Iterator[Finding]:
    names: set[str] = set()
    for number, tool in enumerate(content.tools):
        at = pointer_to("tools", number)
        if _TOOL_NAME.fullmatch(tool.name) is None:
            yield error("tool", f"{at}/name", "a tool's name has 1 to 64 letters, digits, _ and -")
        if tool.name in names:
            yield error("tool", f"{at}/name", "two tools have the same name")
        names.add(tool.name)
        if not tool.description:
            yield warning("tool", at, "without a description the model can only guess what the tool is for")
        parameters = tool.parameters
        if parameters is None:
            continue
        if not isinstance(parameters, dict):
            yield error(
                "tool", f"{at}/parameters", "a tool's parameters are a JSON Schema, which is an object"
            )
        elif parameters.get("type") != "object":
            yield warning(
                "tool", f"{at}/parameters", 'most providers take only parameters of "type": "object"'
            )
    choice = content.tool_choice
    if choice is None:
        return
    if not content.tools:
        yield error("tool", "/tool_choice", "there are no tools to choose from")
    elif choice not in _MODES and choice not in names:
        yield error("tool", "/tool_choice", f"no tool is named {json.encode(choice).decode()}")


def _schema(written: dict[str, Json] | None, pointer: str) -> Generator[Finding, None, CompiledSchema | None]:
    if written is None:
        return None
    try:
        return compile_schema(json.encode(written))
    except SchemaRejected as rejected:
        for each in rejected.violations:
            yield error("schema", pointer + each.pointer, each.message)
        if not rejected.violations:
            yield error("schema", pointer, rejected.message)
    return None


def _model(content: PromptContent, model: str, models: Models) -> Iterator[Finding]:
    if not models.known(model):
        yield error("model", "/model", f"no model is named {json.encode(model).decode()} here")
        return
    window = models.window(model)
    if window is None:
        return
    text = fixed_text(content)
    answer = content.config.max_tokens or 0
    most = len(text.encode("utf-8", "surrogatepass"))
    if 2 * most <= window and most + answer <= window:
        return  # no token is less than a byte: there is nothing to count
    tokens = models.tokens(model, text)
    if tokens >= window:
        yield error("tokens", "/messages", f"the text alone has {tokens} tokens; the model takes {window}")
    elif tokens + answer > window:
        yield error(
            "tokens",
            "/config/max_tokens",
            f"{tokens} tokens of text and {answer} of answer are more than the {window} that the model takes",
        )
    elif 2 * tokens > window:
        yield warning(
            "tokens", "/messages", f"the text takes {tokens} of the {window} tokens that the model takes"
        )
