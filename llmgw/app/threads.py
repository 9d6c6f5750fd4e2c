"""Who runs first where a worker's threads share a CPU: the event loop."""

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

SETTLED_S: Final = 1.0
"""By when the server has its threads: it starts them once start-up is over."""

_THREADS: Final = Path("/proc/self/task")


def let_the_loop_run_on() -> None:
    """Have no other thread of this process interrupt the calling one just because there is work for it.

    The server's thread is woken with every answer. Where it took the loop's place at once, to send that one answer,
    both were switched for each; let wait until the loop pauses or has had its slice, it sends many at once. Threads
    that are started later are not concerned. Does nothing where the system has no such policy.
    """
    policy = getattr(os, "SCHED_BATCH", None)
    if policy is None:
        return
    own = threading.get_native_id()
    # A thread may end meanwhile, and a sandbox may forbid it: calls then only cost more.
    with contextlib.suppress(OSError):
        for thread in [int(each.name) for each in _THREADS.iterdir()]:
            if thread != own:
                with contextlib.suppress(OSError):
                    os.sched_setscheduler(thread, policy, os.sched_param(0))
