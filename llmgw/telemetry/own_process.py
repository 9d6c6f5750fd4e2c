"""What the operating system says of this process, read when it is asked for."""

import math
import os
import resource
import time
from pathlib import Path
from typing import Final

_SELF: Final = Path("/proc/self")
_STARTED: Final = 19
"""Where in `stat`, counted behind the name, the ticks stand that the process began after the machine."""


class OwnProcess:
    """Figures of the process that asks; those that this system does not tell are no number."""

    def cpu_s(self) -> float:
        """Processor time of all threads, in seconds."""
        return time.process_time()

    def resident_bytes(self) -> float:
        """Memory in use."""
        return _pages(1)

    def virtual_bytes(self) -> float:
        """Memory asked for."""
        return _pages(0)

    def open_fds(self) -> float:
        """Open file descriptors, but for the one that counts them."""
        try:
            return len(os.listdir(_SELF / "fd")) - 1  # noqa: PTH208  # half the time, and names are all there is
        except OSError:
            return math.nan

    def max_fds(self) -> float:
        """File descriptors that it may have open."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def started_s(self) -> float:
        """When it began, in seconds of unix time."""
        try:
            # The name may have spaces and brackets in it.
            told = (_SELF / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            machine = Path("/proc/stat").read_text(encoding="utf-8")
            booted = next(int(line.split()[1]) for line in machine.splitlines() if line.startswith("btime "))
            return booted + int(told[_STARTED]) / os.sysconf("SC_CLK_TCK")
        except (OSError, StopIteration, ValueError, IndexError):
            return math.nan


def _pages(place: int) -> float:
    try:
        return int((_SELF / "statm").read_bytes().split()[place]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return math.nan
