"""One gateway for the admin routes of prompts, and keys of two tenants."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.types.call import Role
from tests.e2e.prompt_admin.office import Office, config_for
from tests.running import RunningGateway

ROLES: tuple[Role, ...] = ("viewer", "caller", "publisher", "operator", "admin")


@pytest.fixture(scope="session")
def running(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    with RunningGateway(tmp_path_factory.mktemp("prompt-admin"), config_for(simulator.base_url)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def offices(running: RunningGateway) -> dict[str, Office]:
    """A key of each role, all of one tenant."""
    return {role: Office.of(running, role) for role in ROLES}


@pytest.fixture
def office(offices: dict[str, Office]) -> Office:
    """A publisher."""
    return offices["publisher"]


@pytest.fixture(scope="session")
def stranger(running: RunningGateway) -> Office:
    """An admin of another tenant."""
    return Office.of(running, "admin", "other")
