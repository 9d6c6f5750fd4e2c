"""A gateway whose prompts are published from outside, in front of three vendors' protocols simulated strictly."""

from collections.abc import Iterator

import anthropic
import openai
import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.contexts.desk import Desk, config_for
from tests.e2e.prompts.publisher import Publisher
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider
from tests.running import RunningGateway


@pytest.fixture(scope="session")
def strict_simulator() -> Iterator[SimulatorProcess]:
    """Vendors that refuse what the real ones would."""
    with SimulatorProcess(strict=True) as running:
        yield running


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    """A provider that says what a script has."""
    with FakeProvider(("openai",)) as fake:
        yield fake


@pytest.fixture(scope="session")
def running(
    strict_simulator: SimulatorProcess,
    provider: FakeProvider,
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    """The gateway."""
    home = tmp_path_factory.mktemp("prompts")
    config = config_for(strict_simulator.base_url)
    config["state"] = {"url": valkey.url, "dir": str(home / "state")}
    config["providers"] |= {
        "fake": {
            "kind": "openai_compatible",
            "api_key": "none-needed",
            "base_url": base_url("openai", provider.ports["openai"]),
            "features": {"add": ["json_schema"]},
        },
        "narrow": {"kind": "simulator", "base_url": strict_simulator.base_url, "windows": {"small": 1200}},
    }
    with RunningGateway(home, config) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def publisher(running: RunningGateway, valkey: EmbeddedValkey) -> Publisher:
    """Who publishes prompts."""
    return Publisher(running, valkey.url)


@pytest.fixture
def desk(running: RunningGateway) -> Desk:
    """A caller of the tenant `default`."""
    return Desk(running, running.key)


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
