"""The demo's stage: real processes, started as a user would start them, in a directory that goes away."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from anthropic import Anthropic
from openai import OpenAI

from llmgw.cli.address import free_port
from llmgw.simulator.process import SimulatorProcess
from llmgw.state import leash

_READY_WITHIN_S = 30.0


class StageError(Exception):
    """A part did not start; the message says which and what it printed."""


class Stage:
    """Simulator, Valkey and gateway, running until the block ends.

    `url` is the gateway's base URL for OpenAI clients, `key` opens it; `client` and `anthropic` are the stock SDKs
    of both vendors on these.
    All of it ends with this process: however that dies on Linux, elsewhere unless it is killed with SIGKILL.
    """

    def __init__(self, home: Path, port: int) -> None:
        self._home = home
        self._simulator = SimulatorProcess()
        self._port = _usable(port)
        self._gateway: subprocess.Popen[bytes] | None = None
        self._running = ExitStack()
        self.key = f"demo-{secrets.token_urlsafe(24)}"
        self.url = f"http://127.0.0.1:{self._port}/v1"
        self.client = OpenAI(base_url=self.url, api_key=self.key, max_retries=0)
        self.anthropic = Anthropic(base_url=f"http://127.0.0.1:{self._port}", api_key=self.key, max_retries=0)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.enter_context(self._simulator)
            starting.callback(self._stop_gateway)
            self._start_gateway()
            starting.callback(self.client.close)
            starting.callback(self.anthropic.close)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, trace)

    @property
    def state_dir(self) -> Path:
        """Where the gateway's store is."""
        return self._home / "state"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Make one plain exchange at a path below `/v1`, or at one of `/admin`; returns the status and the JSON."""
        base = self.url.removesuffix("/v1") if path.startswith("/admin/") else self.url
        request = urllib.request.Request(  # noqa: S310  # our own address
            base + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except OSError:
            return False

    def _start_gateway(self) -> None:
        config = self._home / "llmgw.yaml"
        config.write_text(yaml.safe_dump(_config(self._simulator.base_url, self._home)), encoding="utf-8")
        log = self._home / "gateway.log"
        serve = [sys.executable, "-m", "llmgw", "serve", "--config", str(config), "--port", str(self._port)]
        with log.open("wb") as output:
            self._gateway = subprocess.Popen(  # noqa: S603  # our own command, no shell
                [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *serve],
                env={**os.environ, "LLMGW_ADMIN_KEY": self.key},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pause = threading.Event()
        for _ in range(int(_READY_WITHIN_S / 0.05)):
            if self._gateway.poll() is not None:
                break
            if self._is_ready():
                return
            pause.wait(0.05)
        raise StageError(
            f"the gateway did not get ready:\n{log.read_text(encoding='utf-8', errors='replace')}"
        )

    def _stop_gateway(self) -> None:
        gateway = self._gateway
        if gateway is None or gateway.poll() is not None:
            return
        gateway.send_signal(signal.SIGTERM)
        try:
            gateway.wait(timeout=40)
        except subprocess.TimeoutExpired:
            gateway.kill()
            gateway.wait()


def _config(simulator_url: str, home: Path) -> dict[str, object]:
    """Providers that are all the simulator: one can fail while another answers, and each speaks its protocol.

    It plays any model by name, so that the gateway treats each as it would the real one.
    """
    provider = {"kind": "simulator", "base_url": simulator_url}
    root = simulator_url.removesuffix("/v1")
    return {
        "state": {"dir": str(home / "state")},
        "providers": {
            "primary": provider,
            "backup": provider,
            "claude": {"kind": "anthropic", "base_url": root, "api_key": "none-needed"},
            "gemini": {"kind": "gemini", "base_url": f"{root}/v1beta", "api_key": "none-needed"},
        },
        "aliases": {
            "demo": {"targets": ["primary/sim"]},
            "claude": {"targets": ["claude/claude-sonnet-5"]},
            "gemini": {"targets": ["gemini/gemini-3-flash"]},
            "slow": {"targets": ["primary/sim-chunk-40ms"]},
            "resilient": {"targets": ["primary/sim-fail-503", "backup/sim"]},
        },
        # Nobody bills for the simulator; these are for the budget to have something to count.
        "prices": {"models": {"primary/*": {"input": 1, "output": 2}, "backup/*": {"input": 1, "output": 2}}},
    }


def _usable(port: int) -> int:
    """The wished port where it is free, else any free one."""
    try:
        return free_port("127.0.0.1", port)
    except OSError:
        return free_port("127.0.0.1")
