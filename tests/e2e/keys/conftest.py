"""One gateway of two workers for tests of keys, and what is another tenant's in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.running import RunningGateway


class Office:
    """An admin of all keys, and the keys it makes."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway

    def made(self, **members: Any) -> tuple[str, str]:
        """Make a key; returns its id and the key itself."""
        answer = self.gateway.request("/admin/v1/keys", {"name": "app", **members})
        assert answer.status == 201, answer.body
        return answer.json()["id"], answer.json()["key"]

    def done(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """Make an exchange that must succeed, and return what was answered."""
        answer = self.gateway.request(path, body, method=method, key=key or self.gateway.key)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json()


@pytest.fixture(scope="session")
def running(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    provider = {"kind": "simulator", "base_url": simulator.base_url}
    config = {
        "providers": {"sim": provider},
        "aliases": {name: {"targets": ["sim/sim"]} for name in ("fast", "fast-large", "slow")},
        "server": {"workers": 2},
        "prompts": {"min_cases": 1},
        # These tests ask again and again with keys that have ended.
        "auth": {"wrong_per_minute": 0},
    }
    with RunningGateway(tmp_path_factory.mktemp("keys"), config) as gateway:
        yield gateway


@pytest.fixture
def office(running: RunningGateway) -> Office:
    """The admin."""
    return Office(running)
