"""Connections that are kept, one to each worker process: what each of them serves is asked of it alone."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from tests.running import RunningGateway

TRIES = 200
"""Connections of which, with two workers, some come to each."""


class Line:
    """One kept connection, and so one worker."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._key = gateway.key
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        self.connection.connect()

    def worker(self, pids: list[int]) -> int:
        """The process that has taken the connection: the one with the other end among its files."""
        self.served("nothing/there")
        near, far = self.connection.sock.getsockname()[1], self.connection.sock.getpeername()[1]
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        ends = f":{far:04X}", f":{near:04X}"
        inode = next(row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1]))
        return next(pid for pid in pids if f"socket:[{inode}]" in _files(pid))

    def served(self, name: str) -> str | None:
        """The version of a prompt that the worker serves, as it is written; None for none."""
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        body = json.dumps({"variables": {"text": "x"}})
        self.connection.request("POST", f"/v1/prompts/{name}/render", body, headers)
        response = self.connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert response.status in {200, 404}, answer
        return response.getheader("x-llmgw-prompt")


@contextmanager
def one_to_each_worker(gateway: RunningGateway) -> Iterator[list[Line]]:
    """Connections to the two workers of a gateway."""
    pids = gateway.worker_pids()
    found: dict[int, Line] = {}
    with ExitStack() as stack:
        for _ in range(TRIES):
            line = Line(gateway)
            stack.enter_context(closing(line.connection))
            found.setdefault(line.worker(pids), line)
            if len(found) == len(pids) == 2:
                yield list(found.values())
                return
    raise AssertionError(f"connections came to {len(found)} of {len(pids)} workers")


def _files(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(each.readlink()))
        except FileNotFoundError:
            continue
    return found
