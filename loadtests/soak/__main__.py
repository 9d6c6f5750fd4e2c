"""`python -m loadtests.soak`: mixed traffic with a fault each minute, then the books against the upstream's count.

Ends with 0 when nothing fails, and 1 with the same table when something does. The gateway is started here, with two
workers and its own store; everything is on the loopback and gone at the end.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from llmgw.state.data_dir import DataDir
from redis import Redis
from redis.exceptions import RedisError
from tests.running import RunningGateway

from loadtests import machine
from loadtests.soak.books import Auditor, compare
from loadtests.soak.client import Callers
from loadtests.soak.faults import Faults
from loadtests.soak.stage import config, prepared
from loadtests.soak.traffic import Traffic
from loadtests.soak.upstream import SoakUpstream
from loadtests.soak.verdict import Line, at_most, line, none, passed, table
from loadtests.soak.watch import Watch, Worker, descriptors, quantile

RSS_MIB: Final = 150.0
SLOPE_MIB: Final = 1.0
LAG_S: Final = 0.1
SPARE_FDS: Final = 16
CALM_AFTER: Final = 0.6
"""The share of the time between two faults after which the last is over, with breakers that try again."""
LOOK_S: Final = 2.0
SETTLE_S: Final = 90.0


class Soak:
    """One run."""

    def __init__(self, gateway: RunningGateway, upstream: SoakUpstream, rate: float, every_s: float) -> None:
        self._gateway = gateway
        self._every_s = every_s
        self._upstream = upstream
        keys = prepared(gateway)
        self._callers = Callers(gateway.port)
        self.traffic = Traffic(self._callers, upstream, keys, rate)
        self.watch = Watch(gateway)
        self.faults = Faults(gateway, upstream, before_kill=self.traffic.killing)
        socket = DataDir(gateway.home / "state").socket
        self.auditor = Auditor(Redis(unix_socket_path=str(socket), socket_timeout=5))

    async def run(self, seconds: float) -> list[Line]:
        """Let it all happen; returns what is to be said of it."""
        side = [asyncio.create_task(self._look()), asyncio.create_task(self._strike(seconds))]
        try:
            await self.traffic.run(seconds)
        finally:
            for task in side:
                task.cancel()
            ended = await asyncio.gather(*side, return_exceptions=True)
        faults = [each for each in ended if isinstance(each, Exception)]
        if faults:
            raise faults[0]
        await asyncio.to_thread(self.watch.look)
        await asyncio.to_thread(self.watch.scrape)
        self._callers.close()
        return [*(await self._books()), *(await self._machine()), *self._callers_lines()]

    async def _look(self) -> None:
        """Look at the workers every two seconds, at the metrics and the ledger each minute."""
        began = time.monotonic()
        minute = 0
        while True:
            await asyncio.to_thread(self.watch.look)
            passed_s = time.monotonic() - began
            if passed_s // 60 > minute:
                minute = int(passed_s // 60)
                await asyncio.to_thread(self.watch.scrape)
                with suppress(RedisError):
                    await asyncio.to_thread(self.auditor.read)
                self._tell(minute)
            await asyncio.sleep(LOOK_S)

    def _tell(self, minute: int) -> None:
        living = [each for each in self.watch.workers.values() if each.alive and each.rss]
        memory = ", ".join(f"{each.pid}: {each.rss[-1][1]:.1f} MiB, {each.fds[-1]} fds" for each in living)
        fault = self.faults.done[-1] if self.faults.done else "none"
        told = self.traffic.told
        print(
            f"minute {minute}: {self.traffic.calls:,} calls; {memory}; wrong {dict(told.wrong)}; "
            f"late {told.late}; fault: {fault}",
            flush=True,
        )

    async def _strike(self, seconds: float) -> None:
        """One fault after the other, from the fifth second on; half of that time is without at the end."""
        began = time.monotonic()
        number = 0
        while True:
            due = began + self._every_s * number + 5
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() - began > seconds - self._every_s / 2:
                await asyncio.Event().wait()
            self.traffic.calm = False
            await self.faults.strike(number)
            await asyncio.sleep(max(0.0, due + CALM_AFTER * self._every_s - time.monotonic()))
            self.traffic.calm = True
            number += 1

    async def _books(self) -> list[Line]:
        """Wait until the books are closed, and compare."""
        upstream, told = self._upstream, self.traffic.told
        end = time.monotonic() + SETTLE_S
        while True:
            await asyncio.to_thread(self.auditor.read, all_of_it=True)
            proof = await asyncio.to_thread(self._gateway.request, "/admin/v1/reconcile", {"whole": True})
            books = self.auditor.books
            found = compare(books, upstream.said, upstream.unsaid)
            lost = found.missing + max(0, found.unsaid_missing)
            if (lost <= books.unverified and not found.invented) or time.monotonic() > end:
                break
            await asyncio.sleep(1)
        agree = proof.status == 200 and proof.json()["agree"]
        print(
            f"ledger: {books.rows:,} rows, {books.told.total():,} attempts told, {books.estimated:,} counted, "
            f"{books.unverified} unverified; upstream: {upstream.calls:,} calls, "
            f"{upstream.said.total():,} answered, {upstream.unsaid:,} left before a word, "
            f"{upstream.refused:,} refused; {found}"
        )
        return [
            none("rows for what the upstream never said", found.invented),
            none("rows of one operation above one", books.doubled),
            none("answers charged that never came", books.wordy),
            line(
                "upstream's calls without their tokens in a row",
                f"≤ {told.at_risk} under way at a kill",
                lost,
                well=lost <= told.at_risk,
            ),
            line(
                "rows of calls whose worker died",
                f"those {lost}",
                books.unverified,
                well=books.unverified <= told.at_risk and books.unverified >= min(lost, 1),
            ),
            line("llmgw reconcile --whole", "agree", "agree" if agree else proof.body[:300], well=agree),
            line("turns of conversations, each once", "all", f"{told.turns:,} looked at", well=not told.torn),
        ]

    async def _machine(self) -> list[Line]:
        """Memory and lag under load, descriptors in the quiet after it."""
        watch = self.watch
        self._upstream.hang_up()
        lines: list[Line] = []
        for number, worker in enumerate(each for each in watch.workers.values() if each.alive):
            slope = worker.slope()
            name = f"worker {number + 1}, {(worker.rss[-1][0] - worker.since) / 60:.0f} minutes old"
            lines += [
                at_most(f"{name}: RSS at the end, MiB", RSS_MIB, round(worker.rss[-1][1], 1)),
                Line(
                    f"{name}: RSS slope, MiB/h",
                    f"≤ {SLOPE_MIB:g}",
                    f"{slope.estimate:.2f} (95 %: {slope.low:.2f} to {slope.high:.2f})",
                    slope.judged(SLOPE_MIB),
                ),
                await self._descriptors(name, worker),
            ]
        died = len(watch.workers) - 2 - self.faults.kills
        return [
            *lines,
            none(f"workers that died beside {self.faults.kills} that were killed", died),
            at_most("99th percentile of the loop's lag, s", LAG_S, quantile(watch.overall, 0.99)),
        ]

    async def _descriptors(self, name: str, worker: Worker) -> Line:
        # One that took another's place may have been seen before it had opened what it needs.
        most = max(each.fds[0] for each in self.watch.workers.values()) + SPARE_FDS
        now = descriptors(worker.pid)
        for _ in range(60):
            now = descriptors(worker.pid)
            if now <= most:
                break
            await asyncio.sleep(0.5)
        return line(
            f"{name}: descriptors in the quiet after", f"≤ {most}", f"{now}, under load {max(worker.fds)}",
            well=now <= most,
        )  # fmt: skip

    def _callers_lines(self) -> list[Line]:
        told = self.traffic.told
        print(f"calls: {dict(told.made)}; in faults: {dict(told.faulted)}; late: {told.late}")
        for each in told.torn[:20]:
            print(f"torn: {each}")
        return [
            line("errors while nothing was out of order", "0", dict(told.wrong) or 0, well=not told.wrong),
            none("calls that never ended", told.hung),
        ]


async def _run(asked: argparse.Namespace, seconds: float, home: Path) -> bool:
    upstream = SoakUpstream()
    async with await upstream.start():
        gateway = RunningGateway(home, config(upstream.port))
        try:
            await asyncio.to_thread(gateway.start)
            soak = await asyncio.to_thread(Soak, gateway, upstream, asked.rate, asked.every)
            lines = await soak.run(seconds)
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)
            upstream.hang_up()
    print(f"\n{table(lines)}\n\nfaults: {', '.join(soak.faults.done)}")
    return passed(lines)


def main() -> int:
    """Run as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--hours", type=float, help="instead of minutes")
    parser.add_argument("--rate", type=float, default=90.0, help="calls begun in a second")
    parser.add_argument("--every", type=float, default=60.0, help="seconds from one fault to the next")
    asked = parser.parse_args()
    minutes = asked.minutes if asked.hours is None else asked.hours * 60
    # Whoever stops it has the gateway stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = machine.described(machine.Place.here())
    print("\n".join(facts[:-1]), f"\n{minutes:g} minutes at {asked.rate:g} calls a second", flush=True)
    with tempfile.TemporaryDirectory(prefix="llmgw-soak-") as home:
        return 0 if asyncio.run(_run(asked, minutes * 60, Path(home))) else 1


if __name__ == "__main__":
    sys.exit(main())
