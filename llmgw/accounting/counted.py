"""Usage where the provider reported none: tokens of what was said and of what came back, counted here."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from llmgw.accounting.calibration import TELLING, Calibration, words_of
from llmgw.accounting.tokens import TokenCounter
from llmgw.types import json
from llmgw.types.event import (
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from llmgw.types.invocation import ChatInvocation, CountInvocation, EmbeddingInvocation, Invocation
from llmgw.types.json import Json
from llmgw.types.target import Target

FOREIGN: Final = 1.2
"""What is added to counts for models whose vocabulary is not OpenAI's."""
_CALL: Final = 7
"""Tokens of a tool call beside its name and arguments."""
_UNREAD: Final = 32
"""Batches kept as they came: where the provider says what it used, as most do, none is ever looked into."""
_MOST: Final = 1 << 21
"""Characters kept of one answer, several times what the longest of any model has. One without end is passed on
until its call's time is over, at hundreds of megabytes a second: nobody could keep and count all that."""

_Pieces: TypeAlias = dict[tuple[int, str, int], list[str]]
"""What was said, by choice, kind and place."""


class Heard:
    """What came of an answer, kept while it comes: the words of each choice, and those of its tool calls.

    Sealed thoughts, pictures, sound and embeddings are not in it: their tokens cannot be told from here. What comes
    after more than any answer has is measured only, and taken to have as many tokens for a character as all before.
    """

    __slots__ = ("_called", "_heard", "_kept", "_more", "_pieces", "_unread")

    def __init__(self) -> None:
        self._more = False
        self._heard = self._kept = 0
        self._pieces: _Pieces = {}
        self._called: dict[tuple[int, int], str] = {}
        self._unread: list[Sequence[StreamEvent]] = []

    @classmethod
    def of(cls, events: Iterable[StreamEvent]) -> "Heard":
        """All that these events say; those of a whole answer are `unfold(completion)`."""
        heard = cls()
        heard.add(tuple(events))
        return heard

    @property
    def anything(self) -> bool:
        """Whether anything was said."""
        self._read_all()
        return bool(self._pieces)

    @property
    def more(self) -> bool:
        """Whether something came after the provider had last said what it used."""
        self._read_all()
        return self._more

    def add(self, events: Sequence[StreamEvent]) -> None:
        """Take in what comes next; nobody changes it afterwards."""
        unread = self._unread
        unread.append(events)
        if len(unread) >= _UNREAD:
            self._read_all()

    def tokens(self, counter: TokenCounter, model: str) -> int:
        """Count it in the vocabulary of the model, away from the event loop.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        self._read_all()
        words = sum(counter.text("".join(pieces), model) for pieces in self._pieces.values())
        if self._heard > self._kept:
            words = math.ceil(words * self._heard / self._kept)
        return words + sum(_CALL + counter.text(name, model) for name in self._called.values())

    def _read_all(self) -> None:
        for events in self._unread:
            if self._kept < _MOST:
                self._read(events, self._pieces)
                self._kept = self._heard
            else:
                self._read(events, {})
        self._unread.clear()

    def _read(self, events: Sequence[StreamEvent], into: _Pieces) -> None:
        speaker = -1
        pieces: list[str] = []
        for event in events:
            if event.__class__ is TextDelta:
                # Nearly all there is, and mostly of the choice that spoke before.
                if event.text:
                    if event.choice != speaker:
                        speaker = event.choice
                        pieces = into.setdefault((speaker, "said", 0), [])
                    pieces.append(event.text)
                    self._heard += len(event.text)
                    self._more = True
                continue
            match event:
                case RefusalDelta():
                    self._piece(into, event.choice, "said", 0, event.text)
                case ReasoningDelta():
                    self._piece(into, event.choice, "thought", event.part, event.text)
                case ToolCallDelta():
                    # Some hosts say the name again with each piece.
                    place = (event.choice, event.index)
                    self._called[place] = event.name or self._called.get(place, "")
                    self._piece(into, event.choice, "call", event.index, event.arguments)
                case Opaque():
                    self._piece(
                        into, event.choice, "opaque", event.part, json.encode(event.value.value).decode()
                    )
                case UsageReport():
                    self._more = False
                case _:
                    pass

    def _piece(self, into: _Pieces, choice: int, kind: str, part: int, text: str) -> None:
        if text:
            self._more = True
            self._heard += len(text)
            into.setdefault((choice, kind, part), []).append(text)


def counted(
    counter: TokenCounter, calibration: Calibration, invocation: Invocation, heard: Heard, target: Target
) -> Usage:
    """Count what a call said to a target and what came back, away from the event loop.

    Of what the provider did not show, such as thoughts, nothing is known: real usage may be more.

    Raises:
        InternalError: the installed vocabulary is damaged.
    """
    output = heard.tokens(counter, target.model)
    if not counter.knows(target.model):
        output = math.ceil(FOREIGN * output)
    if isinstance(invocation, ChatInvocation) and invocation.sampling.max_output_tokens is not None:
        # However they are counted, there were no more than were asked for.
        output = min(output, invocation.sampling.max_output_tokens * max(1, invocation.sampling.n or 1))
    return Usage(input_tokens=_input(counter, calibration, invocation, target), output_tokens=output)


def embedded(counter: TokenCounter, inputs: Json, model: str) -> int:
    """Count texts to be embedded, as the wire has them: a string, strings, token ids, or lists of token ids."""
    if isinstance(inputs, str):
        return counter.text(inputs, model)
    return sum(1 if isinstance(each, int) else embedded(counter, each, model) for each in inputs)


def _input(counter: TokenCounter, calibration: Calibration, invocation: Invocation, target: Target) -> int:
    model = target.model
    match invocation:
        case EmbeddingInvocation(inputs=inputs):
            tokens = embedded(counter, inputs, model)
        case ChatInvocation():
            known = calibration.known(target.name)
            if known is not None and not counter.knows(model):
                size = words_of(invocation)
                if size is not None and size >= TELLING:
                    return round(size * known.ratio)
            tokens = counter.chat(invocation, model)
            tokens += sum(counter.messages(invocation.preamble, model))
        case CountInvocation():
            return 0
    return tokens if counter.knows(model) else math.ceil(FOREIGN * tokens)
