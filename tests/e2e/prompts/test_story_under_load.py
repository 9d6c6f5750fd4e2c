"""The publisher's story while callers call: rollouts, promotions and rollbacks that no call notices."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.prompt_admin.office import Office, config_for, echo
from tests.running import RunningGateway
from tests.waiting import until

NAME = "busy/sentiment"
ROUNDS = 6
SAID = {"id": NAME, "variables": {"text": "hello"}}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "api": ("/v1/apis/busy", {"text": "hello"}),
    "completions": (f"/v1/prompts/{NAME}/completions", {"variables": {"text": "hello"}}),
    "chat": ("/v1/chat/completions", {"prompt": SAID}),
    "stream": ("/v1/chat/completions", {"prompt": SAID, "stream": True}),
    "context": ("/v1/chat/completions", {"prompt": SAID}),
    "messages": ("/v1/messages", {"prompt": SAID, "stream": True}),
}


class Caller:
    """Calls one way, again and again, on a new connection now and then, and so at each of the workers."""

    def __init__(self, gateway: RunningGateway, kind: str) -> None:
        self.served: list[str] = []
        self.failures: list[str] = []
        self._gateway = gateway
        self._kind = kind
        self._stop = threading.Event()
        self._context: str | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Have no more calls made."""
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            connection = HTTPConnection("127.0.0.1", self._gateway.port, timeout=30)
            self._context = None
            try:
                for _ in range(10):
                    self._call(connection)
            except OSError as error:
                self.failures.append(repr(error))
                return
            finally:
                connection.close()

    def _call(self, connection: HTTPConnection) -> None:
        path, body = KINDS[self._kind]
        headers = {"authorization": f"Bearer {self._gateway.key}", "content-type": "application/json"}
        if self._kind == "context":
            known = (
                {"x-llmgw-context": self._context} if self._context else {"x-llmgw-context-create": "true"}
            )
            headers |= known
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        self._context = response.getheader("x-llmgw-context")
        ended = not body.get("stream") or b"[DONE]" in answer or b"message_stop" in answer
        if response.status != 200 or not ended:
            self.failures.append(f"{self._kind}: {response.status} {answer[-300:]!r}")
        self.served.append(response.getheader("x-llmgw-prompt", ""))


@pytest.fixture
def gateway(simulator: SimulatorProcess, tmp_path: Path) -> Iterator[RunningGateway]:
    """Two workers."""
    config = {**config_for(simulator.base_url), "server": {"workers": 2}}
    with RunningGateway(tmp_path, config) as running:
        yield running


def test_no_call_notices_what_the_publisher_does(gateway: RunningGateway) -> None:
    """All calls succeed, each with a version that was published and behind the label; drafts are nobody's."""
    office = Office(gateway, gateway.key)
    first = office.live(NAME, echo("1", api={"slug": "busy"}))
    until(lambda: gateway.request("/v1/apis/busy", {"text": "x"}).status == 200, "the API to be served")
    callers = [Caller(gateway, kind) for kind in KINDS]
    led = {f"{NAME}@{first}"}
    try:
        for number in range(2, ROUNDS + 2):
            office.pushed(NAME, echo(f"a draft {number}", api={"slug": "busy"}))
            version = office.passed(NAME, echo(f"{number}", api={"slug": "busy"}))
            led.add(f"{NAME}@{version}")
            at = f"/{NAME}/labels/production"
            office.done("POST", f"{at}/rollout", {"candidate": version, "steps": [3000, 6000]})
            _each_was_served(callers)
            office.done("POST", f"{at}/rollout/step")
            _each_was_served(callers)
            office.done("POST", f"{at}/rollout/{'abort' if number % 3 == 0 else 'promote'}")
            _each_was_served(callers)
            if number % 3 == 1:
                office.done("POST", f"{at}/rollback")
    finally:
        for each in callers:
            each.stop()
    assert [failure for each in callers for failure in each.failures] == []
    served = {name for each in callers for name in each.served}
    assert served <= led
    assert len(served) > ROUNDS // 2
    assert office.events(NAME)


def _each_was_served(callers: list[Caller]) -> None:
    counts = [len(each.served) for each in callers]
    until(
        lambda: all(
            each.failures or len(each.served) > count + 3 for each, count in zip(callers, counts, strict=True)
        ),
        "more calls of each kind",
    )
