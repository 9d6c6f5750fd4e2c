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
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import yaml
from llmgw.types.call import DEFAULT_TENANT

from loadtests.conversations import Refused, Stage
from loadtests.generator import Shot, Source
from loadtests.requests import LABEL, PROMPT, TEMPLATE, stored, whole
from loadtests.scenarios import LIMITED, Scenario

_STOP_S = 15.0
_TICK_S = 0.02


class StartError(Exception):
    """Something that was to be measured did not start; the message says what it said last."""


class Subject:
    """A server process on its CPUs; `key` is what it wants as a bearer token, `headers` what it wants beside."""

    ready_s = 30.0
    """How long it may take to start."""
    headers: Mapping[str, str] = {}

    def __init__(
        self, name: str, cpus: Sequence[int], command: Sequence[str], log: Path, port: int = 0
    ) -> None:
        self.name = name
        self.port = port
        self.key = "none"
        self.log = log
        self.started_s = 0.0
        self._cpus = cpus
        self._command = command
        self._environ: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The root of its processes."""
        return self._process.pid

    def __enter__(self) -> Self:
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loadtests.launch", ",".join(map(str, self._cpus)), *self._command],
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
        self.started_s = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    async def source(self, scenario: Scenario, calls: int) -> Shot | Source:
        """Give the scenario's requests, enough of them for so many calls.

        Raises:
            StartError: something that was to be stored for them was not.
        """
        del calls
        return whole(scenario, scenario.model, self.key, self.headers)

    def forget_log(self) -> None:
        """Empty the log, so that a long run fills no disk."""
        os.truncate(self.log, 0)

    def ready(self) -> bool:
        """Whether requests would be answered; OSError says no as well."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + self.ready_s
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
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
        # Whatever it leaves behind is in the session that it was started in.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Static(Subject):
    """The static upstream."""

    def __init__(self, name: str, cpus: Sequence[int], home: Path) -> None:
        super().__init__(name, cpus, [sys.executable, "-m", "loadtests.upstream"], home / f"{name}.log")

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

    def __init__(self, cpus: Sequence[int], home: Path, upstream_port: int) -> None:
        port = free_port()
        command = [sys.executable, "-m", "loadtests.limit", str(port), str(upstream_port)]
        super().__init__("bare forwarder", cpus, command, home / "limit.log", port)


class Gateway(Subject):
    """`llmgw serve` with a configuration of its own, a worker on each CPU it is given, and callers' keys."""

    def __init__(self, name: str, cpus: Sequence[int], home: Path, config: Mapping[str, Any]) -> None:
        port = free_port()
        home.mkdir(mode=0o700)
        path = home / "llmgw.yaml"
        server = {"host": "127.0.0.1", "port": port, "workers": len(cpus)}
        state = {"url": "embedded", "dir": str(home / "state")}
        path.write_text(yaml.safe_dump({"server": server, "state": state, **config}), encoding="utf-8")
        command = [sys.executable, "-m", "llmgw", "serve", "-c", str(path)]
        super().__init__(name, cpus, command, home / "gateway.log", port)
        self._admin_key = secrets.token_hex(24)
        self._environ = {"LLMGW_ADMIN_KEY": self._admin_key}
        self._keys: dict[str, str] = {}
        self._published: set[str] = set()
        self._stages: dict[str, Stage] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        self.key = self._key(DEFAULT_TENANT)
        return self

    async def source(self, scenario: Scenario, calls: int) -> Shot | Source:
        """See `Subject.source`: a prompt is published once, and conversations are stored as they are needed."""
        tenant = LIMITED if scenario.limited else DEFAULT_TENANT
        key, model = self._key(tenant), scenario.alias or scenario.model
        if scenario.prompt and tenant not in self._published:
            self._publish(tenant)
        if not scenario.turns:
            if scenario.prompt:
                return stored(scenario, model, key)
            return whole(scenario, model, key)
        stage = self._stages.get(scenario.name)
        if stage is None:
            cold = scenario.gateway == "forgetful"
            shot = partial(stored, scenario, model, key)
            stage = self._stages[scenario.name] = Stage(self.port, key, scenario, shot, cold=cold)
        try:
            await stage.ready(calls)
        except (OSError, EOFError, Refused) as error:
            raise StartError(f"{self.name} stored no conversations: {error}") from error
        return stage.pool

    def mean_turns(self, scenario: Scenario) -> float:
        """How many turns there were before the scenario's calls, on average."""
        stage = self._stages.get(scenario.name)
        return stage.pool.mean_turns if stage is not None else 0.0

    def _key(self, tenant: str, role: str = "caller") -> str:
        """Give a key, made once."""
        name = f"{tenant} {role}"
        if name not in self._keys:
            body = {"name": name, "role": role, "tenant": tenant}
            self._keys[name] = self._done("POST", "/admin/v1/keys", body, self._admin_key)["key"]
        return self._keys[name]

    def _publish(self, tenant: str) -> None:
        """Have the tenant's callers find the prompt behind its label."""
        key = self._key(tenant, "publisher")
        content = {"messages": [{"role": "system", "text": TEMPLATE}]}
        made = self._done("POST", "/admin/v1/prompts", {"name": PROMPT, "content": content}, key)
        at = f"/admin/v1/prompts/{PROMPT}"
        self._done("POST", f"{at}/versions/{made['version']}/publish", {}, key)
        self._done(
            "PUT",
            f"{at}/labels/{LABEL}",
            {"version": made["version"], "break_glass": True, "reason": "measured"},
            key,
        )
        self._published.add(tenant)

    def _done(self, method: str, path: str, body: object, key: str) -> Any:
        """Make an exchange that must succeed."""
        status, answer = exchange(self.port, method, path, key=key, body=json.dumps(body).encode())
        if status >= http.client.MULTIPLE_CHOICES:
            self._stop()
            raise StartError(f"{self.name}: {method} {path} came to {status}: {answer[:300]!r}")
        return json.loads(answer)  # noqa: TID251  # an answer of the gateway under test

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
