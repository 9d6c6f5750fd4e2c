"""A gateway with keys of two tenants, in front of three vendors' protocols simulated strictly."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.collectors import Collector
from tests.e2e.contexts.desk import Desk, config_for
from tests.e2e.contexts.scene import Scene
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider
from tests.running import RunningGateway


@pytest.fixture(scope="session")
def strict_simulator() -> Iterator[SimulatorProcess]:
    """Vendors that refuse what the real ones would."""
    with SimulatorProcess(strict=True) as running:
        yield running


@pytest.fixture(scope="session")
def running(
    strict_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    home = tmp_path_factory.mktemp("contexts")
    with RunningGateway(home, config_for(strict_simulator.base_url)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def desks(running: RunningGateway) -> dict[str, Desk]:
    """Callers of the tenants `acme` and `other`."""
    return {tenant: Desk.of(running, tenant) for tenant in ("acme", "other")}


@pytest.fixture
def desk(desks: dict[str, Desk]) -> Desk:
    """A caller of the tenant `acme`."""
    return desks["acme"]


@pytest.fixture
def stranger(desks: dict[str, Desk]) -> Desk:
    """A caller of another tenant."""
    return desks["other"]


@pytest.fixture(scope="session")
def scene(strict_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway of one key whose providers can be told to wait, or to have small windows, and its collector."""
    config = config_for(strict_simulator.base_url)
    collector = Collector()
    config["telemetry"] = {"otlp_endpoint": collector.url, "sample": 0.0, "metrics_s": 0}
    with FakeProvider(("openai",)) as provider, closing(collector):
        config["providers"] |= {
            "fake": {
                "kind": "openai_compatible",
                "api_key": "none-needed",
                "base_url": base_url("openai", provider.ports["openai"]),
                "windows": {"good--small": 4000},
            },
            "narrow": {
                "kind": "simulator",
                "base_url": strict_simulator.base_url,
                "windows": {"sim": 300, "small": 4000},
            },
        }
        with RunningGateway(tmp_path_factory.mktemp("statuses"), config) as gateway:
            yield Scene(gateway, provider, collector)
