"""What is measured: the static upstream itself, the bare forwarder, and the gateway as users start it."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import yaml
from llmgw.types.call import DEFAULT_TENANT

from loadtests.scenarios import LIMITED

_READY_S = 30.0
_STOP_S = 15.0
_TICK_S = 0.02


class StartError(Exception):
    """Something that was to be measured did not start; the message says what it said last."""


class Subject:
    """A server process on its CPU; `key` is what it wants as a bearer token."""

    def __init__(self, name: str, cpu: int, command: Sequence[str], log: Path, port: int = 0) -> None:
        self.name = name
        self.port = port
        self.key = "none"
        self.log = log
        self._cpu = cpu
        self._command = command
        self._environ: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The root of its processes."""
        return self._process.pid

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loadtests.launch", str(self._cpu), *self._command],
                env={**os.environ, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def key_for(self, *, limited: bool) -> str:
        """The bearer token of a caller; where there are no limits, they are all alike."""
        del limited
        return self.key

    def forget_log(self) -> None:
        """Empty the log, so that a long run fills no disk."""
        os.truncate(self.log, 0)

    def ready(self) -> bool:
        """Whether requests would be answered; OSError says no as well."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _READY_S
        tick = Event()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                last = self.log.read_text(encoding="utf-8", errors="replace")[-1500:]
                raise StartError(f"{self.name} did not start: {last}")
            tick.wait(_TICK_S)

    def _answers(self) -> bool:
        try:
            return self.ready()
        except OSError:
            return False

    def _stop(self) -> None:
        process = self._process
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Static(Subject):
    """The static upstream."""

    def __init__(self, name: str, cpu: int, home: Path) -> None:
        super().__init__(name, cpu, [sys.executable, "-m", "loadtests.upstream"], home / f"{name}.log")

    def ready(self) -> bool:
        """Its port is the first thing it says."""
        said = self.log.read_text(encoding="utf-8")
        self.port = int(said) if said.endswith("\n") else 0
        return bool(self.port)

    def stats(self) -> dict[str, int]:
        """What it has counted since it started."""
        _, body = exchange(self.port, "GET", "/stats")
        counts: dict[str, int] = json.loads(body)  # noqa: TID251  # our own counts
        return counts


class Limit(Subject):
    """The bare forwarder."""

    def __init__(self, cpu: int, home: Path, upstream_port: int) -> None:
        port = free_port()
        command = [sys.executable, "-m", "loadtests.limit", str(port), str(upstream_port)]
        super().__init__("bare forwarder", cpu, command, home / "limit.log", port)


class Gateway(Subject):
    """`llmgw serve` with a configuration of its own and a caller's key made through its API."""

    def __init__(self, name: str, cpu: int, home: Path, config: Mapping[str, Any]) -> None:
        port = free_port()
        home.mkdir(mode=0o700)
        path = home / "llmgw.yaml"
        server = {"host": "127.0.0.1", "port": port, "workers": 1}
        state = {"url": "embedded", "dir": str(home / "state")}
        path.write_text(yaml.safe_dump({"server": server, "state": state, **config}), encoding="utf-8")
        command = [sys.executable, "-m", "llmgw", "serve", "-c", str(path)]
        super().__init__(name, cpu, command, home / "gateway.log", port)
        self._admin_key = secrets.token_hex(24)
        self._environ = {"LLMGW_ADMIN_KEY": self._admin_key}

    def __enter__(self) -> Self:
        super().__enter__()
        self.key = self._made(DEFAULT_TENANT)
        self._limited_key = self._made(LIMITED)
        return self

    def key_for(self, *, limited: bool) -> str:
        """See `Subject.key_for`."""
        return self._limited_key if limited else self.key

    def _made(self, tenant: str) -> str:
        """Make a caller's key."""
        status, body = exchange(
            self.port,
            "POST",
            "/admin/v1/keys",
            key=self._admin_key,
            body=json.dumps({"name": "load", "role": "caller", "tenant": tenant}).encode(),
        )
        if status != http.client.CREATED:
            self._stop()
            raise StartError(f"{self.name} made no key: status {status}")
        key: str = json.loads(body)["key"]  # noqa: TID251  # an answer of the gateway under test
        return key

    def ready(self) -> bool:
        """It says so itself."""
        return exchange(self.port, "GET", "/readyz", key=self._admin_key)[0] == http.client.OK


def exchange(
    port: int, method: str, path: str, *, key: str = "", body: bytes | None = None
) -> tuple[int, bytes]:
    """Make one plain exchange; returns status and body.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
