"""How many tokens a stored conversation is: a bound at once, counts only where it matters, both remembered."""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from llmgw.accounting.calibration import Calibration
from llmgw.accounting.counted import FOREIGN
from llmgw.accounting.tokens import TokenCounter
from llmgw.context.contexts import Contexts
from llmgw.context.kept import Kept
from llmgw.context.opened import Opened
from llmgw.context.storage.names import COUNTS
from llmgw.context.views.view import View
from llmgw.types import json
from llmgw.types.errors import StoreUnavailable
from llmgw.types.invocation import ChatInvocation
from llmgw.types.message import MediaPart, Message, Part, ToolResultPart
from llmgw.types.target import Target

_SHARE: Final = 8
"""Without a limit for the answer an eighth of the window is left to it."""
_FRAME: Final = 16
"""Tokens a request takes beside its messages and tools."""


class Counting:
    """Counts the turns of contexts, away from the event loop, each once for each vocabulary."""

    def __init__(
        self, counter: TokenCounter, contexts: Contexts, calibration: Calibration | None = None
    ) -> None:
        self._counter = counter
        self._contexts = contexts
        self.calibration = calibration or Calibration()

    @staticmethod
    def room(invocation: ChatInvocation, target: Target) -> int | None:
        """Tokens that the messages may take; None where the window is not known.

        Room is left for the answer and for tools, these by their size in bytes.
        """
        if target.window is None:
            return None
        answer = invocation.sampling.max_output_tokens
        reserved = min(target.window // 2, answer) if answer is not None else target.window // _SHARE
        tools = len(json.encode(invocation.tools)) if invocation.tools else 0
        return max(0, target.window - reserved - tools - _FRAME)

    async def apart(self, messages: Sequence[Message], target: Target) -> int:
        """Tokens of messages that are no turns, as the target counts them; they differ with every call.

        Raises:
            InternalError: the installed vocabulary is damaged.
        """

        def count() -> int:
            return sum(self._counter.messages(messages, target.model))

        if not messages:
            return 0
        tokens = await asyncio.get_running_loop().run_in_executor(None, count)
        return tokens if target.protocol == "openai" else math.ceil(FOREIGN * tokens)

    async def counted(self, opened: Opened, turns: Sequence[Kept], target: Target) -> dict[int, int]:
        """Tokens of turns, by their numbers, as the target counts them.

        Raises:
            StoreUnavailable: the store cannot be asked for the counts made before.
            InternalError: the installed vocabulary is damaged.
        """
        vocabulary = self._counter.vocabulary(target.model).name
        known = opened.history.tokens.setdefault(vocabulary, {})
        missing = [each for each in turns if each.seq not in known]
        stored = [each for each in missing if each.seq < opened.stored.turns]
        if stored:
            fields = [f"{vocabulary}:{each.seq}" for each in stored]
            kept = await self._contexts.store.command(opened.keys, "HMGET", COUNTS, *fields)
            known |= {
                each.seq: int(count) for each, count in zip(stored, kept, strict=True) if count is not None
            }
        fresh = [each for each in missing if each.seq not in known]
        counts = await self._count(fresh, target.model) if fresh else {}
        lasting = {seq: count for seq, count in counts.items() if seq < opened.stored.turns}
        known |= lasting
        if lasting:
            self._contexts.aftercare.begin(self._store(opened, vocabulary, lasting))
        found = known | counts
        if len(found) != len(turns):
            # Only some turns were asked about.
            found = {each.seq: found[each.seq] for each in turns}
        if target.protocol == "openai":
            return found
        return {seq: math.ceil(FOREIGN * count) for seq, count in found.items()}

    async def at_least(
        self, opened: Opened, view: View, target: Target, preamble: Sequence[Message] = ()
    ) -> int:
        """Tokens that a request certainly takes: those of the turns that it tells word for word and without media.

        What a provider charges for media is its own affair, and what is told otherwise is not counted here.

        Raises:
            StoreUnavailable, InternalError: as `counted`.
        """
        plain = [
            each
            for each, message in zip(view.turns, view.messages, strict=True)
            if message is each.message and not any(map(_shows, message.parts))
        ]
        counts = await self.counted(opened, plain, target)
        before = await self.apart(preamble, target)
        factor = 1.0 if target.protocol == "openai" else FOREIGN
        return math.floor((sum(counts.values()) + before) / factor)

    async def _count(self, turns: Sequence[Kept], model: str) -> dict[int, int]:
        def count() -> dict[int, int]:
            counts = self._counter.messages([each.message for each in turns], model)
            return {each.seq: count for each, count in zip(turns, counts, strict=True)}

        return await asyncio.get_running_loop().run_in_executor(None, count)

    async def _store(self, opened: Opened, vocabulary: str, counts: dict[int, int]) -> None:
        pairs: list[str | bytes | int] = []
        for seq, count in counts.items():
            pairs += (f"{vocabulary}:{seq}", count)
        try:
            await self._contexts.store.command(opened.keys, "HSET", COUNTS, *pairs)
            if opened.lease.expires:
                await self._contexts.store.command(opened.keys, "PEXPIREAT", COUNTS, opened.lease.expires)
        except StoreUnavailable:
            return  # counted again another time


def _shows(part: Part) -> bool:
    """Whether there are media in a part."""
    if isinstance(part, ToolResultPart):
        return any(isinstance(item, MediaPart) for item in part.content)
    return isinstance(part, MediaPart)
