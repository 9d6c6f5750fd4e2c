"""A running simulator, and an official client for it."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.thread import SimulatorThread
from openai import OpenAI


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """A simulator of this test's own."""
    with SimulatorThread() as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorThread) -> Iterator[OpenAI]:
    """The official SDK, which does not try again on its own."""
    with OpenAI(base_url=simulator.base_url, api_key="sk-simulated-1234", max_retries=0) as sdk:
        yield sdk
