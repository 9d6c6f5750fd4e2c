"""Calls that wait to be admitted: those bound by the same go to the store together, in the order they came."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from llmgw.policy.spending.values import Reservation

AT_ONCE: Final = 16
"""Operations that one step of the store admits at most, as all others wait for it."""
PATIENCE_S: Final = 0.005
"""How long a call waits for the answer to those before it, until it is asked about all the same."""

Answer: TypeAlias = list[Any]
Ask: TypeAlias = Callable[[Sequence[Reservation]], Awaitable[Sequence[Answer]]]
"""Asks the store about reservations that are bound by the same, in one step; gives an answer for each."""


class _Waiting:
    __slots__ = ("answer", "asked")

    def __init__(self, asked: Reservation, answer: "asyncio.Future[Answer]") -> None:
        self.asked = asked
        self.answer = answer


class _Line:
    """Who waits, and how often the store is being asked."""

    __slots__ = ("bounds", "timer", "under_way", "waiting")

    def __init__(self, bounds: object) -> None:
        self.bounds = bounds
        self.under_way = 1
        self.waiting: list[_Waiting] = []
        self.timer: asyncio.TimerHandle | None = None


class Lines:
    """A line for all that are bound by the same: who finds none asks at once, alone.

    Who comes while that is on its way is asked about when its answer comes, together with all others who did.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._lines: dict[object, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Reservation) -> Answer:
        """Ask the store about one reservation.

        Raises:
            Exception: as the asking for all with whom it went; each has one of its own.
        """
        # Within a minute all windows are the same.
        bounds = (asked.tenant, asked.at_ms // 60_000, asked.limits, asked.budgets)
        line = self._lines.get(bounds)
        if line is None:
            line = self._lines[bounds] = _Line(bounds)
            try:
                return (await self._ask((asked,)))[0]
            finally:
                self._answered(line)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(asked, loop.create_future())
        line.waiting.append(waiting)
        if line.timer is None:
            line.timer = loop.call_later(PATIENCE_S, self._send, line)
        return await waiting.answer

    def _answered(self, line: _Line) -> None:
        line.under_way -= 1
        if line.waiting:
            self._send(line)
        elif not line.under_way:
            del self._lines[line.bounds]

    def _send(self, line: _Line) -> None:
        """Have the store asked about all who wait."""
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        # Who has left is asked about no more.
        waiting = [each for each in line.waiting if not each.answer.done()]
        line.waiting.clear()
        for start in range(0, len(waiting), AT_ONCE):
            line.under_way += 1
            work = self._serve(line, waiting[start : start + AT_ONCE])
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not line.under_way:
            del self._lines[line.bounds]

    async def _serve(self, line: _Line, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await self._ask([each.asked for each in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for each in batch:
                if not each.answer.done():
                    # One that many raise would gather all their stacks.
                    each.answer.set_exception(copy.copy(error))
        else:
            for each, answer in zip(batch, answers, strict=True):
                if not each.answer.done():
                    each.answer.set_result(answer)
        finally:
            self._answered(line)
