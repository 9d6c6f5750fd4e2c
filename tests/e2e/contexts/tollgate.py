"""A line to the store on which one command is the last that its sender ever sends."""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Final, Literal, Self

from llmgw.state.scripts import Script

Side = Literal["before", "after"]

_PIECE: Final = 65536


class Tollgate(AbstractContextManager["Tollgate"]):
    """Forwards loopback connections to a store, and calls back when a script passes that it was told to look for.

    `before`: the store never gets it; `after`: the store has run it, and its answer never comes.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._digest = self._word = b""
        self._side: Side = "before"
        self._seen: Callable[[], None] = lambda: None
        self._open: list[socket.socket] = []

    def look_for(self, script: Script, side: Side, seen: Callable[[], None], word: bytes = b"") -> None:
        """Call `seen` once, when the script passes next, with this word in it."""
        self._side, self._seen, self._word = side, seen, word
        self._digest = script.digest.encode()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                store = socket.create_connection(("127.0.0.1", self._to_port))
                self._open += [caller, store]
                threading.Thread(target=self._serve, args=(caller, store), daemon=True).start()

    def _serve(self, caller: socket.socket, store: socket.socket) -> None:
        """Take one command at a time and bring back its answer; the client waits for it before the next."""
        stopped = threading.Event()
        threading.Thread(target=self._answer, args=(store, caller, stopped), daemon=True).start()
        with suppress(OSError):
            while sent := caller.recv(_PIECE):
                is_last = bool(self._digest) and self._digest in sent and self._word in sent
                if is_last:
                    self._digest = b""
                    stopped.set()
                if not is_last or self._side == "after":
                    store.sendall(sent)
                if is_last and self._side == "before":
                    self._seen()
        store.close()

    def _answer(self, store: socket.socket, caller: socket.socket, stopped: threading.Event) -> None:
        with suppress(OSError):
            while answer := store.recv(_PIECE):
                if stopped.is_set():
                    self._seen()
                    return
                caller.sendall(answer)
        caller.close()
