"""The store is away, slow, or not asked at all: calls are answered all the same."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.contexts.desk import config_for
from tests.e2e.sessions.test_sdks import preservation
from tests.running import RunningGateway

BODY: dict[str, Any] = {"model": "sim/sim", "messages": [{"role": "user", "content": "say hello"}]}


def ask(gateway: RunningGateway, **members: Any) -> Any:
    """Make one call of a session."""
    headers = {"x-llmgw-context-verify": "a-session", "content-type": "application/json"}
    return gateway.request("/v1/chat/completions", {**BODY, **members}, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_frozen_store_leaves_calls_as_they_are(
    strict_simulator: SimulatorProcess, tmp_path: Path, stream: bool
) -> None:
    """200 with the whole answer, `unverified`; and once it is back histories are compared again."""
    config = config_for(strict_simulator.base_url)
    with EmbeddedValkey(tmp_path / "valkey") as server:
        config["state"] = {"url": server.url, "dir": str(tmp_path / "state")}
        with RunningGateway(tmp_path, config) as gateway:
            assert preservation(ask(gateway).headers)["verdict"] == "preserved"
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            try:
                for _ in range(3):
                    answer = ask(gateway, stream=stream)
                    assert answer.status == 200
                    assert b"hello" in answer.body.lower()
                    told = preservation(answer.headers)
                    assert (told["verdict"], told["mode"]) == ("unverified", "verify")
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert preservation(ask(gateway).headers)["mode"] == "verify"


def test_it_can_be_switched_off(strict_simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Nothing is compared, nothing is written down, and no header speaks of it."""
    config = config_for(strict_simulator.base_url) | {"contexts": {"verify": {"enabled": False}}}
    with RunningGateway(tmp_path, config) as gateway:
        answer = ask(gateway)
        assert answer.status == 200
        assert "x-llmgw-preservation" not in answer.headers
        assert gateway.request("/v1/sessions/a-session").status == 404
