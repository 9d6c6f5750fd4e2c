"""What the workers are like while it goes on: memory, descriptors, the loop's lag, and who died."""

import os
import re
import time
from pathlib import Path
from typing import Final

from msgspec import Struct, field
from tests.running import RunningGateway

from loadtests.slope import Slope, blocks, theil_sen

_BUCKET = re.compile(r"^llmgw_loop_lag_seconds_bucket\{(.*)\} ([0-9.e+]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_MIB: Final = 1024 * 1024
_BLOCK_S: Final = 20.0
_SETTLING: Final = 0.3
"""The share of a worker's life in which its caches fill;"""
_SETTLING_S: Final = 600.0
"""but no less than this, in which it meets each kind of call and of fault; one that is younger proves nothing."""


class Worker(Struct, kw_only=True):
    """One worker process."""

    pid: int
    since: float
    rss: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the beginning, MiB."""
    fds: list[int] = field(default_factory=list)
    alive: bool = True

    def slope(self) -> Slope:
        """MiB an hour, once its caches are full."""
        first, last = self.rss[0][0], self.rss[-1][0]
        settled = first + max((last - first) * _SETTLING, _SETTLING_S)
        samples = [(at / 3600, mib) for at, mib in self.rss if at >= settled]
        return theil_sen(blocks(samples, _BLOCK_S / 3600))


class Watch:
    """Looks at the workers of a gateway, again and again."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.workers: dict[int, Worker] = {}
        self.lags: list[float] = []
        """The 99th percentile of each minute and worker, in seconds; infinite above the last bucket."""
        self.overall: dict[float, float] = {}
        """Times of the whole run by the bucket they fell into, by its upper end."""
        self._gateway = gateway
        self._began = time.monotonic()
        self._last: dict[tuple[str, float], float] = {}

    def look(self) -> None:
        """Note what each worker takes."""
        now = time.monotonic() - self._began
        alive = self._gateway.worker_pids()
        for pid in alive:
            worker = self.workers.setdefault(pid, Worker(pid=pid, since=now))
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
                worker.fds.append(descriptors(pid))
            except OSError:
                continue  # it died between two looks
            worker.rss.append((now, pages * os.sysconf("SC_PAGE_SIZE") / _MIB))
        for pid, worker in self.workers.items():
            worker.alive = pid in alive

    def scrape(self) -> None:
        """Take the loop's lag since the last scrape; nothing where nobody answers."""
        try:
            answer = self._gateway.request("/metrics")
        except OSError:
            return
        if answer.status != 200:
            return
        found = _buckets(answer.body.decode())
        grown: dict[str, dict[float, float]] = {}
        for (worker, end), count in found.items():
            more = count - self._last.get((worker, end), 0.0)
            # A worker that took another's place counts from nothing.
            grown.setdefault(worker, {})[end] = more if more >= 0 else count
        self._last = found
        for buckets in grown.values():
            self.lags.append(quantile(buckets, 0.99))
            for end, count in buckets.items():
                self.overall[end] = self.overall.get(end, 0.0) + count


def descriptors(pid: int) -> int:
    """Open descriptors of a process.

    Raises:
        OSError: it has ended.
    """
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def quantile(buckets: dict[float, float], share: float) -> float:
    """Take the upper end of the bucket in which that share is reached; cumulative counts by upper end."""
    total = max(buckets.values(), default=0.0)
    return next((end for end in sorted(buckets) if buckets[end] >= share * total), 0.0) if total else 0.0


def _buckets(text: str) -> dict[tuple[str, float], float]:
    found: dict[tuple[str, float], float] = {}
    for line in text.splitlines():
        read = _BUCKET.match(line)
        if read is not None:
            labels = dict(_LABEL.findall(read[1]))
            found[labels.get("worker", ""), float(labels["le"])] = float(read[2])
    return found
