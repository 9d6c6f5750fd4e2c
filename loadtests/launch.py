"""Runs a command on its CPUs and has the kernel end it when whoever started it is gone.

python -m loadtests.launch CPU,CPU… command argument…
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command; the CPUs and the death signal stay with it and the CPUs with all it starts."""
    cpus, *command = sys.argv[1:]
    os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(command[0], command)  # noqa: S606  # a shell would be one more process to account for


if __name__ == "__main__":
    main()
