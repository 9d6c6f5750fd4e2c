"""Summing up a conversation on request: what is said stays stored, and is told by its summary from then on."""

from llmgw.context.contexts import Contexts
from llmgw.context.giving_back import given_back
from llmgw.context.opened import Asker, Opened
from llmgw.context.storage.answers import Replay
from llmgw.context.views import fit
from llmgw.gateway.summaries import Ask, Summaries
from llmgw.types.context import ContextOptions
from llmgw.types.errors import InternalError, InvalidRequest
from llmgw.types.turn import Compaction


class Compacting:
    """Compacts contexts; `ask` asks the alias that writes the summary."""

    def __init__(self, contexts: Contexts, ask: Ask) -> None:
        self._contexts = contexts
        self._summaries = Summaries(contexts, ask)

    async def compact(self, asker: Asker, options: ContextOptions, alias: str | None, keep_last: int) -> None:
        """Sum up all units of a context but the last `keep_last`.

        Raises:
            InvalidRequest: there is no alias, or nothing to sum up.
            GatewayError: the context cannot be had or continued, or the alias fails; nothing is stored then.
        """
        contexts = self._contexts
        opened = await contexts.open(asker, options, (), contexts.settings.base(asker.tenant))
        if isinstance(opened, Replay):
            raise InternalError("a compaction has no idempotency key")
        async with given_back(contexts, opened):
            await self._write(opened, alias or opened.policy.summary_alias, keep_last)
            await contexts.commit(opened, opened.said)

    async def _write(self, opened: Opened, alias: str | None, keep_last: int) -> None:
        if alias is None:
            raise InvalidRequest("name the alias that sums up: the context's policy has none", param="alias")
        turns = opened.history.turns
        latest = opened.history.course.summaries[-1] if opened.history.course.summaries else None
        run = fit.all_but(turns, keep_last)
        if run is None or (latest is not None and run[1] <= _covered(latest.turn.compaction)):
            raise InvalidRequest("there is nothing to sum up", param="keep_last")
        await self._summaries.write(opened, turns, run, latest, alias, source="caller")


def _covered(compaction: Compaction | None) -> int:
    return -1 if compaction is None else compaction.last
