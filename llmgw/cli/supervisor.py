"""The process over the workers: it forks them, has them reload, and stops them."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import msgspec
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from llmgw.accounting.counting.service import CountingService
from llmgw.app import DRAIN_SIGNAL, RELOAD_SIGNAL, Handed, Handover, Secrets, create_app, prepare_to_fork
from llmgw.cli.address import base_url
from llmgw.cli.runfile import RunFile, Running
from llmgw.http.front import MAX_HEADER_BYTES, Front
from llmgw.settings import ConfigError, Loaded, Problem, Settings, load, restart_needed, taken_over
from llmgw.telemetry import logs
from llmgw.telemetry.siblings import Place, gathered
from llmgw.types.secret import Secret

KILL_AFTER_DRAIN_S = 5
"""How long a worker may take to end after its calls were ended for it."""
CONNECTION_BUFFER = MAX_HEADER_BYTES + 8 * 1024
"""Bytes kept of a request's head, and of an answer that its caller does not read."""
SPARE_CONNECTIONS = 1024
"""Connections per worker beyond those of the calls at work: idle ones, and the 503 of the one call too many."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs the workers of one gateway.

    `written` is the configuration as its file has it, before the command line's overrides.
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        *,
        written: Settings,
        state_url: Secret,
        secrets: Secrets,
    ) -> None:
        self._loaded = loaded
        self._written = written
        self._environ = environ
        self._state_url = state_url
        self._secrets = secrets
        self._runfile = RunFile(loaded.settings.state.dir)
        self._running = Running(pid=os.getpid(), url=base_url(loaded.settings.server), generation=1)

    def run(self) -> None:
        """Serve until a signal says stop; returns when every worker has ended.

        Raises:
            OSError: the state directory cannot be written.
        """
        if not self._runfile.claim():
            _log.warning("another gateway uses this state directory: 'llmgw config reload' reaches that one")
        settings = self._loaded.settings
        try:
            with (
                Handover(settings.state.dir) as handover,
                gathered(settings.state.dir, settings.server.workers) as place,
                CountingService(place.counting),
            ):
                server = _Server(settings, partial(self._reload, handover))
                # The server has just set up logging for itself, and silenced everybody else.
                configure_logs(settings, self._environ)
                # Once signals are handled, commands may find us.
                server.on_startup(lambda: self._runfile.write(self._running))
                prepare_to_fork(settings)
                server.serve(target_loader=partial(self._worker_app, place, handover), wrap_loader=False)
        finally:
            self._runfile.release()

    def _worker_app(self, place: Place, handover: Handover, worker: int) -> Front:
        """Build the application of a worker, by its number; runs in each after the fork, first of all."""
        # The supervisor's own handlers came along with the fork and mean nothing here. That of a reload is held
        # back until the application has its own: what this worker has read may be old by then.
        signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self._runfile.disown()
        return create_app(
            self._loaded,
            self._environ,
            handover=handover,
            state_url=self._state_url,
            secrets=self._secrets,
            place=msgspec.structs.replace(place, worker=worker),
        )

    def _reload(self, handover: Handover, workers: list[int]) -> None:
        """Check the file and, if it is sound, have every worker take over what was read; answer in the run file."""
        running = msgspec.structs.replace(
            self._running, asked=self._running.asked + 1, problems=None, restart_needed=()
        )
        last = handover.last
        try:
            fresh = reread(self._loaded, self._environ)
            handover.write(
                Handed(generation=last.generation + 1, refused=last.refused, snapshot=fresh.snapshot)
            )
        except (ConfigError, OSError) as error:
            problem = str(error) if isinstance(error, ConfigError) else f"no room to hand it over: {error}"
            _log.error("reload refused, the old configuration stays: %s", problem)
            self._running = msgspec.structs.replace(running, problems=problem)
            with suppress(OSError):
                handover.write(msgspec.structs.replace(last, refused=last.refused + 1))
        else:
            # A worker that is started from now on begins with it; those that run are told to take it over.
            self._loaded = msgspec.structs.replace(
                fresh, settings=taken_over(self._loaded.settings, fresh.settings)
            )
            self._running = msgspec.structs.replace(
                running,
                generation=handover.last.generation,
                restart_needed=tuple(restart_needed(self._written, fresh.settings)),
            )
        # After a refusal they find nothing new but the count of it.
        for pid in workers:
            os.kill(pid, RELOAD_SIGNAL)
        self._runfile.write(self._running)


def configure_logs(settings: Settings, environ: Mapping[str, str]) -> None:
    """Have this process log as the settings say."""
    logs.configure(settings.telemetry.log_level, sys.stderr, logs.style_for(sys.stderr, environ))


def reread(loaded: Loaded, environ: Mapping[str, str]) -> Loaded:
    """Read the file of a running configuration again.

    Raises:
        ConfigError: it cannot be used, or there is no file.
    """
    if loaded.source is None:
        raise ConfigError(
            [Problem(path="", message="this gateway runs on defaults: there is no file to read")]
        )
    return load(loaded.source, environ)


class _Server(MPServer):
    """Granian, whose SIGHUP means our reload instead of new workers, and whose stop is announced to them."""

    def __init__(self, settings: Settings, on_hangup: Callable[[list[int]], None]) -> None:
        server = settings.server
        super().__init__(
            target="llmgw",
            address=server.host,
            port=server.port,
            interface=Interfaces.ASGI,
            workers=server.workers,
            # In its automatic mode the server waits for the first byte of a connection without a clock.
            http=HTTPModes.http1,
            backpressure=2 * server.max_in_flight + SPARE_CONNECTIONS,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(server.header_timeout_s * 1000), max_buffer_size=CONNECTION_BUFFER
            ),
            websockets=False,
            log_level=LogLevels.warning,
            respawn_failed_workers=True,
            workers_kill_timeout=int(server.drain_s) + KILL_AFTER_DRAIN_S,
        )
        self._on_hangup = on_hangup
        self._spawning = False
        self._hung_up = False

    def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
        """Reload instead of respawning; while workers are started, as soon as all of them can be told."""
        self._hung_up = True
        if not self._spawning:
            self._reload_workers()

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Tell the workers to drain before they are told to stop."""
        for pid in self._worker_pids():
            os.kill(pid, DRAIN_SIGNAL)
        super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _spawn_worker(  # type: ignore[override]  # as the class in between has it
        self, idx: int, target: Any, callback_loader: Callable[[int], Front]
    ) -> Any:
        """Tell a worker its number, which one that takes its place inherits; they count from 1, as in the log."""
        return super()._spawn_worker(idx, target, partial(callback_loader, idx + 1))

    def _spawn_workers(self, *args: Any, **kwargs: Any) -> None:
        with self._holding_reloads():
            super()._spawn_workers(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _respawn_workers(self, *args: Any, **kwargs: Any) -> None:
        with self._holding_reloads():
            super()._respawn_workers(*args, **kwargs)

    @contextmanager
    def _holding_reloads(self) -> Iterator[None]:
        """Put off reloads, here and in each worker that is started meanwhile, which is born with the mask."""
        self._spawning = True
        signal.pthread_sigmask(signal.SIG_BLOCK, {RELOAD_SIGNAL})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {RELOAD_SIGNAL})
            self._spawning = False
        if self._hung_up:
            self._reload_workers()

    def _reload_workers(self) -> None:
        self._hung_up = False
        self._on_hangup(self._worker_pids())

    def _worker_pids(self) -> list[int]:
        return [worker.inner.pid for worker in self.wrks if worker.is_alive()]  # type: ignore[no-untyped-call]
