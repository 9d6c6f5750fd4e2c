"""A content made ready: templates compiled once, variables held against their schema, and text within bounds."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import minijinja

from llmgw.prompts.rendering import scan
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt import PromptContent, TemplateMessage
from llmgw.types.prompt_errors import InputViolation, TemplateError, TemplateTooComplex
from llmgw.types.violation import Violation
from llmgw.user_schemas import CompiledSchema, compile_schema

FUEL: Final = 50_000
"""What the messages may cost together: a step of the engine costs 1, and 64 characters made or read cost 1."""
FUEL_MIN: Final = 8_000
"""What each of many messages may cost all the same."""
TEXT_MAX: Final = 256 * 1024
"""Characters that one message may come to."""
WHOLE_MAX: Final = 1024 * 1024
"""Characters that all messages may come to."""
VARIABLES_MAX: Final = 256 * 1024
"""Bytes of all variables as JSON."""
OUTPUT_MAX: Final = 1024 * 1024
"""Characters of an answer that is read as JSON; a schema takes less, but not counting white space."""
INCLUDES_DEEP: Final = 8
"""Partials in each other."""

WITHDRAWN: Final = ("cycler", "debug", "dict", "joiner", "namespace")
"""Functions that the engine brings and templates have no use for; `scan` refuses to call them, too."""
_TELLING: Final = frozenset(
    {"UndefinedError", "SyntaxError", "UnknownFilter", "UnknownTest", "UnknownFunction"}
)
"""Kinds of error whose details name what stands in the template, never what stands in a variable."""
_MEANINGS: Final = {
    "UndefinedError": "uses a value that the variables do not have; `default` says what to write instead",
    "InvalidOperation": "does what cannot be done with a value of this kind, such as a loop over a number",
    "NonKey": "reads a member of what has no members",
    "CannotUnpack": "takes a value apart that has not as many parts",
}
_OUT_OF_FUEL: Final = "engine ran out of fuel"
_PLACE: Final = re.compile(r"\(in ([a-z0-9/_-]{1,300}):(\d{1,6})\)")
"""Where the engine says it was, in a partial: the last of several is the innermost."""


class Rendered(NamedTuple):
    """The messages of a version with their text: those before the place of the history, and those after it.

    Where there is no place (`placed`), all are before it.
    """

    before: tuple[Message, ...]
    after: tuple[Message, ...]
    placed: bool


class CompiledPrompt:
    """One content, ready to be rendered again and again; used by one thread at a time."""

    def __init__(self, content: PromptContent) -> None:
        self.content = content
        self._input = _schema(content.input_schema)
        self._output = _schema(content.output_schema)
        templates = sum(_is_template(each.text) for each in content.messages)
        self._engine = _engine(max(FUEL_MIN, FUEL // max(1, templates)))
        includes = {name: each.text for name, each in content.includes.items()}
        _refuse_cycles(content, includes)
        for name, text in includes.items():
            self._add(name, text, f"the partial {name}")
        self._messages: list[Message | tuple[str, TemplateMessage]] = []
        for number, each in enumerate(content.messages, 1):
            name = f"message {number}"
            if _is_template(each.text):
                self._add(name, each.text, name)
                self._messages.append((name, each))
            else:
                self._messages.append(_message(each, each.text))
        if content.partial is not None:
            self._add("the partial", content.partial, "the partial")

    def render(self, variables: Mapping[str, Json]) -> Rendered:
        """Make the messages; variables are values in their text, whatever they look like.

        Raises:
            InputViolation: the variables do not fit the input schema.
            TemplateError: a template asks for what they do not have.
            TemplateTooComplex: it would take too long, or come to too much text.
        """
        if self._input is not None:
            if violations := self._input.violations(variables):
                raise InputViolation("the variables do not fit the prompt's input schema", violations)
        elif len(json.encode(variables)) > VARIABLES_MAX:
            raise TemplateTooComplex(f"variables have at most {VARIABLES_MAX} bytes", param="variables")
        messages = tuple(self._all(variables))
        place = self.content.history
        if place is None:
            return Rendered(messages, (), placed=False)
        return Rendered(messages[:place], messages[place:], placed=True)

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

    def _all(self, variables: Mapping[str, Json]) -> Iterator[Message]:
        size = 0
        for each in self._messages:
            if isinstance(each, Message):
                yield each
                continue
            name, template = each
            text = self._text(name, variables)
            size += len(text)
            if size > WHOLE_MAX:
                raise TemplateTooComplex(f"the messages come to more than {WHOLE_MAX} characters")
            yield _message(template, text)

    def _text(self, name: str, variables: Mapping[str, Json]) -> str:
        try:
            text = self._engine.render_template(name, **variables)
        except minijinja.TemplateError as error:
            raise _refusal(name, error) from None
        if len(text) > TEXT_MAX:
            raise TemplateTooComplex(f"{name} comes to more than {TEXT_MAX} characters")
        return text

    def _add(self, name: str, template: str, called: str) -> None:
        for problem in scan.problems(template):
            raise TemplateError(f"{called}, line {problem.line}: {problem.message}")
        try:
            self._engine.add_template(name, template)
        except minijinja.TemplateError as error:
            raise _refusal(called, error) from None


def compile_prompt(content: PromptContent) -> CompiledPrompt:
    """Make a content ready.

    Raises:
        TemplateError: a template is none, or includes what is not there.
        SchemaRejected: a schema is none, or not one that may be used.
    """
    return CompiledPrompt(content)


def _is_template(text: str) -> bool:
    return "{" in text


def _engine(fuel: int) -> minijinja.Environment:
    engine = minijinja.Environment(
        fuel=fuel,
        undefined_behavior="strict",
        auto_escape_callback=lambda _name: False,
        keep_trailing_newline=True,
        pycompat=False,
        debug=False,
        finalizer=_written,
    )
    for name in WITHDRAWN:
        engine.remove_global(name)
    for name in scan.WITHHELD_FILTERS:
        engine.remove_filter(name)
    for name in scan.WITHHELD_TESTS:
        engine.remove_test(name)
    return engine


def _written(value: Any) -> Any:
    """How a value stands in a text: text as it is, all else as JSON.

    Raises:
        TemplateError: it is no JSON value, such as a method of one.
    """
    if type(value) is str or type(value) is int:
        return value
    if value is None or isinstance(value, bool | list | dict):
        try:
            return json.encode(value).decode()
        except (TypeError, ValueError, RecursionError):
            raise TemplateError("a template writes what is no JSON value") from None
    if isinstance(value, float) and math.isfinite(value):
        return json.encode(value).decode()
    if isinstance(value, str | int):
        return value
    raise TemplateError("a template writes what is no JSON value")


def _message(template: TemplateMessage, text: str) -> Message:
    return Message(role=template.role, parts=(TextPart(text=text),))


def _schema(schema: Json) -> CompiledSchema | None:
    return None if schema is None else compile_schema(json.encode(schema))


def _refuse_cycles(content: PromptContent, includes: Mapping[str, str]) -> None:
    """Refuse includes that are not there, or lead back to themselves."""
    heights: dict[str, int] = {}

    def height(name: str, path: tuple[str, ...]) -> int:
        if name in path or len(path) > INCLUDES_DEEP:
            raise TemplateError(f"the partial {name!r} includes itself, or partials are nested too deep")
        if name not in includes:
            raise TemplateError(f"there is no partial {name!r} to include")
        if name not in heights:
            heights[name] = 1 + max(
                (height(each, (*path, name)) for each in scan.includes_of(includes[name])), default=0
            )
        return heights[name]

    texts = [each.text for each in content.messages]
    if content.partial is not None:
        texts.append(content.partial)
    for name in [*includes, *(each for text in texts for each in scan.includes_of(text))]:
        if height(name, ()) > INCLUDES_DEEP:
            raise TemplateError(f"partials are nested deeper than {INCLUDES_DEEP} levels")


def _refusal(name: str, error: minijinja.TemplateError) -> TemplateError:
    """Tell of an error where it is, in words that hold nothing of any variable."""
    told = str(error)
    if _OUT_OF_FUEL in told:
        return TemplateTooComplex(f"{name} takes too long, or comes to too much text")
    where = f"{name}, line {error.line}" if error.line else name
    if error.kind == "BadInclude" and (inner := _PLACE.findall(told)):
        partial, line = inner[-1]
        return TemplateError(f"{where}: cannot include the partial {partial}, see its line {line}")
    detail = error.detail if error.kind in _TELLING else None
    return TemplateError(f"{where}: {detail or _words(error.kind)}")


def _words(kind: str) -> str:
    """What a kind of error means for whoever wrote the template; else its name as words."""
    if kind in _MEANINGS:
        return _MEANINGS[kind]
    return "".join(f" {each.lower()}" if each.isupper() else each for each in kind).strip()
