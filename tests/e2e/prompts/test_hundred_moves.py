"""The bound on how long a moved label takes: each worker process serves it within a second, a hundred times."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.prompt_admin.office import Office, config_for, echo
from tests.e2e.prompts.lines import Line, one_to_each_worker
from tests.running import RunningGateway
from tests.waiting import until

MOVES = 100
BOUND_S = 1.0
"""What the gateway promises; workers are told at once, and look for themselves only every five seconds."""
LATE = 3
"""Moves of the hundred that a machine which stands still for a second may make late."""
NAME = "moves/often"


@pytest.fixture
def gateway(simulator: SimulatorProcess, tmp_path: Path) -> Iterator[RunningGateway]:
    """Two workers."""
    config = {**config_for(simulator.base_url), "server": {"workers": 2}}
    with RunningGateway(tmp_path, config) as running:
        yield running


def test_each_worker_process_serves_each_of_a_hundred_moves_within_a_second(gateway: RunningGateway) -> None:
    """One connection to each worker: after the answer to a move, both serve it within the bound."""
    office = Office(gateway, gateway.key)
    for number in (1, 2):
        assert office.published(NAME, echo(f"content {number}")) == number
    _move(office, 1)
    late = 0
    with one_to_each_worker(gateway) as lines:
        for move in range(MOVES):
            served = f"{NAME}@{move % 2 + 1}"
            _move(office, move % 2 + 1)
            began = time.monotonic()
            for line in lines:
                _until_served(line, served)
            late += time.monotonic() - began > BOUND_S
    assert late <= LATE


def _until_served(line: Line, version: str) -> None:
    until(lambda: line.served(NAME) == version, f"{version} by each worker")


def _move(office: Office, version: int) -> None:
    office.done(
        "PUT",
        f"/{NAME}/labels/production",
        {"version": version, "break_glass": True, "reason": "to and fro"},
    )
