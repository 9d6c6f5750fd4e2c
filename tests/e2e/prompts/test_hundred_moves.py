"""The bound on how long a moved label takes: each worker process serves it within a second, a hundred times."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.prompt_admin.office import Office, config_for, echo
from tests.running import RunningGateway

MOVES = 100
BOUND_S = 1.0
"""What the gateway promises; workers are told at once, and look for themselves only every five seconds."""
NAME = "moves/often"


class Line:
    """One kept connection, and so one worker."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._key = gateway.key
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        self.connection.connect()

    def worker(self, pids: list[int]) -> int:
        """The process that has taken the connection: the one with the other end among its files."""
        assert self.served() is not None
        near, far = self.connection.sock.getsockname()[1], self.connection.sock.getpeername()[1]
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        ends = f":{far:04X}", f":{near:04X}"
        inode = next(row[9] for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1]))
        return next(pid for pid in pids if f"socket:[{inode}]" in _files(pid))

    def served(self) -> str | None:
        """The version that the worker serves."""
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        body = json.dumps({"variables": {"text": "x"}})
        self.connection.request("POST", f"/v1/prompts/{NAME}/render", body, headers)
        response = self.connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, answer
        return response.getheader("x-llmgw-prompt")


@pytest.fixture
def gateway(simulator: SimulatorProcess, tmp_path: Path) -> Iterator[RunningGateway]:
    """Two workers."""
    config = {**config_for(simulator.base_url), "server": {"workers": 2}}
    with RunningGateway(tmp_path, config) as running:
        yield running


def test_each_worker_process_serves_each_of_a_hundred_moves_within_a_second(gateway: RunningGateway) -> None:
    """One connection to each worker: after the answer to a move, both serve it within the bound, each time."""
    office = Office(gateway, gateway.key)
    for number in (1, 2):
        assert office.published(NAME, echo(f"content {number}")) == number
    _move(office, 1)
    with ExitStack() as stack:
        lines = _one_for_each_worker(gateway, stack)
        worst = 0.0
        for move in range(MOVES):
            version = move % 2 + 1
            _move(office, version)
            began = time.monotonic()
            for line in lines:
                while line.served() != f"{NAME}@{version}":
                    assert time.monotonic() - began < BOUND_S, f"move {move} is not served by every worker"
            worst = max(worst, time.monotonic() - began)
    assert worst < BOUND_S


def _move(office: Office, version: int) -> None:
    office.done(
        "PUT",
        f"/{NAME}/labels/production",
        {"version": version, "break_glass": True, "reason": "to and fro"},
    )


def _one_for_each_worker(gateway: RunningGateway, stack: ExitStack) -> list[Line]:
    pids = gateway.worker_pids()
    found: dict[int, Line] = {}
    for _ in range(200):
        line = Line(gateway)
        stack.enter_context(closing(line.connection))
        found.setdefault(line.worker(pids), line)
        if len(found) == len(pids) == 2:
            return list(found.values())
    raise AssertionError(f"connections came to {len(found)} of {len(pids)} workers")


def _files(pid: int) -> set[str]:
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(each.readlink()))
        except FileNotFoundError:
            continue
    return found
