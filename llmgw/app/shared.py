"""The memory of workers: what they have in common is there once, and what they do not need is given back."""

import ctypes
import gc
import importlib
import platform
from typing import Final

from llmgw.settings import Settings

_IS_GLIBC: Final = platform.libc_ver()[0] == "glibc"
"""Other libraries of C decide for themselves."""
_MIB: Final = 1024 * 1024
_MALLOPT: Final = {
    -3: _MIB,  # M_MMAP_THRESHOLD: what is as large goes back to the system as soon as it is free
    -1: 2 * _MIB,  # M_TRIM_THRESHOLD: what is free at the end of the heap may be as much
    -8: 2,  # M_ARENA_MAX: threads share what is free, as they take turns in any case
}
"""Of glibc's <malloc.h>. Left alone it raises the first to 32 MiB, and what was freed stays with the process: each
time that a worker writes 20,000 rows of the call log some more, 40 MiB in the end."""


def prepare_to_fork(settings: Settings) -> None:
    """Read what every worker with these settings will need, and have them keep no memory that they do not use.

    The collector of garbage leaves alone what is there by now: a look at it would write on its pages.
    """
    if settings.telemetry.otlp_endpoint:
        importlib.import_module("llmgw.telemetry.sending")
        importlib.import_module("llmgw.telemetry.metrics_export")
    if _IS_GLIBC:
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give the system what is free between pieces in use: after a burst of long conversations a tenth of it all.

    Takes up to 15 ms, in which no thread is given memory.
    """
    if _IS_GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
