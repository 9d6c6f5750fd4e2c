"""A content made ready: templates compiled once, variables held against their schema, and text within bounds."""

from collections.abc import Mapping
from itertools import count
from threading import Lock
from typing import Final, NamedTuple, TypeAlias

from llmgw.prompts.rendering.engine import Engine, Template
from llmgw.prompts.rendering.limits import (
    AT,
    FUEL,
    FUEL_MIN,
    HAS,
    INCLUDES_DEEP,
    MISSING,
    OUTPUT_MAX,
    TEXT,
    TEXT_MAX,
    TOLD,
    VALUES_MAX,
    VARIABLES_DEEP,
    VARIABLES_MAX,
    WHOLE_MAX,
    WITHDRAWN,
)
from llmgw.prompts.rendering.values import measured
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt import PromptContent, PromptRole
from llmgw.types.prompt_errors import InputViolation, TemplateTooComplex
from llmgw.types.violation import Violation
from llmgw.user_schemas import CompiledSchema, compile_schema

__all__ = [
    "FUEL",
    "INCLUDES_DEEP",
    "OUTPUT_MAX",
    "TEXT_MAX",
    "VARIABLES_MAX",
    "WHOLE_MAX",
    "WITHDRAWN",
    "CompiledPrompt",
    "Rendered",
    "compile_prompt",
    "forget_renderings",
]

_SAID_MOST: Final = 128
_SAID_KEY: Final = 256
_SAID_TEXT: Final = 8_192
"""Renderings that are remembered, the characters of the variables of each with their names, and of its text."""
_STRINGS: Final[frozenset[type]] = frozenset({str})
_OWN: Final = frozenset({AT, TEXT, TOLD, HAS, MISSING})


class Rendered(NamedTuple):
    """The messages of a version with their text: those before the place of the history, and those after it.

    Where there is no place (`placed`), all are before it.
    """

    before: tuple[Message, ...]
    after: tuple[Message, ...]
    placed: bool


_Key: TypeAlias = tuple[int, tuple[tuple[str, Json], ...]]
_NUMBERS: Final = count(1)
"""By which what is remembered tells versions apart, and holds none that is compiled no more."""
_SAID: Final[dict[_Key, Rendered]] = {}
_SAID_LOCK: Final = Lock()
"""What was rendered lately, the oldest first; versions are rendered in threads, too."""


def forget_renderings() -> None:
    """Remember nothing of what was rendered: it has callers' words in it, which stay no longer than they help."""
    with _SAID_LOCK:
        _SAID.clear()


class CompiledPrompt:
    """One content, ready to be rendered again and again."""

    def __init__(self, content: PromptContent) -> None:
        self.content = content
        self._input = _schema(content.input_schema)
        self._output = _schema(content.output_schema)
        includes = {name: each.text for name, each in content.includes.items()}
        templates = sum("{" in each.text for each in content.messages)
        self._engine = Engine(includes, max(FUEL_MIN, FUEL // max(1, templates)))
        for name, text in includes.items():
            # Compiled by itself first: what is wrong with a partial is its own, whoever includes it.
            Engine(includes, FUEL).add(f"the partial {name}", text)
        self._messages: list[Message | tuple[PromptRole, Template]] = []
        for number, each in enumerate(content.messages, 1):
            template = self._engine.add(f"message {number}", each.text)
            if template.plain is None:
                self._messages.append((each.role, template))
            else:
                self._messages.append(_message(each.role, template.plain))
        if content.partial is not None:
            self._engine.add("the partial", content.partial)
        self._lock = Lock()
        self._number = next(_NUMBERS)

    def render(self, variables: Mapping[str, Json]) -> Rendered:
        """Make the messages; variables are values in their text, whatever they look like.

        Raises:
            InputViolation: the variables do not fit the input schema.
            TemplateError: a template asks for what they do not have.
            TemplateTooComplex: it would take too long, or come to too much text.
        """
        key = self._key(variables)
        # Nothing but the variables makes a rendering another: a few short ones come again and again.
        known = _SAID.get(key) if key is not None else None
        if known is not None:
            return known
        light = self._checked(variables)
        # The engine calls back into one meter: two threads with one version take turns.
        with self._lock:
            self._engine.meter.start(light=light)
            messages = tuple(
                each if isinstance(each, Message) else self._rendered(*each, variables)
                for each in self._messages
            )
        place = self.content.history
        if place is None:
            rendered = Rendered(messages, (), placed=False)
        else:
            rendered = Rendered(messages[:place], messages[place:], placed=True)
        if key is not None and sum(len(each.text) for each in messages) <= _SAID_TEXT:
            with _SAID_LOCK:
                if len(_SAID) >= _SAID_MOST:
                    del _SAID[next(iter(_SAID))]
                _SAID[key] = rendered
        return rendered

    def _key(self, variables: Mapping[str, Json]) -> _Key | None:
        """By what a rendering is remembered: where all variables are short strings, and have short names."""
        values = variables.values()
        if set(map(type, values)) <= _STRINGS and sum(map(len, (*variables, *values))) <= _SAID_KEY:
            return self._number, tuple(variables.items())
        return None

    def _rendered(self, role: PromptRole, template: Template, variables: Mapping[str, Json]) -> Message:
        return _message(role, self._engine.render(template, variables))

    def _checked(self, variables: Mapping[str, Json]) -> bool:
        """Hold variables against their schema and bounds; say whether they are few and short."""
        values = dict(variables)
        if self._input is not None and (violations := self._input.violations(values)):
            raise InputViolation("the variables do not fit the prompt's input schema", violations)
        size = measured(values)
        if size is None or not _OWN.isdisjoint(values):
            message = (
                f"variables have at most {VARIABLES_MAX} characters, {VALUES_MAX} values and {VARIABLES_DEEP} "
                "levels, whole numbers of 64 bits, and no name of the gateway's own"
            )
            raise TemplateTooComplex(message, param="variables")
        return size.light

    def check_output(self, text: str) -> tuple[Json, tuple[Violation, ...]]:
        """Read an answer as JSON and hold it against the output schema; says what keeps it from fitting."""
        if len(text) > OUTPUT_MAX:
            words = f"the answer has more than {OUTPUT_MAX} characters"
            return None, (Violation(rule="output.size", pointer="", message=words),)
        try:
            value = json.decode(text.encode("utf-8", "surrogatepass"))
        except InvalidJson as error:
            return None, (Violation(rule="output.json", pointer="", message=error.message),)
        return value, self._output.violations(value) if self._output is not None else ()


def compile_prompt(content: PromptContent) -> CompiledPrompt:
    """Make a content ready.

    Raises:
        TemplateError: a template is none, or includes what is not there.
        SchemaRejected: a schema is none, or not one that may be used.
    """
    return CompiledPrompt(content)


def _message(role: PromptRole, text: str) -> Message:
    return Message(role=role, parts=(TextPart(text=text),))


def _schema(schema: Json) -> CompiledSchema | None:
    return None if schema is None else compile_schema(json.encode(schema))
