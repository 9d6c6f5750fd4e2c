"""How many tokens something would be for a target, told with how it is known: counted here, never asked for."""

import asyncio
import math
from typing import Literal, NamedTuple, TypeAlias

from llmgw.accounting.calibration import TELLING, Calibration, words_of
from llmgw.accounting.counted import FOREIGN, embedded
from llmgw.accounting.tokens import TokenCounter
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.message import Details
from llmgw.types.target import Target

Method: TypeAlias = Literal["tokenizer", "provider", "calibrated", "estimate"]
"""`tokenizer` counts in the model's own vocabulary, `provider` has its provider count, `calibrated` goes by what it
reported of calls before, `estimate` counts in a vocabulary that stands in."""


class Count(NamedTuple):
    """Tokens, how they are known, whether they are exact, and how far such counts were off, in percent."""

    tokens: int
    method: Method
    exact: bool
    error_pct: float | None = None

    @property
    def facts(self) -> Details:
        """How they are known, as an answer tells it."""
        return {"method": self.method, "exact": self.exact, "error_pct": self.error_pct}


class TokenCounts:
    """Counts away from the event loop; the model's own vocabulary before what was learned before a stand-in."""

    def __init__(self, counter: TokenCounter, calibration: Calibration) -> None:
        self._counter = counter
        self._calibration = calibration

    async def chat(self, invocation: ChatInvocation, target: Target) -> Count:
        """Count what a conversation takes of a target's input; never exact, as nobody says how messages are framed.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        if not self._counter.knows(target.model):
            learned = self._calibrated(words_of(invocation), target)
            if learned is not None:
                return learned

        def count() -> int:
            tokens = self._counter.chat(invocation, target.model)
            return tokens + sum(self._counter.messages(invocation.preamble, target.model))

        tokens = await asyncio.get_running_loop().run_in_executor(None, count)
        return self._counted(tokens, target, exact=False)

    async def texts(self, inputs: Json, target: Target) -> Count:
        """Count texts by themselves: a string, strings, token ids, or lists of token ids.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """
        if not self._counter.knows(target.model):
            learned = self._calibrated(_letters(inputs), target)
            if learned is not None:
                return learned
        tokens = await asyncio.get_running_loop().run_in_executor(
            None, embedded, self._counter, inputs, target.model
        )
        return self._counted(tokens, target, exact=True)

    def _calibrated(self, size: int | None, target: Target) -> Count | None:
        """What was learned, where there are so many words that it tells."""
        known = self._calibration.known(target.name)
        if known is None or size is None or size < TELLING:
            return None
        return Count(round(size * known.ratio), "calibrated", exact=False, error_pct=known.error_pct)

    def _counted(self, tokens: int, target: Target, *, exact: bool) -> Count:
        if self._counter.knows(target.model):
            return Count(tokens, "tokenizer", exact=exact)
        return Count(math.ceil(FOREIGN * tokens), "estimate", exact=False)


def _letters(inputs: Json) -> int | None:
    """Characters of texts; None where there are token ids."""
    if isinstance(inputs, str):
        return len(inputs)
    if all(isinstance(each, str) for each in inputs):
        return sum(map(len, inputs))
    return None
