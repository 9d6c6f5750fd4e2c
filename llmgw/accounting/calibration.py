"""How many tokens the words of a conversation are for each model, learned from what providers report.

For models whose makers publish no vocabulary this is the best there is: a ratio of tokens to characters, and how
far it was off for calls that came after it was learned.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from llmgw.accounting.estimate import SEARCHING
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation, FunctionTool, Invocation
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_COARSEST: Final = 12
"""Characters per token that no ordinary conversation exceeds, for models nobody has asked yet."""
TELLING: Final = 1024
"""Characters from which a request tells how many a token has; around fewer its frame is too large a share."""
_SPOKEN: Final = 64
"""And as many in each message, on average: thousands of single words are mostly frames, too."""
_WEIGHT: Final = 0.2
"""How much one call tells about a model, against all before it."""
_DENSEST: Final = 4
"""Tokens per character that no model has; a report of more, or of less than the coarsest, is of something else."""
_AROUND: Final = 3
"""Characters said for each of tools, at least: models are told about tools in other words than JSON."""
_MODELS: Final = 512
_MESSAGES: Final = 64
"""Messages up to which a call is learned from; longer ones would take long to look through, and tell no more."""


class Learned(Struct):
    """What is known of one model: tokens per character, and how far an estimate was off, as a share.

    `error` is the mean of the absolute errors, later calls counting more, as for `ratio`; None before there was a
    call to compare with. `samples` are the calls that were learned from.
    """

    ratio: float
    error: float | None = None
    samples: int = 1

    @property
    def error_pct(self) -> float | None:
        """The error in percent, to a tenth."""
        return None if self.error is None else round(100 * self.error, 1)


class Calibration:
    """How many characters a token of each model is; models go by their targets' names.

    Knows of the 512 models asked last, in this process.
    """

    def __init__(self) -> None:
        self._models: OrderedDict[str, Learned] = OrderedDict()

    def known(self, model: str) -> Learned | None:
        """What was learned of a model."""
        return self._models.get(model)

    def all(self) -> Iterable[tuple[str, Learned]]:
        """All models that are known, by name."""
        return sorted(self._models.items())

    def estimate(self, model: str, size: int) -> int:
        """Estimate tokens from characters; for a model nobody has asked yet, fewer than there can be."""
        known = self._models.get(model)
        return max(min(1, size), size // _COARSEST) if known is None else round(size * known.ratio)

    def learn(self, model: str, size: int, reported: int, messages: int = 1) -> None:
        """Take in what a provider reported of a request of `size` characters in so many messages."""
        if size < TELLING or size < _SPOKEN * messages:
            return
        if not size // _COARSEST <= reported <= size * _DENSEST:
            return
        ratio = reported / size
        known = self._models.get(model)
        if known is None:
            self._models[model] = Learned(ratio=ratio)
            if len(self._models) > _MODELS:
                self._models.popitem(last=False)
            return
        off = abs(known.ratio - ratio) / ratio
        known.error = off if known.error is None else known.error + _WEIGHT * (off - known.error)
        known.ratio += _WEIGHT * (ratio - known.ratio)
        known.samples += 1
        self._models.move_to_end(model)

    def learn_from(self, model: str, invocation: Invocation, reported: int | None) -> None:
        """Take in what a provider reported of a call, where it tells anything of its words.

        Not of stored conversations, which are told to each target in another way, and not of media, searches and
        the like, which are no words.
        """
        if reported is None or not isinstance(invocation, ChatInvocation):
            return
        if invocation.options.context is not None or invocation.stored:
            # What its caller said is the end of what was told, and the report is of all that.
            return
        messages = invocation.messages
        if len(messages) > _MESSAGES or not SEARCHING.isdisjoint(invocation.passthrough):
            return
        size = words_of(invocation)
        if size is not None:
            self.learn(model, size, reported, len(messages))


def words_of(invocation: ChatInvocation) -> int | None:
    """Characters that a call says, with its tools and its form of an answer; None where it is not mostly words."""
    size = _said(invocation.messages)
    if size is None:
        return None
    if invocation.preamble:
        before = _said(invocation.preamble)
        if before is None:
            return None
        size += before
    if invocation.tools:
        if not all(isinstance(tool, FunctionTool) for tool in invocation.tools):
            return None
        tools = len(json.encode(invocation.tools))
        if tools * _AROUND > size:
            return None
        size += tools
    if invocation.output_format is not None:
        size += len(json.encode(invocation.output_format))
    return size


def _said(messages: Iterable[Message]) -> int | None:
    size = 0
    for message in messages:
        for part in message.parts:
            if part.__class__ is TextPart:
                size += len(part.text)
                continue
            match part:
                case RefusalPart(text=text):
                    size += len(text)
                case ToolCallPart(name=name, arguments=arguments):
                    size += len(name) + len(arguments)
                case ToolResultPart(content=content):
                    for inner in content:
                        if not isinstance(inner, TextPart):
                            return None
                        size += len(inner.text)
                case MediaPart(text=str(text)):
                    size += len(text)
                case MediaPart() | OpaquePart() | ReasoningPart():
                    return None
                case _:
                    pass
    return size
