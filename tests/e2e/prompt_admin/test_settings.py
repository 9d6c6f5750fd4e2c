"""What the operator sets: that two people move a protected label; and a store that goes away."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.prompt_admin.office import Office, config_for, echo, fresh
from tests.running import RunningGateway
from tests.waiting import until


@pytest.fixture(scope="module")
def two(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Office, Office]]:
    """Two publishers of a gateway on which protected labels need both."""
    config = config_for(simulator.base_url, approvals=1)
    with RunningGateway(tmp_path_factory.mktemp("two"), config) as gateway:
        yield Office.of(gateway, "publisher"), Office.of(gateway, "publisher")


def test_a_protected_label_moves_when_somebody_else_agrees(two: tuple[Office, Office]) -> None:
    """202 and nothing served; the one who asked cannot agree; another can, and the history names both."""
    first, second = two
    name = fresh()
    first.passed(name, echo())
    path = f"/{name}/labels/production"
    asked = first.ask("PUT", path, {"version": 1, "reason": "better"})
    assert asked.status == 202
    assert asked.json()["pending"]["version"] == 1
    own = first.ask("POST", f"{path}/approve")
    assert own.status in {403, 409}
    assert first.label(name)["version"] == 0
    stale = second.ask("POST", f"{path}/approve", headers={"if-match": '"999"'})
    assert stale.status == 412
    agreed = second.ask("POST", f"{path}/approve", headers={"if-match": asked.headers["etag"]})
    assert (agreed.status, agreed.json()["version"]) == (200, 1)
    newest = second.events(name)[0]
    assert (newest["op"], newest["who"]) == ("label.approve", second.key_id)
    assert first.key_id in newest["detail"]


def test_other_labels_need_nobody_else(two: tuple[Office, Office]) -> None:
    """200 at once."""
    name = fresh()
    two[0].passed(name, echo())
    assert two[0].ask("PUT", f"/{name}/labels/try", {"version": 1}).status == 200


def test_rolling_back_needs_nobody_else(two: tuple[Office, Office]) -> None:
    """What was served before is served again at once."""
    first, second = two
    name = fresh()
    path = f"/{name}/labels/production"
    for note in ("one", "two"):
        number = first.passed(name, echo(note))
        first.done("PUT", path, {"version": number})
        second.done("POST", f"{path}/approve")
    assert first.done("POST", f"{path}/rollback")["version"] == 1


def test_while_the_store_is_away_nothing_is_changed_and_everything_is_served(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """Writes are 503 with a time to come back; what is known is read and served; then all goes on."""
    config = config_for(simulator.base_url)
    with EmbeddedValkey(tmp_path / "valkey") as server:
        config["state"] = {"url": server.url, "dir": str(tmp_path / "state"), "timeout_s": 0.5}
        with RunningGateway(tmp_path / "home", config) as gateway:
            office = Office(gateway, gateway.key)
            name = fresh()
            office.live(name, echo())
            call = f"/v1/prompts/{name}/completions"
            body = {"variables": {"text": "still here"}}
            until(lambda: gateway.request(call, body).status == 200, "the prompt to be served")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            try:
                assert "still here" in gateway.request(call, body).body.decode()
                for method, path, wish in (
                    ("POST", "", {"name": name, "content": echo("late")}),
                    ("PUT", f"/{name}/labels/production", {"version": 1}),
                    ("POST", f"/{name}/labels/production/rollback", None),
                    ("POST", f"/{name}/deprecate", None),
                ):
                    answer = office.ask(method, path, wish)
                    assert (answer.status, answer.json()["code"]) == (503, "store_unavailable")
                    assert "retry-after" in answer.headers
                assert office.done("GET", f"/{name}")["labels"]["production"]["version"] == 1
                assert office.done("GET", f"/{name}/versions/1")["content"]["model"] == "demo"
                assert [each["name"] for each in office.done("GET", "")["prompts"]] == [name]
                assert office.ask("GET", f"/{name}/history").status == 503
            finally:
                os.kill(server.pid, signal.SIGCONT)
            until(
                lambda: office.ask("POST", "", {"name": name, "content": echo("late")}).status in {200, 201},
                "the store to take changes again",
            )
