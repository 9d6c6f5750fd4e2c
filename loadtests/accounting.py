"""What the kernel has booked on a group of processes: CPU time and resident memory."""

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")
_STORE = "valkey-server"
_HELPERS = frozenset({b"llmgw.accounting.counting", b"llmgw.calllog.engine"})
"""Modules that gateways run in processes of their own."""


class Family(Struct, frozen=True):
    """A process and all it started, the store apart."""

    members: tuple[int, ...]
    """The root first."""
    store: tuple[int, ...]


class Usage(Struct, frozen=True):
    """CPU seconds booked until now."""

    members_s: float
    store_s: float

    def since(self, earlier: "Usage") -> "Usage":
        """What was booked since then."""
        return Usage(self.members_s - earlier.members_s, self.store_s - earlier.store_s)


def family_of(root: int) -> Family:
    """Find the processes that descend from `root`, itself included."""
    parents: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parsed := _stat(int(entry.name))) is not None:
            names[int(entry.name)] = parsed[0]
            parents.setdefault(int(parsed[1][1]), []).append(int(entry.name))
    found = [root]
    for process in found:
        found.extend(parents.get(process, ()))
    members = tuple(process for process in found if names.get(process) != _STORE)
    return Family(members, tuple(process for process in found if names.get(process) == _STORE))


def usage_of(family: Family) -> Usage:
    """Read user and system time of every process that still lives."""
    return Usage(cpu_s(family.members), cpu_s(family.store))


def cpu_s(processes: Iterable[int]) -> float:
    """User and system seconds of these processes."""
    ticks = 0
    for process in processes:
        parsed = _stat(process)
        if parsed is not None:
            ticks += int(parsed[1][11]) + int(parsed[1][12])
    return ticks / _TICKS


def worker_rss_mib(family: Family) -> float:
    """Resident memory of the largest process below the root, a worker, or of the root where there is no other.

    Processes that a worker has answer questions or count tokens are none.
    """
    workers = [process for process in family.members[1:] if not _helps(process)]
    return max(_rss_mib(process) for process in workers or family.members[:1])


def _stat(process: int) -> tuple[str, list[str]] | None:
    """Name and the fields after it (state, parent, …) of /proc/PID/stat; None when the process has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()


def _helps(process: int) -> bool:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return not _HELPERS.isdisjoint(command)


def _rss_mib(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
