"""A worker killed at any step of a call: nothing that was acknowledged is lost, nothing is stored twice."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Final

import pytest
from llmgw.context.storage import scripts
from llmgw.state.scripts import Script
from tests.e2e.contexts.desk import Desk
from tests.e2e.contexts.tollgate import Side, Tollgate
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider, fresh
from tests.running import Answer, RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

STEPS: Final = (
    (scripts.BEGIN, "before"),
    (scripts.BEGIN, "after"),
    (scripts.COMMIT, "before"),
    (scripts.COMMIT, "after"),
    (scripts.REMEMBER, "before"),
    (scripts.REMEMBER, "after"),
)
"""What passes between a worker and the store in one call, in its order."""
STORED: Final = STEPS[3:]
"""The steps after which the answer is stored."""
ASKED: Final = STEPS[2:]
"""The steps after which the provider has answered."""


class House:
    """A gateway of one worker, its store behind a tollgate, and a provider that counts."""

    def __init__(self, gateway: RunningGateway, gate: Tollgate, provider: FakeProvider) -> None:
        self.gateway = gateway
        self.gate = gate
        self.provider = provider
        self.desk = Desk(gateway, gateway.key)

    def kill(self) -> None:
        """End the worker as the kernel would, and keep its supervisor from putting another in its place."""
        assert self.gateway.process is not None
        self.gateway.process.send_signal(signal.SIGSTOP)
        for pid in self.gateway.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def raise_again(self) -> None:
        """Start it all anew."""
        self.gateway.stop(signal.SIGKILL)
        self.gateway.start()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """All of it."""
    home = tmp_path_factory.mktemp("kill")
    store = Server(home / "store", "--appendonly", "yes")
    with running(store), Tollgate(store.port) as gate, FakeProvider(("openai",)) as provider:
        kind = {"kind": "openai_compatible", "api_key": "none-needed"}
        config = {
            "state": {"url": f"redis://127.0.0.1:{gate.port}", "dir": str(home / "state")},
            "providers": {"openai": {**kind, "base_url": base_url("openai", provider.ports["openai"])}},
            "contexts": {"lease_s": 1},
        }
        with RunningGateway(home / "gateway", config) as gateway:
            yield House(gateway, gate, provider)


def cut_off(ask: Callable[[], Answer]) -> threading.Thread:
    """Ask in a thread, and expect that the connection breaks."""

    def broken() -> None:
        with suppress(OSError, HTTPException):
            answer = ask()
            raise AssertionError(f"a dead worker answered {answer.status}: {answer.body!r}")

    thread = threading.Thread(target=broken)
    thread.start()
    return thread


def once_free(ask: Callable[[], Answer]) -> Answer:
    """Ask again as long as the dead call's lease lasts."""
    answers: list[Answer] = []

    def is_free() -> bool:
        answers.append(ask())
        if answers[-1].status == 409:
            assert answers[-1].json()["error"]["code"] in {"idempotency_in_flight", "context_locked"}
            assert int(answers[-1].headers["retry-after"]) >= 1
        return answers[-1].status != 409

    until(is_free, "the lease of the dead call to run out")
    return answers[-1]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("script", "side"), STEPS, ids=lambda each: getattr(each, "name", each))
def test_a_worker_dies_at_the_store(house: House, script: Script, side: Side, *, stream: bool) -> None:
    """Whatever the step, a call that comes again with its idempotency key is answered, and stored once."""
    desk, model = house.desk, fresh("good")
    context = desk.made()
    assert desk.say(context, "first", f"openai/{fresh('good')}").status == 200

    def ask() -> Answer:
        key = {"idempotency-key": f"key-of-{context}"}
        return desk.say(context, "second", f"openai/{model}", headers=key, stream=stream)

    house.gate.look_for(script, side, house.kill)
    cut_off(ask).join()
    house.raise_again()
    before = desk.texts(context)
    is_stored, was_asked = (script, side) in STORED, (script, side) in ASKED
    assert before == ["first", "Hello", "second", "Hello"][: 4 if is_stored else 2]
    answer = once_free(ask)
    assert answer.status == 200
    assert b"Hello" in answer.body
    assert desk.texts(context) == ["first", "Hello", "second", "Hello"]
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"]
    asked = 1 if is_stored or not was_asked else 2
    assert len(house.provider.requests(model)) == asked
    assert answer.headers.get("x-llmgw-replayed") == ("true" if is_stored else None)
    # The provider may have been paid twice: whoever pays is told.
    begun = (script, side) != STEPS[0]
    assert answer.headers.get("x-llmgw-retried") == ("true" if begun and not is_stored else None)
    assert ask().body == answer.body


def test_a_worker_dies_while_the_provider_speaks(house: House) -> None:
    """Half an answer is not stored; the next call goes on from what was there, and what was asked is kept aside."""
    desk = house.desk
    context = desk.made()
    assert desk.say(context, "first", f"openai/{fresh('good')}").status == 200
    model = fresh("g01_paused")
    asking = cut_off(lambda: desk.say(context, "second", f"openai/{model}", stream=True))
    house.provider.request(model)
    house.kill()
    asking.join()
    house.raise_again()
    assert desk.texts(context) == ["first", "Hello"]
    answer = once_free(lambda: desk.say(context, "third", f"openai/{fresh('good')}"))
    assert answer.status == 200
    assert desk.texts(context) == ["first", "Hello", "third", "Hello"]
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"]
    log: list[dict[str, Any]] = desk.ask("GET", f"/contexts/{context}/access-log").json()["entries"]
    assert [each["op"] for each in log].count("commit") == 2
