"""Steps of a call whose answer from the store never comes: whether it was taken or not, nothing stays taken."""

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.policy.spending import scripts
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.contexts.tollgate import Side, Tollgate
from tests.e2e.money.test_attempts import SAY, nothing_left
from tests.e2e.money.till import Keyholder, Tenant, config_for, told_usd
from tests.e2e.money.wiretap import Wiretap
from tests.faults.provider import fresh
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until


class House:
    """A gateway that reaches its store through a gate."""

    def __init__(self, gateway: RunningGateway, gate: Tollgate, url: str) -> None:
        self.gateway = gateway
        self.gate = gate
        self.url = url


class Scene:
    """A tenant of that gateway, whose first call is over: the store knows the scripts by their digests."""

    def __init__(self, house: House) -> None:
        self.gate = house.gate
        self.tenant = Tenant(house.gateway, house.url)
        self.desk: Keyholder = self.tenant.key()
        self.tenant.budget(1, concurrent=5, tokens_per_minute=100_000)
        assert self.desk.chat("openai/first").status == 200
        self.tenant.settled(1)

    def given_back(self) -> None:
        """All that the lost step may have taken is there again."""
        until(self._answers, "the store to be asked again")
        nothing_left(self.desk)
        self.tenant.closed()

    def _answers(self) -> bool:
        return self.desk.ask("GET", "/me/limits").status == 200


@pytest.fixture(scope="module")
def house(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """All of it."""
    home = tmp_path_factory.mktemp("lost")
    store = Server(home / "store")
    with running(store), Tollgate(store.port) as gate:
        config: dict[str, Any] = config_for(simulator.base_url, {}, f"redis://127.0.0.1:{gate.port}/0")
        config["aliases"] = {}
        config["state"] |= {"dir": str(home / "state"), "timeout_s": 1.0}
        with RunningGateway(home / "gateway", config) as gateway:
            yield House(gateway, gate, f"redis://127.0.0.1:{store.port}/0")


@pytest.fixture
def scene(house: House) -> Scene:
    """A tenant of this test's own."""
    return Scene(house)


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_caller_who_leaves_while_it_is_admitted_takes_nothing(
    scene: Scene, wiretap: Wiretap, side: Side
) -> None:
    """Whether the store had heard of it or not; nobody is asked."""
    model = fresh("lost")
    seen = threading.Event()
    scene.gate.look_for(scripts.ADMIT, side, seen.set)
    leaving = http.client.HTTPConnection("127.0.0.1", scene.desk.gateway.port, timeout=30)
    headers = {"authorization": f"Bearer {scene.desk.key}", "content-type": "application/json"}
    body = json.dumps({"model": f"openai/{model}", "messages": SAY})
    leaving.request("POST", "/v1/chat/completions", body, headers)
    assert seen.wait(20)
    leaving.close()
    scene.given_back()
    assert len(scene.tenant.rows()) == 1
    assert wiretap.bodies(model) == []


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_admission_that_is_not_heard_of_takes_nothing(scene: Scene, wiretap: Wiretap, side: Side) -> None:
    """503 within the time that the store may take, nobody asked, and nothing left on hold."""
    model = fresh("lost")
    scene.gate.look_for(scripts.ADMIT, side, lambda: None)
    answer = scene.desk.chat(f"openai/{model}")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "store_unavailable")
    scene.given_back()
    assert len(scene.tenant.rows()) == 1
    assert wiretap.bodies(model) == []


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_settlement_that_is_not_heard_of_is_made_once(scene: Scene, side: Side) -> None:
    """A9: the caller has its answer, and the ledger one row of it, whether the first settle arrived or not."""
    before = scene.tenant.spent
    scene.gate.look_for(scripts.SETTLE, side, lambda: None)
    answer = scene.desk.chat(f"openai/{fresh('lost')}")
    assert answer.status == 200
    _, row = scene.tenant.settled(2)
    scene.given_back()
    assert len(scene.tenant.rows()) == 2
    assert row.cost == told_usd(answer) == scene.tenant.spent - before
