"""`python -m loadtests.cluster`: two gateways on a Valkey Cluster, of which one primary is killed under load.

Prints what callers had before, during and after; how long it took until all was whole; whether the books and
the conversations are exact. Ends with 0 when they are, and with 1 when they are not.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field
from redis.cluster import RedisCluster
from tests.running import RunningGateway

from loadtests import machine
from loadtests.cluster.nodes import NODE_TIMEOUT_MS, Cluster, replicated
from loadtests.soak.books import Auditor, compare
from loadtests.soak.client import Callers
from loadtests.soak.stage import config, prepared
from loadtests.soak.traffic import Traffic
from loadtests.soak.upstream import SoakUpstream
from loadtests.soak.verdict import Line, line, none, passed, table

VICTIM_OF: Final = "llmgw:spend:{paid}:ledger"
"""The primary that is killed has the books of the tenant with the most limits."""
WARM_S: Final = 8.0
"""Within which the second gateway has heard of the keys and the prompt that were made at the first."""
WHOLE_WITHIN_S: Final = 30.0
SETTLE_S: Final = 60.0
_MOMENT_S: Final = 0.001
_FAR: Final = 10_000_000
"""Between the numbers of one gateway's calls and the next's."""


class Ends(Struct):
    """How calls ended, in seconds since the beginning."""

    at: list[tuple[float, str]] = field(default_factory=list)

    def between(self, first: float, last: float) -> tuple[float, Counter[str]]:
        """Whole answers a second, and what else there was."""
        within = [problem for at, problem in self.at if first <= at < last]
        wrong = Counter(problem for problem in within if problem)
        return (len(within) - wrong.total()) / max(last - first, 0.001), wrong

    def whole_since(self, moment: float) -> float:
        """The last moment at which a call failed, no earlier than `moment`."""
        return max((at for at, problem in self.at if problem and at > moment), default=moment)


class Run:
    """Traffic on both gateways, and the death in the middle."""

    def __init__(
        self, cluster: Cluster, gateways: list[RunningGateway], upstream: SoakUpstream, rate: float
    ) -> None:
        self._cluster = cluster
        self._gateways = gateways
        self._upstream = upstream
        self.ends = Ends()
        keys = prepared(gateways[0])
        self._callers = [Callers(gateway.port) for gateway in gateways]
        self._traffic = [
            Traffic(callers, upstream, keys, rate / len(gateways), first=_FAR * number)
            for number, callers in enumerate(self._callers)
        ]
        self._began = 0.0
        for traffic in self._traffic:
            traffic.on_end = self._ended

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _ended(self, problem: str) -> None:
        self.ends.at.append((self._now, problem))

    async def run(self, seconds: float) -> list[Line]:
        """Load for so many seconds before the death and as many after all is whole."""
        self._began = time.monotonic()
        whole_s = WARM_S + 2 * seconds + WHOLE_WITHIN_S
        tasks = [asyncio.create_task(traffic.run(whole_s)) for traffic in self._traffic]
        await asyncio.sleep(WARM_S + seconds)
        victim = await asyncio.to_thread(self._cluster.owner, VICTIM_OF)
        died = self._now
        await asyncio.to_thread(self._cluster.primaries[victim].kill)
        while not await asyncio.to_thread(self._cluster.promoted, victim):
            if self._now - died > WHOLE_WITHIN_S:
                break
            await asyncio.sleep(0.05)
        promoted = self._now
        await asyncio.gather(*tasks)
        return await self._told(seconds, died, promoted)

    async def _told(self, seconds: float, died: float, promoted: float) -> list[Line]:
        ends = self.ends
        whole = ends.whole_since(died) + _MOMENT_S
        for callers in self._callers:
            callers.close()
        phases = [
            ("before", died - seconds, died),
            ("during", died, max(whole, promoted)),
            ("after", max(whole, promoted), max(whole, promoted) + seconds),
        ]
        print("| | seconds | whole answers/s | others |\n|---|---|---|---|")
        for name, first, last in phases:
            rate, wrong = ends.between(first, last)
            others = ", ".join(f"{count} times {what}" for what, count in sorted(wrong.items())) or "none"
            print(f"| {name} | {last - first:.1f} | {rate:.1f} | {others} |")
        print(
            f"\nA replica was promoted {promoted - died:.1f} s after the death (node timeout "
            f"{NODE_TIMEOUT_MS / 1000:g} s); the last call that failed ended {whole - died:.1f} s after it.\n"
        )
        wrong_before = ends.between(WARM_S, died)[1].total()
        return [
            none("calls that failed before", wrong_before),
            line(
                "time until whole again, s",
                f"≤ {WHOLE_WITHIN_S:g}",
                f"{whole - died:.1f}",
                well=whole - died <= WHOLE_WITHIN_S,
            ),
            *await self._books(),
        ]

    async def _books(self) -> list[Line]:
        """Compare once the journals are settled."""
        port = self._cluster.replicas[0].port
        store: Any = await asyncio.to_thread(RedisCluster, host="127.0.0.1", port=port)
        end = time.monotonic() + SETTLE_S
        while True:
            auditor = Auditor(store)
            await asyncio.to_thread(auditor.read, all_of_it=True)
            found = compare(auditor.books, self._upstream.said, self._upstream.unsaid)
            proof = await asyncio.to_thread(self._gateways[0].request, "/admin/v1/reconcile", {"whole": True})
            agree = proof.status == 200 and proof.json()["agree"]
            exact = not (found.missing or found.invented or found.unsaid_missing)
            if (exact and agree) or time.monotonic() > end:
                break
            await asyncio.sleep(0.5)
        store.close()
        torn = [each for traffic in self._traffic for each in traffic.told.torn]
        for each in torn[:20]:
            print(f"torn: {each}")
        turns = sum(traffic.told.turns for traffic in self._traffic)
        return [
            none("answers of the upstream that no row has", found.missing),
            none("rows for what the upstream never said", found.invented),
            none("calls left before a word, less their rows", found.unsaid_missing),
            none("rows of one operation above one", auditor.books.doubled),
            none("rows of calls nobody knows the cost of", auditor.books.unverified),
            line("llmgw reconcile --whole", "agree", "agree" if agree else proof.body[:300], well=agree),
            none(f"turns lost or doubled, of {turns:,}", len(torn)),
            none("calls that never ended", sum(traffic.told.hung for traffic in self._traffic)),
        ]


def _configured(upstream_port: int, store_url: str) -> dict[str, Any]:
    """Both gateways know each other's keys; each has one worker."""
    whole = config(upstream_port)
    whole["server"] = {"workers": 1}
    whole["state"] = {**whole["state"], "url": store_url}
    whole["auth"] = {"pepper": "pepper" * 8}
    whole["contexts"] = {**whole["contexts"], "keys": {"k1": "ab" * 32}}
    return whole


