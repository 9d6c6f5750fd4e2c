"""A gateway as its users run it: a process of its own, its configuration in a file, its log in another."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from tests.ports import free_port
from tests.waiting import ROOMY_S, until

ADMIN_KEY = "an-admin-key-for-tests-only"


class Answer:
    """Status, headers (lower-case names) and body of one plain HTTP exchange."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)  # an independent reader of what the gateway wrote


class RunningGateway(AbstractContextManager["RunningGateway"]):
    """`llmgw serve` on a free loopback port, ready when the block begins, stopped when it ends."""

    def __init__(
        self, home: Path, config: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"
        self.key = ADMIN_KEY
        self.config_path = home / "llmgw.yaml"
        self.log_path = home / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._environ = {"LLMGW_ADMIN_KEY": ADMIN_KEY, **(environ or {})}
        self.write_config(config)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the configuration file; the state directory is inside `home` unless the config says otherwise."""
        self.home.mkdir(parents=True, exist_ok=True)
        state = {"dir": str(self.home / "state"), "timeout_s": ROOMY_S}
        whole = {**config, "state": {**state, **config.get("state", {})}}
        self.config_path.write_text(yaml.safe_dump(whole), encoding="utf-8")

    def start(self, *arguments: str, ready: bool = True) -> None:
        """Start the process and return once it is ready, or at once where that is not to be waited for."""
        command = [sys.executable, "-m", "llmgw", "serve", "-c", str(self.config_path)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *arguments],
                env={**os.environ, **self._environ},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if not ready:
            return
        until(self._ready_or_dead, "the gateway to get ready", within_s=30)
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway stopped: {self.log()}")

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(timeout=60)

    def worker_pids(self) -> list[int]:
        """The worker processes."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if "valkey" not in Path(f"/proc/{pid}/comm").read_text()]

    def log(self) -> str:
        """Everything the processes have printed."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def request(
        self,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = ADMIN_KEY,
    ) -> Answer:
        """Make one plain HTTP exchange."""
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        whole = {"content-type": "application/json"} if data is not None else {}
        if key is not None:
            whole["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            self.root + path, data=data, headers={**whole, **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def chat(self, model: str, content: str = "say hello", **members: Any) -> Answer:
        """Ask one plain question."""
        body = {"model": model, "messages": [{"role": "user", "content": content}], **members}
        return self.request("/v1/chat/completions", body)

    @contextmanager
    def starting(self) -> Iterator[Self]:
        """Have it run for the length of a block that begins before it is ready."""
        try:
            self.start(ready=False)
            yield self
        finally:
            self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _ready_or_dead(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            return True
        try:
            return self.request("/readyz").status == 200
        except OSError:
            return False
