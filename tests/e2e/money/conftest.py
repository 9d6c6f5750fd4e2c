"""A gateway with prices over a real store, in front of three protocols; each test is a tenant of its own."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.till import Tenant, config_for
from tests.e2e.money.wiretap import Wiretap
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider
from tests.running import RunningGateway


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    """A provider that says what a script has."""
    with FakeProvider(("openai", "anthropic", "gemini")) as fake:
        yield fake


@pytest.fixture(scope="session")
def running(
    simulator: SimulatorProcess,
    provider: FakeProvider,
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    """The gateway."""
    home = tmp_path_factory.mktemp("money")
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    config = config_for(simulator.base_url, fakes, valkey.url)
    config["state"]["dir"] = str(home / "state")
    with RunningGateway(home, config) as gateway:
        yield gateway


@pytest.fixture
def tenant(running: RunningGateway, valkey: EmbeddedValkey) -> Tenant:
    """A tenant that nothing was ever done for."""
    return Tenant(running, valkey.url)


@pytest.fixture(scope="session")
def wiretap(simulator: SimulatorProcess) -> Wiretap:
    """What providers received."""
    return Wiretap(simulator.base_url)
