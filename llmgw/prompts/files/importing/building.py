"""From what another tool's file says to a content: names made fit, notes kept, and all of it proved to compile."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import minijinja
import msgspec

from llmgw.prompts.rendering import scan
from llmgw.prompts.rendering.compiled import compile_prompt
from llmgw.types import json
from llmgw.types.errors import RequestError
from llmgw.types.json import Json
from llmgw.types.prompt import (
    PROMPT_NAME,
    RESERVED,
    Include,
    PromptConfig,
    PromptContent,
    PromptTool,
    TemplateMessage,
)
from llmgw.types.prompt_errors import InvalidPrompt

ROLES: Final = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
}
"""Roles of other tools, and ours."""
CONFIG: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "topK": "top_k",
    "top_k": "top_k",
    "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxTokens": "max_tokens",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "stop": "stop",
    "seed": "seed",
    "frequencyPenalty": "frequency_penalty",
    "frequency_penalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "presence_penalty": "presence_penalty",
    "reasoningEffort": "reasoning_effort",
    "reasoning_effort": "reasoning_effort",
}
"""Sampling members of other tools, and ours."""
NAME_MAX: Final = 63
NOTES_MAX: Final = 200
MESSAGES_MAX: Final = 200

_CONDITION: Final = re.compile(
    r"\{%[-+]?\s*(?:(?:el)?if\s+(?:not\s+)?|for\s+[\w, ]{1,200}\s+in\s+)\(*([A-Za-z_]\w*)"
    r"(?=\s*[-+]?%\}|\s+(?:and|or|[=!]=)\s|[.\[][^%]{0,300}\|default\()"
)
"""What is asked for before it is used: it may be missing, here as there."""
_EMPTY: Final = {"array": "[]", "object": "{}"}


class Imported(NamedTuple):
    """One prompt of another tool: its name (empty where the file says none), its content, what was not kept."""

    name: str
    content: PromptContent
    notes: tuple[str, ...]


class Draft:
    """What has been read of one prompt so far."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.messages: list[TemplateMessage] = []
        self.lines: list[int] = []
        """For each message the line of the file where its text begins."""
        self.history: int | None = None
        self.members: dict[str, Any] = {}
        self.defaults: dict[str, Json] = {}
        """What variables are when a call does not say them."""
        self.notes: list[str] = []

    def note(self, said: str) -> None:
        """Keep a note once, up to a bound."""
        if said not in self.notes and len(self.notes) < NOTES_MAX:
            self.notes.append(said[:300])

    def add(self, role: str, text: str, line: int) -> None:
        """Add a message without the blank space around its text; one with no text is none."""
        kept = text.strip()
        if len(self.messages) == MESSAGES_MAX and kept:
            raise InvalidPrompt(f"line {line}: a prompt has at most {MESSAGES_MAX} messages")
        if kept:
            skipped = text[: len(text) - len(text.lstrip())].count("\n")
            try:
                self.messages.append(msgspec.convert({"role": role, "text": kept}, TemplateMessage))
            except msgspec.ValidationError:
                raise InvalidPrompt(f"line {line}: a message is too long, or its role is none") from None
            self.lines.append(line + skipped)

    def place(self, line: int) -> None:
        """Put the conversation here."""
        if self.history is not None:
            raise InvalidPrompt(f"line {line}: there is one place for the conversation")
        self.history = len(self.messages)

    def configure(self, members: Mapping[str, Json], where: str) -> None:
        """Take over how the model is asked; what is out of bounds or unknown becomes a note."""
        config = self.members.setdefault("config", {})
        for name, value in members.items():
            ours = CONFIG.get(name)
            if ours is None:
                self.note(f"{where}{name} has no place here")
                continue
            fit = [value] if ours == "stop" and isinstance(value, str) else value
            try:
                msgspec.convert({ours: fit}, PromptConfig)
            except msgspec.ValidationError:
                self.note(f"{where}{name} is not a value that is sent here, and is left out")
                continue
            if fit is not None:
                config[ours] = fit

    def offer(self, tools: Json, where: str) -> None:
        """Take over functions told as OpenAI tells them; what is none becomes a note."""
        found = self.members.setdefault("tools", [])
        for number, each in enumerate(tools if isinstance(tools, list) else [tools]):
            said = each.get("function") if isinstance(each, dict) else None
            said = said if isinstance(said, dict) else each
            known = said
            if isinstance(said, dict):
                known = {
                    member: value for member, value in said.items() if member in PromptTool.__struct_fields__
                }
            try:
                found.append(msgspec.convert(known, PromptTool))
                for member in set(said) - set(known) - {"type", "kind"}:
                    self.note(f"{where}: {member[:64]} of a tool has no place here, and is left out")
            except msgspec.ValidationError:
                name = said.get("name") if isinstance(said, dict) else said
                self.note(
                    f"{where}: the tool {_told(name, number)} is not told as a function, and is left out"
                )

    def describe(self, text: Json, where: str) -> None:
        """Take over a description as far as there is room for it."""
        if not isinstance(text, str):
            self.note(f"{where} is no text, and is left out")
            return
        if len(text) > 4096:
            self.note(f"{where} is cut after 4096 characters")
        self.members["description"] = text[:4096]

    def keep(self, members: Mapping[str, Json]) -> None:
        """Keep what only people read."""
        metadata = self.members.setdefault("metadata", {})
        for name, value in members.items():
            if len(metadata) < 64:
                metadata[name] = value
            else:
                self.note(f"metadata.{name} is left out: there is room for 64")

    def finish(self) -> Imported:
        """Make the content, and prove that it compiles.

        Raises:
            InvalidPrompt: it does not; the message names the line where one is known.
        """
        if not self.messages:
            raise InvalidPrompt("there is no message in it")
        for each, line in zip(self.messages, self.lines, strict=True):
            for problem in scan.problems(each.text):
                raise InvalidPrompt(f"line {line + problem.line - 1}: {problem.message}")
        self.messages = [
            self._guarded(each, line) for each, line in zip(self.messages, self.lines, strict=True)
        ]
        members = {"messages": self.messages, "history": self.history, **self.members}
        try:
            content = msgspec.convert(members, PromptContent)
        except msgspec.ValidationError as error:
            raise InvalidPrompt(f"this is no prompt here: {error}") from None
        _prove(content, self.lines)
        return Imported(fit_name(self.name, self), content, tuple(self.notes))

    def _guarded(self, message: TemplateMessage, line: int) -> TemplateMessage:
        """Say what optional variables are when they are not there: a template here asks for each it names."""
        try:
            used = minijinja.Environment().undeclared_variables_in_str(message.text)
        except minijinja.TemplateError as error:
            raise InvalidPrompt(
                f"line {line + (error.line or 1) - 1}: {error.detail or error.kind}"
            ) from None
        asked = set(_CONDITION.findall(message.text))
        schema = self.members.get("input_schema") or {}
        required, properties = _listed(schema, "required"), _shapes(schema)
        said = ""
        for name in sorted(used - scan.FUNCTIONS):
            if name in self.defaults:
                said += self._default(name, properties)
            elif name not in required and (name in properties or name in asked):
                said += f"{{% set {name} = {name}|default({_empty(properties.get(name))}) %}}"
            elif properties and name not in properties:
                self.note(f"{name} is used, but not described in the input schema: calls have to say it")
        if len(said) + len(message.text) > scan.TEMPLATE_MAX:
            raise InvalidPrompt(f"line {line}: a message has at most {scan.TEMPLATE_MAX} characters")
        return TemplateMessage(role=message.role, text=said + message.text)

    def _default(self, name: str, properties: Mapping[str, Json]) -> str:
        said = f"{{% set {name} = {name}|default({literal(self.defaults[name])}) %}}"
        if scan.problems(said):
            self.note(f"the default of {name} is too large for a template, and is left out")
            return f"{{% set {name} = {name}|default({_empty(properties.get(name))}) %}}"
        return said


