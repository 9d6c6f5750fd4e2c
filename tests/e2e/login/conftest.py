"""A gateway that takes tokens of local issuers, beside keys, for the tenants `acme` and `other`."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.types.call import Role
from tests.local_issuer import LocalIssuer
from tests.running import RunningGateway

ROLES: Final[tuple[Role, ...]] = ("viewer", "caller", "publisher", "operator", "admin")


@pytest.fixture(scope="session")
def issuer() -> Iterator[LocalIssuer]:
    """An issuer whose callers are administrators of all tenants."""
    with LocalIssuer("RS256") as local:
        yield local


@pytest.fixture(scope="session")
def calling() -> Iterator[LocalIssuer]:
    """An issuer whose tokens name their tenant and may call."""
    with LocalIssuer("ES256") as local:
        yield local


def config_for(simulator: SimulatorProcess, *issuers: dict[str, Any], **auth: Any) -> dict[str, Any]:
    """One simulated provider, and whose tokens are taken."""
    return {
        "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
        "aliases": {"demo": {"targets": ["sim/sim"]}},
        "prompts": {"min_cases": 1},
        "auth": {"issuers": list(issuers), **auth},
    }


@pytest.fixture(scope="session")
def running(
    simulator: SimulatorProcess,
    issuer: LocalIssuer,
    calling: LocalIssuer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    """The gateway, of two workers."""
    roles = {"claim": "/access/roles", "map": {role: role for role in ROLES}}
    config = config_for(
        simulator,
        issuer.settings(),
        calling.settings(name="calling", calls=True, roles=roles, tenant={"claim": "org"}),
    )
    config = {**config, "server": {"workers": 2}, "telemetry": {"capture_by_tenant": {"acme": "full"}}}
    with RunningGateway(tmp_path_factory.mktemp("login"), config) as gateway:
        yield gateway
