"""Keeps a counting process at hand for all workers: started when one asks, and again after it has ended."""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from llmgw.state import leash
from llmgw.state.local import listen

IDLE_S: Final = 300.0
"""Seconds without a question after which the process ends, and its memory is free."""
_PAUSE_S: Final = 1.0
"""Before it is started again where it did not end by itself."""
_SOON_S: Final = 5.0
"""A process that ends within this time has answered nobody; after two nobody is left to wait for a third."""
_KEPT: Final = ("PATH", "LANG", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")

_log = logging.getLogger(__name__)


class CountingService:
    """Listens at a path for as long as the block; who connects there has its texts counted.

    The process is started in a thread that waits for its end, and ends with this one, however that ends.

    Raises:
        OSError: nobody can listen there.
    """

    def __init__(self, path: Path, *, idle_s: float = IDLE_S) -> None:
        self.path = path
        self.process: subprocess.Popen[bytes] | None = None
        self._idle_s = idle_s
        self._closing = Event()
        self._wake, self._woken = os.pipe()
        self._thread = Thread(target=self._run, name="llmgw-counting", daemon=True)

    def __enter__(self) -> Self:
        self._listener = listen(self.path)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        os.write(self._woken, b"x")
        process = self.process
        if process is not None and process.poll() is None:
            process.terminate()
        self._thread.join()
        self._listener.close()
        self.path.unlink(missing_ok=True)
        os.close(self._wake)
        os.close(self._woken)

    def _run(self) -> None:
        failures = 0
        while True:
            # Whoever asks waits in the listener's queue until there is somebody to answer.
            select.select([self._listener.fileno(), self._wake], [], [])
            if self._closing.is_set():
                return
            began = time.monotonic()
            code = self._served()
            failures = failures + 1 if code and time.monotonic() - began < _SOON_S else 0
            if code and not self._closing.is_set():
                _log.warning(
                    "the process that counts tokens ended with %d; it is started when it is asked", code
                )
                if failures > 1:
                    self._turn_away()
                self._closing.wait(_PAUSE_S)

    def _turn_away(self) -> None:
        """Hang up on whoever waits in the queue: one that cannot be started would leave them there for a minute."""
        self._listener.setblocking(False)  # noqa: FBT003  # the standard library's own
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting, _ = self._listener.accept()
                waiting.close()

    def _served(self) -> int:
        """Run one process until it ends; returns what it ended with."""
        descriptor = self._listener.fileno()
        # Without modules out of the directory that the gateway was started in.
        module = ("-P", "-m", "llmgw.accounting.counting", str(descriptor), str(self._idle_s))
        # By its path and not as a module: it ties the process to this thread before anything else is read.
        command = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), sys.executable, *module]
        try:
            self.process = process = subprocess.Popen(  # noqa: S603  # our own module, no input in the command
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                # A signal to the gateway's terminal is the gateway's to pass on.
                start_new_session=True,
            )
        except OSError as error:
            _log.warning("no process can be started that counts tokens: %s", error)
            return 1
        # The end may have come between the question and the start.
        if self._closing.is_set():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        return process.wait()
