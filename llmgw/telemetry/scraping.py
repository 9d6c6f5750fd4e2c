"""One answer for all workers, whichever of them is asked."""

import asyncio
from typing import Final

from llmgw.telemetry.exposition import Format, format_for, written
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.points import Sheet
from llmgw.telemetry.siblings import Place, Siblings

MISSED: Final = "scrape"
"""What a worker that did not answer is counted as, among what telemetry could not tell."""


class Scraping:
    """Shows what this worker measures, and what its siblings do; used from one event loop.

    Whoever asks while an answer is made gets that one, so that scrapers, however many, make work for one.
    """

    def __init__(self, metrics: Metrics, place: Place) -> None:
        self._metrics = metrics
        self._siblings = Siblings(place)
        self._made: dict[Format, asyncio.Task[bytes]] = {}
        metrics.watch(MISSED, lambda: self._siblings.missed)

    async def start(self) -> None:
        """Begin to answer siblings."""
        await self._siblings.start(self._own)

    async def aclose(self) -> None:
        """Stop."""
        await self._siblings.aclose()
        for task in self._made.values():
            task.cancel()

    async def answer(self, accept: str) -> tuple[str, bytes]:
        """Say what all workers show, in the format that `accept` asks for; gives its content type as well."""
        form = format_for(accept)
        task = self._made.get(form)
        if task is None:
            task = self._made[form] = asyncio.get_running_loop().create_task(self._make(form))
            task.add_done_callback(lambda _: self._made.pop(form, None))
        return form.content_type, await asyncio.shield(task)

    async def _make(self, form: Format) -> bytes:
        others = await self._siblings.others()
        own = await self._own()
        sheets = sorted([own, *others], key=lambda sheet: int(sheet.worker))
        return await asyncio.to_thread(written, sheets, form)

    async def _own(self) -> Sheet:
        return Sheet(self._siblings.worker, await asyncio.to_thread(self._metrics.points))
