"""One worker's call log: it takes events, and with the other workers brings them to segments."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from llmgw.calllog.datasets import CALLS, CONTENT, FEEDBACK, Dataset
from llmgw.calllog.event import event_of
from llmgw.calllog.files import Files
from llmgw.calllog.ingest import Ingest, Writer
from llmgw.calllog.outlet import Outlet
from llmgw.calllog.settings import CallLogSettings
from llmgw.calllog.stream import Bounds, Live, Stream
from llmgw.calllog.tidying import Tidying
from llmgw.calllog.upkeep import Shelf, Upkeep
from llmgw.state.connection import State
from llmgw.types.call import Call
from llmgw.types.clock import Clock

CLOSING_S: Final = 2.0
"""Seconds that events which wait get to reach the store when a worker stops."""


class Means(NamedTuple):
    """What keeping a call log takes; the process behind `writer` is best one that no question waits for."""

    state: State
    files: Files
    writer: Writer
    clock: Clock


class LogState(NamedTuple):
    """How one dataset is, as this worker knows it; `limit` and `depth` are events in the store, 0 for no limit.

    `stored` and `written` are events that this worker brought to the stream and to segments, `lost` those it knows
    to be lost by why: sums over all workers are those of the log. `behind_s` is the age of the oldest event that is
    in no segment.
    """

    stored: int
    written: int
    lost: Mapping[str, int]
    behind_s: float
    depth: int
    limit: int


class CallLog:
    """What finished calls are handed to; `record` and `append` neither wait nor fail. Used from one thread."""

    def __init__(
        self,
        means: Means,
        settings: CallLogSettings,
        datasets: tuple[Dataset, ...] = (CALLS, CONTENT, FEEDBACK),
    ) -> None:
        self._lost = {each.name: Counter[str]() for each in datasets}
        self._bounds = {each.name: _bounds(each, settings) for each in datasets}
        self._outlets: dict[str, Outlet] = {}
        self._shelves: dict[str, Shelf] = {}
        for each in datasets:
            stream = Stream(means.state, each.name)
            self._outlets[each.name] = Outlet(
                stream, self._bounds[each.name], self._lost[each.name], means.clock
            )
            self._shelves[each.name] = Shelf(
                stream,
                Ingest(each, stream, means.files, means.writer, settings.segment_events),
                Tidying(each, stream, means.files, means.writer, _keep_days(each, settings)),
                self._lost[each.name],
                (settings.segment_events, settings.segment_s),
            )
        self._calls = self._outlets[CALLS.name]
        self._upkeep = Upkeep(means.state, list(self._shelves.values()), secrets.token_hex(8), means.clock)

    def record(self, call: Call) -> None:
        """Write down a call that is over, and those that were made for it."""
        self._record(call, "")

    def append(self, dataset: Dataset, event: Struct) -> None:
        """Write down an event of another kind."""
        self._outlets[dataset.name].put(event)

    def start(self) -> None:
        """Begin to send, and to write where no other worker does."""
        for each in self._outlets.values():
            each.start()
        self._upkeep.start()

    async def aclose(self, timeout_s: float = CLOSING_S) -> None:
        """Send what waits, for at most about so long, and stop."""
        await self._upkeep.aclose()
        await asyncio.gather(*(each.aclose(timeout_s) for each in self._outlets.values()))

    async def live(self, dataset: Dataset) -> Live:
        """Read what is in no segment yet; list segments afterwards, and take those that `visible` says.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return await self._shelves[dataset.name].stream.live()

    def state(self, dataset: Dataset = CALLS) -> LogState:
        """How a dataset is; asked from any thread."""
        outlet, shelf = self._outlets[dataset.name], self._shelves[dataset.name]
        limit = self._bounds[dataset.name].rows or 0
        depth = shelf.depth
        lost = dict(self._lost[dataset.name])
        return LogState(outlet.stored, shelf.written, lost, depth.behind_ms / 1000, depth.rows, limit)

    def _record(self, call: Call, parent: str) -> None:
        try:
            event = event_of(call, parent)
        except Exception:  # noqa: BLE001  # whatever it is, no call fails for it
            self._lost[CALLS.name]["invalid"] += 1
            return
        self._calls.put(event)
        for each in call.inner:
            self._record(each, event.id)


def _bounds(dataset: Dataset, settings: CallLogSettings) -> Bounds:
    oldest = settings.when_full == "drop_oldest"
    if dataset.name == CONTENT.name:
        return Bounds(None, settings.content_buffer_bytes, oldest)
    return Bounds(settings.buffer_events, None, oldest)


def _keep_days(dataset: Dataset, settings: CallLogSettings) -> int:
    return settings.content_keep_days if dataset.name == CONTENT.name else settings.keep_days
