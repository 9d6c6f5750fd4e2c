r"""From the text of a `.prompt` file to the content of a version.

    ---
    name: support/triage
    model: fast
    ---
    system:
    You triage tickets.

    history:

    user:
    {{ ticket }}

A line that is a role and a colon begins a message, wherever its template leads; `history:` is the place of the
conversation. A backslash before it makes it text: `\user:`. Blank lines around a message are no part of it.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from llmgw.prompts.files.front_matter import FrontMatter, split_front_matter
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.prompt import (
    PROMPT_NAME,
    RESERVED,
    PromptApi,
    PromptConfig,
    PromptContent,
    PromptTests,
    PromptTool,
    TemplateMessage,
)
from llmgw.types.prompt_errors import InvalidPrompt
from llmgw.types.scalars import Count
from llmgw.types.violation import Violation, pointer_to

Files: TypeAlias = Callable[[str], str]
"""Reads a file that stands beside the prompt, by its relative path; raises OSError where there is none."""

ROLE_LINE: Final = re.compile(r"(?P<escape>\\*)(?P<role>system|developer|user|assistant|history):[ \t]*\Z")
_FILE: Final = re.compile(r"\./[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}\.json\Z")
_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")


class ParsedPrompt(NamedTuple):
    """A prompt as a file says it; what it includes is not pinned yet."""

    name: str
    content: PromptContent


class Shape(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The schema of what goes in, or comes out."""

    schema: dict[str, Json]
    """A JSON Schema, or `$ref: ./file.json` for one beside the prompt."""


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The members of a front matter."""

    name: str
    """What the prompt is called: one to four words with slashes between them."""
    description: Annotated[str, Meta(max_length=4096)] = ""
    """What it is for."""
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """The alias that answers; without one the call names it."""
    partial: bool | str = False
    """Whether the body is a text for other prompts to include; or that text itself."""
    config: PromptConfig = PromptConfig()
    """How the model is asked; what a call says itself wins over these."""
    input: Shape | None = None
    """What variables must be."""
    output: Shape | None = None
    """What answers must be."""
    tools: Annotated[tuple[PromptTool, ...], Meta(max_length=128)] = ()
    """Functions that the model may call."""
    tool_choice: Annotated[str, Meta(max_length=128)] | None = None
    """`auto`, `none`, `required`, or the name of a tool."""
    api: PromptApi | None = None
    """Serves the prompt at an address of its own, `/v1/apis/{slug}`."""
    tests: PromptTests | None = None
    """How a version is tried before callers get it."""
    metadata: Annotated[dict[str, Json], Meta(max_length=64)] = {}
    """Whatever else there is to say."""
    messages: Annotated[tuple[TemplateMessage, ...], Meta(max_length=200)] = ()
    """The messages, only where the body cannot say them."""
    history: Count | None = None
    """How many of `messages` come before the conversation."""


def parse(text: str, *, files: Files | None = None) -> ParsedPrompt:
    """Read a `.prompt` file; `files` reads the schemas it names by `$ref: ./file.json`.

    Raises:
        InvalidPrompt: it is none; the message names the line, the violation the member.
    """
    parts = split_front_matter(text)
    head = _head(parts, files)
    _check_name(head.name, parts.lines)
    messages, history, partial = head.messages, head.history, None
    if head.partial is not False:
        partial = head.partial if isinstance(head.partial, str) else parts.body.strip("\n")
        if messages or history is not None:
            raise _invalid(parts.lines, "partial", "a partial is a text, and has no messages")
    elif messages or history is not None:
        if parts.body.strip():
            raise _invalid(
                parts.lines, "messages", "messages stand in the front matter or below it, not in both"
            )
    else:
        messages, history = _messages(parts)
    if history is not None and history > len(messages):
        raise _invalid(parts.lines, "history", f"there are no {history} messages before the history")
    content = PromptContent(
        messages=messages,
        history=history,
        partial=partial,
        model=head.model,
        config=head.config,
        tools=head.tools,
        tool_choice=head.tool_choice,
        input_schema=head.input.schema if head.input is not None else None,
        output_schema=head.output.schema if head.output is not None else None,
        api=head.api,
        tests=head.tests,
        description=head.description,
        metadata=head.metadata,
    )
    return ParsedPrompt(head.name, content)


def _head(parts: FrontMatter, files: Files | None) -> Head:
    known = Head.__struct_fields__
    for name in parts.members:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f": did you mean `{near[0]}`?" if near else f"; there are {', '.join(known)}"
            raise _invalid(parts.lines, name, f"there is no member `{name}`{meant}")
    members = dict(parts.members)
    for name in ("input", "output"):
        shape = members.get(name)
        if isinstance(shape, dict) and "schema" in shape:
            members[name] = {**shape, "schema": _referred(shape["schema"], files, parts, name)}
    if isinstance(members.get("tools"), list):
        members["tools"] = [_tool(each, files, parts) for each in members["tools"]]
    try:
        return msgspec.convert(members, Head)
    except msgspec.ValidationError as error:
        said = str(error)
        found = _PLACE.search(said)
        steps = _STEP.findall(found["path"]) if found else []
        path = [name or int(index) for name, index in steps]
        message = said if found is None else said[: found.start()]
        raise _invalid(parts.lines, str(path[0]) if path else "name", message, *path[1:]) from None


def _tool(tool: Json, files: Files | None, parts: FrontMatter) -> Json:
    if not isinstance(tool, dict) or "parameters" not in tool:
        return tool
    return {**tool, "parameters": _referred(tool["parameters"], files, parts, "tools")}


def _referred(schema: Json, files: Files | None, parts: FrontMatter, member: str) -> Json:
    """A schema, or the one in the file beside the prompt that `$ref: ./file.json` names."""
    if not isinstance(schema, Mapping) or set(schema) != {"$ref"}:
        return schema
    path = schema["$ref"]
    if not isinstance(path, str) or not path.startswith("./"):
        return schema
    if not _FILE.match(path) or ".." in path:
        raise _invalid(parts.lines, member, "a file beside the prompt is named ./path/to/file.json")
    if files is None:
        raise _invalid(
            parts.lines, member, f"the file {path} stands beside the prompt: send its content in its place"
        )
    try:
        found = json.decode(files(path).encode())
    except OSError:
        raise _invalid(parts.lines, member, f"there is no file {path}") from None
    except (InvalidJson, UnicodeError):
        raise _invalid(parts.lines, member, f"{path} is no JSON") from None
    return found


def _messages(parts: FrontMatter) -> tuple[tuple[TemplateMessage, ...], int | None]:
    """Split a body at its roles."""
    messages: list[TemplateMessage] = []
    history: int | None = None
    role: Any = None
    text: list[str] = []

    def end() -> None:
        if role is not None and role != "history":
            messages.append(TemplateMessage(role=role, text="\n".join(text).strip("\n")))
        text.clear()

    for number, line in enumerate(parts.body.split("\n"), parts.body_line):
        found = ROLE_LINE.match(line)
        if found is not None and not found["escape"]:
            end()
            role = found["role"]
            if role == "history":
                if history is not None:
                    raise InvalidPrompt(f"line {number}: there is one place for the history")
                history = len(messages)
            continue
        if line.strip() and role in {None, "history"}:
            raise InvalidPrompt(
                f"line {number}: a text belongs to a role: begin with `system:`, `user:` or `assistant:` on a "
                "line of its own, or say `partial: true` where others include it"
                if role is None
                else f"line {number}: `history:` is a place, and has no text"
            )
        text.append(line[1:] if found is not None else line)
    end()
    if not messages:
        raise InvalidPrompt(f"line {parts.body_line}: a prompt has at least one message")
    return tuple(messages), history


def _check_name(name: str, lines: Mapping[str, int]) -> None:
    if not PROMPT_NAME.fullmatch(name):
        raise _invalid(
            lines,
            "name",
            "a name is one to four words of a-z, 0-9, '_' and '-' with slashes between them: support/triage",
        )
    if taken := RESERVED.intersection(name.split("/")):
        raise _invalid(lines, "name", f"`{min(taken)}` cannot be part of a name: addresses need it")


def _invalid(lines: Mapping[str, int], member: str, message: str, *steps: str | int) -> InvalidPrompt:
    where = f"line {lines[member]}: " if member in lines else ""
    told = f"{where}{'.'.join(map(str, (member, *steps)))}: {message}"
    return InvalidPrompt(told, [Violation(rule="file", pointer=pointer_to(member, *steps), message=told)])
