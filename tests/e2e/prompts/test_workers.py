"""Several workers and one registry: each follows what is published, and none needs the store to serve it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.identity import KEY
from tests.e2e.contexts.desk import MODELS, Desk, config_for
from tests.e2e.prompts.lines import one_to_each_worker
from tests.e2e.prompts.publisher import Publisher
from tests.published_prompts import content
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

ENOUGH = 40
"""Calls by which anything that goes wrong shows."""


class House:
    """Two workers, a publisher, and a store that can be killed."""

    def __init__(self, gateway: RunningGateway, store: Server) -> None:
        self.store = store
        self.desk = Desk(gateway, gateway.key)
        self.publisher = Publisher(gateway, f"redis://127.0.0.1:{store.port}")

    def served(self, name: str) -> tuple[int, str]:
        """Status and version of one call, on a connection of its own."""
        answer = self.desk.ask("POST", f"/prompts/{name}/completions", {"variables": {"text": "repeat"}})
        return answer.status, answer.headers.get("x-llmgw-prompt", "")

    def all_serve(self, name: str, number: int) -> None:
        """Wait until each worker serves a version."""
        wanted = f"{name}@{number}"
        with one_to_each_worker(self.desk.gateway) as lines:
            until(lambda: {line.served(name) for line in lines} == {wanted}, f"each worker to serve {wanted}")


@pytest.fixture
def house(strict_simulator: SimulatorProcess, tmp_path: Path) -> Iterator[House]:
    """Started for one test, for it loses its store."""
    store = Server(tmp_path / "store")
    config = config_for(strict_simulator.base_url)
    config["state"] = {"url": f"redis://127.0.0.1:{store.port}"}
    config["server"] = {"workers": 2}
    with running(store), RunningGateway(tmp_path / "gateway", config) as gateway:
        yield House(gateway, store)


def test_a_moved_label_is_followed_by_every_worker(house: House) -> None:
    """Forth and back: soon all calls on new connections get the version it leads to, and no other."""
    one = house.publisher.publish("moves", content(("user", "{{ text }} one"), model=MODELS[0]))
    two = house.publisher.publish("moves", content(("user", "{{ text }} two"), model=MODELS[0]))
    house.all_serve("moves", two)
    for number in (one, two, one):
        house.publisher.move("moves", "production", number)
        house.all_serve("moves", number)


def test_no_call_fails_when_the_store_is_killed_under_load(house: House) -> None:
    """Prompts go on to be served as they were last known; a change is refused until the store is back."""
    house.publisher.publish("stays", content(("user", "{{ text }}"), model=MODELS[0]))
    house.all_serve("stays", 1)
    answers: list[tuple[int, str]] = []
    done, killed = threading.Event(), threading.Event()

    def ask() -> None:
        after = 0
        while after < ENOUGH and not done.is_set():
            answers.append(house.served("stays"))
            after += killed.is_set()

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for each in callers:
        each.start()
    try:
        until(lambda: len(answers) > ENOUGH, "calls before the kill")
        house.store.kill()
        killed.set()
        for each in callers:
            each.join(timeout=60)
    finally:
        done.set()
    assert not [each for each in callers if each.is_alive()]
    assert set(answers) == {(200, "stays@1")}
    assert len(answers) > 5 * ENOUGH


def test_readiness_tells_how_the_registry_is(house: House) -> None:
    """One whose registry was emptied is ready and says so; one without its store is not; both serve on."""
    gateway = house.desk.gateway
    house.publisher.publish("kept", content(("user", "{{ text }}"), model=MODELS[0]))
    house.all_serve("kept", 1)

    def told(code: str) -> int:
        answer = gateway.request("/readyz", key=None)
        found = [each["code"] for each in answer.json()["prompts"]["problems"]]
        return answer.status if found == [code] else 0

    well = gateway.request("/readyz", key=None).json()["prompts"]
    assert (well["source"], well["problems"]) == ("memory", [])
    assert well["age_s"] is not None
    # All but what tells it from another store: one that lost that, too, is no registry alone.
    for key in house.store.ask("KEYS", "*"):
        if key != KEY.encode():
            house.store.ask("DEL", key)
    assert until(lambda: told("prompts_lost"), "the loss to be told") == 200
    assert house.served("kept") == (200, "kept@1")
    house.store.kill()
    assert until(lambda: told("prompts_unreachable"), "the absence to be told") == 503
    assert house.served("kept") == (200, "kept@1")
