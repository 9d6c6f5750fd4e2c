"""The counting process: `python -m llmgw.accounting.counting FD IDLE_S`; descriptor FD is a listening socket."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

from llmgw.accounting.counting.frames import Counts, Texts
from llmgw.accounting.vocabulary import VOCABULARIES, Encodings
from llmgw.state.local import Connection, inherited, receive, send
from llmgw.types.errors import InternalError


class _Server:
    def __init__(self) -> None:
        self._encodings = Encodings()
        self._lock = threading.Lock()
        self._at_work = 0
        self._asked_s = time.monotonic()

    def answer(self, worker: Connection) -> None:
        """Answer one connection until its worker closes it."""
        with worker, contextlib.suppress(EOFError, OSError):
            while True:
                asked = receive(worker, Texts)
                with self._working():
                    send(worker, self._counted(asked))

    def begin(self, worker: Connection) -> None:
        """Answer another connection in a thread of its own."""
        with self._lock:
            self._asked_s = time.monotonic()
        worker.settimeout(None)
        threading.Thread(target=self.answer, args=(worker,), daemon=True).start()

    def idle_s(self) -> float:
        """Seconds since somebody was last answered."""
        with self._lock:
            return 0.0 if self._at_work else time.monotonic() - self._asked_s

    def _counted(self, asked: Texts) -> Counts:
        try:
            return Counts(self._encodings.counts(VOCABULARIES[asked.vocabulary], asked.texts))
        except InternalError as error:
            return Counts([], error.message)

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                self._asked_s = time.monotonic()


def main(descriptor: int, idle_s: float) -> None:
    """Count until nobody has asked for so long; who asks then has another process started."""
    server = _Server()
    with inherited(descriptor) as listener:
        while (left := idle_s - server.idle_s()) > 0:
            listener.settimeout(left)
            with contextlib.suppress(TimeoutError):
                worker, _ = listener.accept()
                server.begin(worker)
    # Threads that wait for workers end with the process.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
