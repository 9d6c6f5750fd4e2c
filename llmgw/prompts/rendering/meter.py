"""What rendering has taken so far; the template engine calls it from each tag."""

from time import thread_time
from typing import Final, Literal

from llmgw.prompts.rendering.limits import MADE_MAX, SECONDS, TEXT_MAX, WHOLE_MAX
from llmgw.prompts.rendering.values import measured
from llmgw.types.json import Json, encode
from llmgw.types.prompt_errors import TemplateError, TemplateTooComplex

_STRIDE: Final = 64
"""How many tags pass between two looks at the clock, where each is quick."""


class Meter:
    """Counts the characters and looks at the processor's time of one render after the other.

    `partial` and `line` are where the engine is, for errors; `partial` counts the partials' places from 1.
    """

    def __init__(self) -> None:
        self.partial = self.line = 0
        self._left = self._all_left = self._made_left = 0
        self._stride = self._ticks = 0
        self._deadline = 0.0

    def start(self, *, light: bool) -> None:
        """Begin with the messages of a call; `light` says that its variables are few and short."""
        self._all_left = WHOLE_MAX
        self._made_left = MADE_MAX
        self._stride = self._ticks = _STRIDE if light else 0
        self._deadline = thread_time() + SECONDS

    def message(self, text: int) -> None:
        """Begin with a message that tells so many characters by itself at most.

        Raises:
            TemplateTooComplex: the messages before it took too long.
        """
        self.partial = self.line = 0
        self._left = TEXT_MAX - text
        self.look()

    def told(self, text: str) -> None:
        """Count a whole message.

        Raises:
            TemplateTooComplex: all messages together are too long.
        """
        self._all_left -= len(text)
        if self._all_left < 0:
            raise TemplateTooComplex(f"the messages come to more than {WHOLE_MAX} characters")

    def look(self) -> None:
        """Look at the clock now and then.

        Raises:
            TemplateTooComplex: rendering takes too long.
        """
        self._ticks -= 1
        if self._ticks < 0:
            self._ticks = self._stride
            if thread_time() > self._deadline:
                raise TemplateTooComplex(f"it takes more than {SECONDS} s")

    def at(self, line: int, partial: int = 0) -> Literal[True]:
        """Note where the engine is; called first by each tag."""
        self.partial = partial
        self.line = line
        self.look()
        return True

    def text(self, count: int) -> str:
        """Count text that may come again; tells nothing."""
        self.spend(count)
        return ""

    def spend(self, count: int) -> None:
        """Count characters of the message.

        Raises:
            TemplateTooComplex: the message is too long.
        """
        self._left -= count
        if self._left < 0:
            raise TemplateTooComplex(f"it comes to more than {TEXT_MAX} characters")

    def made(self, value: Json) -> None:
        """Count what a filter made.

        Raises:
            TemplateTooComplex: filters made too much.
        """
        if type(value) in {str, list}:
            self._made_left -= len(value)
            if self._made_left < 0:
                raise TemplateTooComplex(f"filters make more than {MADE_MAX} characters and items")

    def emit(self, value: Json) -> str:
        """Turn what a tag comes to into text: strings as they are, all else as JSON.

        Raises:
            TemplateError: it is no JSON value.
        """
        text = value if type(value) is str else told(value)
        self._left -= len(text)
        if self._left < 0:
            raise TemplateTooComplex(f"it comes to more than {TEXT_MAX} characters")
        return text


def told(value: Json) -> str:
    """Write a value the way messages have it: strings as they are, all else as compact JSON.

    Raises:
        TemplateError: it is no JSON value.
    """
    match value:
        case str():
            return value
        case bool() | None:
            return "null" if value is None else str(value).lower()
        case int():
            return str(value)
        case float() | list() | dict() if measured(value):
            return encode(value).decode()
    raise TemplateError("what it comes to is no JSON value, or has too many values in it")
