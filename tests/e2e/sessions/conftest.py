"""A gateway whose store can be looked into, in front of three vendors' protocols simulated strictly."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from redis import Redis
from tests.e2e.contexts.desk import config_for
from tests.running import RunningGateway


@pytest.fixture(scope="session")
def strict_simulator() -> Iterator[SimulatorProcess]:
    """Vendors that refuse what the real ones would."""
    with SimulatorProcess(strict=True) as running:
        yield running


@pytest.fixture(scope="session")
def running(
    strict_simulator: SimulatorProcess, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    home = tmp_path_factory.mktemp("sessions")
    config = config_for(strict_simulator.base_url)
    config["state"] = {"url": valkey.url, "dir": str(home / "state")}
    with RunningGateway(home, config) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def store(valkey: EmbeddedValkey) -> Iterator[Redis]:
    """The gateway's store."""
    with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def chat(running: RunningGateway) -> Iterator[openai.OpenAI]:
    """The stock OpenAI client."""
    with openai.OpenAI(base_url=running.url, api_key=running.key, max_retries=0) as made:
        yield made


@pytest.fixture
def claude(running: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """The stock Anthropic client."""
    with anthropic.Anthropic(base_url=running.root, api_key=running.key, max_retries=0) as made:
        yield made
