"""A gateway with keys of two tenants, in front of three vendors' protocols simulated strictly."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.contexts.desk import Desk, config_for
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
