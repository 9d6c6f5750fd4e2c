"""Lines to a file descriptor that never block, never raise and never mix with another process's lines."""

import contextlib
import os
import select
from datetime import UTC, datetime
from typing import TextIO

MAX_LINE = 4096
"""Bytes with the newline: what a pipe takes whole or not at all, even from several workers (PIPE_BUF)."""


class LineWriter:
    """Writes whole lines to the file behind a stream; a line that cannot go at once is dropped and counted.

    It keeps its own duplicate of the descriptor, so that a number closed and used again for something else is
    never written to. Use one per thread.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.dropped = 0
        self._fd = -1
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # closed, or no file at all: every line is dropped
                self._fd = os.dup(stream.fileno())
        self._ready = select.poll()
        if self._fd >= 0:
            self._ready.register(self._fd, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write a line of at most `MAX_LINE` bytes, newline included."""
        # The descriptor may be shared with the shell, so it is asked instead of being made non-blocking.
        try:
            if self._ready.poll(0) and os.write(self._fd, line) == len(line):
                return
        except OSError:
            pass
        self.dropped += 1

    def close(self) -> None:
        """Give the duplicate back; later lines are dropped."""
        if self._fd >= 0:
            self._ready.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1


class Rfc3339:
    """Writes moments as `2026-01-31T23:59:59.123Z`; remembers the last second, as most calls share it."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, unix_ns: int) -> str:
        """Return the moment in UTC with milliseconds."""
        second, rest = divmod(unix_ns, 1_000_000_000)
        if second != self._second:
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._text}.{rest // 1_000_000:03d}Z"