async def _run(asked: argparse.Namespace, home: Path) -> bool:
    upstream = SoakUpstream()
    async with await upstream.start():
        with ExitStack() as stack:
            cluster = await asyncio.to_thread(stack.enter_context, replicated(home / "cluster"))
            whole = _configured(upstream.port, cluster.url)
            # They write one call log, as gateways that share a store do.
            whole["call_log"] = {"dir": str(home / "calls")}
            gateways = [RunningGateway(home / f"gateway-{number}", whole) for number in range(2)]
            for gateway in gateways:
                await asyncio.to_thread(stack.enter_context, gateway)
            run = await asyncio.to_thread(Run, cluster, gateways, upstream, asked.rate)
            try:
                lines = await run.run(asked.seconds)
            finally:
                # They end while the upstream still answers them.
                await asyncio.to_thread(stack.close)
                upstream.hang_up()
    print(table(lines))
    return passed(lines)


def main() -> int:
    """Run as long as the command line says, and half a minute."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.cluster", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="before the death, and after it")
    parser.add_argument("--rate", type=float, default=80.0, help="calls begun in a second, by both together")
    asked = parser.parse_args()
    # Whoever stops it has everything stopped that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("\n".join(machine.described(machine.Place.here())[:-1]), "\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="llmgw-cluster-") as home:
        return 0 if asyncio.run(_run(asked, Path(home))) else 1


if __name__ == "__main__":
    sys.exit(main())
