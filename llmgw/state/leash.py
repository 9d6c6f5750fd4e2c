"""Run a program that ends with its parent: `leash.py PARENT_PID PROGRAM ARGUMENT...`.

Started by path in a bare interpreter, so it imports the standard library only. On Linux the kernel sends the
program SIGTERM when the thread that started it ends, even by SIGKILL; elsewhere the program is started as it
is, and the next start finds what is left over.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept across execve of an ordinary program


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and become `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the whole point: no shell, same process


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
