"""Who runs first where a worker's threads share a CPU: the event loop."""

import contextlib
import os
from pathlib import Path
from typing import Final

SETTLED_S: Final = 1.0
"""By when the server has its threads: it starts them once start-up is over."""

_THREADS: Final = Path("/proc/self/task")
_SERVERS: Final = "tokio"
"""How the names of the server's threads begin that read and write connections."""


def let_the_loop_run_on() -> None:
    """Have the server's threads not interrupt the event loop just because there is an answer to be sent.

    Where they took the loop's place at once, to send that one answer, both were switched for each; let wait until
    the loop pauses or has had its slice, they send many at once. Other threads have reasons to be quick: they hold
    what the loop waits for. Does nothing where the system has no such policy.
    """
    policy = getattr(os, "SCHED_BATCH", None)
    if policy is None:
        return
    # A thread may end meanwhile, and a sandbox may forbid it: calls then only cost more.
    with contextlib.suppress(OSError):
        for thread in list(_THREADS.iterdir()):
            with contextlib.suppress(OSError):
                if (thread / "comm").read_text().startswith(_SERVERS):
                    os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))