def literal(value: Json) -> str:
    """A JSON value as a template writes it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(str(name))}: {literal(each)}' for name, each in value.items())}}}"
    return json.encode(value).decode()


def fit_name(name: str, draft: Draft) -> str:
    """A name as prompts have them here, with a note where it is another; empty where nothing is left of it."""
    if PROMPT_NAME.fullmatch(name) and not RESERVED.intersection(name.split("/")):
        return name
    words = []
    for word in name.lower().split("/")[:20]:
        fit = re.sub(r"[^a-z0-9_-]+", "-", word[:1000]).strip("-_")[:NAME_MAX]
        if fit:
            words.append(f"{fit}-prompt"[:NAME_MAX] if fit in RESERVED else fit)
    while len(words) > 4:
        words[-2:] = [f"{words[-2]}-{words[-1]}"[:NAME_MAX]]
    fit = "/".join(words)
    if fit and fit != name:
        draft.note(
            f"it is called {fit} here, as a name has no more than small letters, digits, '-', '_' and '/'"
        )
    elif name:
        draft.note("nothing is left of its name that may be a name here")
    return fit


def _prove(content: PromptContent, lines: Iterable[int]) -> None:
    texts = [each.text for each in content.messages]
    named = {name for text in texts for name in scan.includes_of(text)}
    stand_in = Include(version=1, hash="", text="")
    trial = msgspec.structs.replace(content, includes=dict.fromkeys(named, stand_in))
    try:
        compile_prompt(trial)
    except RequestError as error:
        first = re.match(r"message (\d+), line (\d+): ", error.message)
        if first is None:
            raise InvalidPrompt(error.message) from None
        line = list(lines)[int(first[1]) - 1] + int(first[2]) - 1
        raise InvalidPrompt(f"line {line}: {error.message[first.end() :]}") from None


def _empty(shape: Json) -> str:
    kind = shape.get("type") if isinstance(shape, dict) else None
    kinds = kind if isinstance(kind, list) else [kind]
    return next((_EMPTY[each] for each in kinds if isinstance(each, str) and each in _EMPTY), '""')


def _listed(schema: Mapping[str, Json], name: str) -> set[str]:
    found = schema.get(name)
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _shapes(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _told(name: Json, number: int) -> str:
    return repr(name[:64]) if isinstance(name, str) else f"number {number + 1}"
