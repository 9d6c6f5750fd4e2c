"""A fixed beat finer than the event loop's own timers, which count whole milliseconds."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


class _Itimerspec(ctypes.Structure):
    _fields_ = [("it_interval", _Timespec), ("it_value", _Timespec)]


class Metronome:
    """Calls `beat(due)` `rate` times a second; `due` is when it should have been called, in `time.monotonic`.

    Beats that come late are all made up for, each with its own `due`, so a slow reader hides no delay. The clock
    is the kernel's timerfd (https://man7.org/linux/man-pages/man2/timerfd_create.2.html).
    """

    def __init__(self, rate: float, beat: Callable[[float], None]) -> None:
        self._interval_ns = max(1, round(1e9 / rate))
        self._beat = beat
        self._loop = asyncio.get_running_loop()
        self._due_ns = time.monotonic_ns() + self._interval_ns
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK)
        setting = _Itimerspec(
            _Timespec(*divmod(self._interval_ns, 1_000_000_000)),
            _Timespec(*divmod(self._due_ns, 1_000_000_000)),
        )
        if self._descriptor < 0 or libc.timerfd_settime(
            self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(setting), None
        ):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def __enter__(self) -> Self:
        self._loop.add_reader(self._descriptor, self._expired)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _expired(self) -> None:
        try:
            beats = int.from_bytes(os.read(self._descriptor, 8), "little")
        except BlockingIOError:
            return
        for _ in range(beats):
            self._beat(self._due_ns / 1e9)
            self._due_ns += self._interval_ns
