"""One gateway of two workers with limits in its settings, and a way into its store."""

from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from redis import Redis
from tests.e2e.keys.conftest import Office
from tests.running import RunningGateway
from tests.waiting import until

ENOUGH = 30
"""New connections of which, with two workers, some come to each."""
LIMITS = {
    "tenants": {
        "acme": {
            "requests_per_minute": 600,
            "budgets": {"month": 500, "day": 0.1},
            "teams": {"search": {"tokens_per_minute": 1000, "on_headroom": "clamp"}, "*": {"concurrent": 5}},
            "tags": {"product: a/b": {"concurrent": 2}},
        }
    }
}


class LimitsOffice(Office):
    """An admin of everything, with limits to set."""

    def store(self) -> Redis:
        """The gateway's store."""
        (socket,) = (self.gateway.home / "state").rglob("valkey.sock")
        return Redis.from_url(f"unix://{socket}")

    def open_books(self, tenant: str) -> None:
        """Begin what a tenant has spent."""
        with self.store() as store:
            store.set(f"llmgw:spend:{{{tenant}}}:epoch", "1")

    def lose_books(self, tenant: str) -> None:
        """Have the store forget that there are any."""
        with self.store() as store:
            store.delete(f"llmgw:spend:{{{tenant}}}:epoch")

    def everywhere(self, key: str, concurrent: int | None) -> None:
        """Wait until every worker holds a key to so many calls at once."""

        def seen() -> bool:
            told = [self.done("GET", "/v1/me/limits", key=key)["limits"] for _ in range(ENOUGH)]
            return {each[0]["concurrent"]["limit"] if each else None for each in told} == {concurrent}

        until(seen, f"both workers to allow {concurrent} calls at once")


def config_of(simulator: SimulatorProcess, limits: dict[str, Any]) -> dict[str, Any]:
    """Settings with these limits."""
    provider = {"kind": "simulator", "base_url": simulator.base_url}
    return {
        "providers": {"sim": provider},
        "aliases": {"fast": {"targets": ["sim/sim"]}},
        "server": {"workers": 2},
        "limits": limits,
    }


@pytest.fixture(scope="package")
def running(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    with RunningGateway(tmp_path_factory.mktemp("limits"), config_of(simulator, LIMITS)) as gateway:
        yield gateway


@pytest.fixture
def office(running: RunningGateway) -> LimitsOffice:
    """The admin."""
    return LimitsOffice(running)
