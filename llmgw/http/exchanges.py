"""The calls at work in a worker, looked after by one timer for all: a timer each costs more than the look."""

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Final

from llmgw.http.exchange import Exchange

LOOK_S: Final = 0.1
"""Seconds between two looks: so much later than it is due a body is given up, or a caller listened for."""


class Exchanges:
    """Those that are at work; a timer runs only while there are any. Used from one thread."""

    def __init__(self) -> None:
        self._all: set[Exchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    def __iter__(self) -> Iterator[Exchange]:
        """Go through those that are there now, whatever becomes of them meanwhile."""
        return iter(tuple(self._all))

    def add(self, exchange: Exchange) -> None:
        """Look after one more."""
        self._all.add(exchange)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def discard(self, exchange: Exchange) -> None:
        """Look after it no more."""
        self._all.discard(exchange)

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look) if self._all else None
        now = monotonic()
        for exchange in self._all:
            exchange.look(now)
