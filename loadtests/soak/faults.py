"""A fault each minute: of the upstream, of the store, of a worker, and a reload in the middle of it all."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias

from tests.running import RunningGateway

from loadtests.soak.upstream import Mode, SoakUpstream

FAULT_S: Final = 10.0
PAUSE_S: Final = 3.0

Fault: TypeAlias = tuple[str, Callable[[], Awaitable[None]]]


class Faults:
    """Everything that goes wrong, in turn; `kills` counts workers that were killed by intent."""

    def __init__(
        self, gateway: RunningGateway, upstream: SoakUpstream, *, before_kill: Callable[[], None]
    ) -> None:
        self.kills = 0
        self.reloads = 0
        self.done: list[str] = []
        self._gateway = gateway
        self._upstream = upstream
        self._before_kill = before_kill
        self._firstborn = gateway.worker_pids()[0]

    @property
    def turns(self) -> tuple[Fault, ...]:
        """The faults in the order in which they come."""
        return (
            ("upstream answers 503 to two calls of three", lambda: self._mode("refusing")),
            ("worker killed", self._kill),
            ("upstream is slow", lambda: self._mode("slow")),
            ("store stands still for 3 s", self._pause),
            ("streams are cut in the middle", lambda: self._mode("cutting")),
            ("store killed", self._store_dies),
            ("configuration reloaded", self._reload),
        )

    async def strike(self, number: int) -> None:
        """Let the fault of a minute happen, and end."""
        name, happen = self.turns[number % len(self.turns)]
        self.done.append(name)
        await happen()

    async def _mode(self, mode: Mode) -> None:
        self._upstream.mode = mode
        try:
            await asyncio.sleep(FAULT_S)
        finally:
            self._upstream.mode = "well"

    async def _kill(self) -> None:
        """Kill a worker, never the first one: its memory is looked at from beginning to end."""
        others = [pid for pid in self._gateway.worker_pids() if pid != self._firstborn]
        if others:
            self.kills += 1
            self._before_kill()
            os.kill(others[-1], signal.SIGKILL)

    async def _pause(self) -> None:
        store = self.store_pid()
        if store is None:
            return
        os.kill(store, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE_S)
        finally:
            os.kill(store, signal.SIGCONT)

    async def _store_dies(self) -> None:
        store = self.store_pid()
        if store is not None:
            os.kill(store, signal.SIGKILL)

    async def _reload(self) -> None:
        self.reloads += 1
        process = self._gateway.process
        if process is not None:
            process.send_signal(signal.SIGHUP)

    def store_pid(self) -> int | None:
        """The embedded store's process."""
        process = self._gateway.process
        if process is None:
            return None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")
        for pid in children.split():
            if "valkey" in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8"):
                return int(pid)
        return None
