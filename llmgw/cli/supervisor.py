"""The process over the workers: it forks them, has them reload, and stops them."""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import rich_click as click
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from llmgw.app import create_app
from llmgw.cli.runfile import RunFile, Running
from llmgw.http.front import Front
from llmgw.settings import ConfigError, Loaded, Problem, Settings, load, restart_needed
from llmgw.types.secret import Secret


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
        pepper: Secret,
        bootstrap: Secret | None,
    ) -> None:
        self._loaded = loaded
        self._written = written
        self._environ = environ
        self._state_url = state_url
        self._pepper = pepper
        self._bootstrap = bootstrap
        server = loaded.settings.server
        self._runfile = RunFile(loaded.settings.state.dir)
        self._running = Running(pid=os.getpid(), url=f"http://{server.host}:{server.port}", generation=1)

    def run(self) -> None:
        """Serve until a signal says stop; returns when every worker has ended."""
        server = _Server(self._loaded.settings, self._reload)
        self._runfile.write(self._running)
        try:
            server.serve(target_loader=self._worker_app, wrap_loader=False)
        finally:
            self._runfile.remove()

    def _worker_app(self) -> Front:
        """Build the application; runs in each worker after the fork."""
        return create_app(
            self._loaded,
            self._environ,
            state_url=self._state_url,
            pepper=self._pepper,
            bootstrap=self._bootstrap,
        )

    def _reload(self, workers: list[int]) -> None:
        """Check the file and, if it is sound, have every worker take it over; answer in the run file."""
        running = msgspec.structs.replace(self._running, asked=self._running.asked + 1, problems=None)
        try:
            fresh = reloaded(self._loaded, self._environ)
        except ConfigError as error:
            click.echo(f"Reload refused, the old configuration stays:\n{error}", err=True)
            self._running = msgspec.structs.replace(running, problems=str(error))
        else:
            restart = tuple(restart_needed(self._written, fresh.settings))
            for pid in workers:
                os.kill(pid, signal.SIGHUP)
            self._running = msgspec.structs.replace(
                running, generation=running.generation + 1, restart_needed=restart
            )
        self._runfile.write(self._running)


def reloaded(loaded: Loaded, environ: Mapping[str, str]) -> Loaded:
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
    """Granian, whose SIGHUP means our reload instead of new workers."""

    def __init__(self, settings: Settings, on_hangup: Callable[[list[int]], None]) -> None:
        server = settings.server
        super().__init__(
            target="llmgw",
            address=server.host,
            port=server.port,
            interface=Interfaces.ASGI,
            workers=server.workers,
            # Twice as many connections as calls at work, so that the 503 of the one too many can be said.
            backpressure=2 * server.max_in_flight,
            http1_settings=HTTP1Settings(header_read_timeout=int(server.header_timeout_s * 1000)),
            websockets=False,
            log_enabled=False,
            respawn_failed_workers=True,
            workers_kill_timeout=int(server.drain_s) + 5,
        )
        self._on_hangup = on_hangup

    def signal_handler_reload(self, *_args: Any, **_kwargs: Any) -> None:
        """Reload instead of respawning."""
        self._on_hangup([worker._id() for worker in self.wrks])  # type: ignore[no-untyped-call]  # noqa: SLF001
