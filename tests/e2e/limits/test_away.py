"""Limits while the store is away: what is asked of memory goes on, what is asked of the store is 503."""

import os
import signal
from pathlib import Path

from llmgw.simulator.process import SimulatorProcess
from tests.e2e.limits.conftest import LimitsOffice, config_of
from tests.running import RunningGateway
from tests.valkey_servers import Server, running
from tests.waiting import until

PATH = "/v1/me/limits"


def test_who_is_not_limited_asks_nothing_of_a_store_that_is_away(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """A key without limits is answered; one with some, and changes, are 503; so is a worker that never knew."""
    store = Server(tmp_path / "store")
    limits = {"tenants": {"acme": {"concurrent": 5}}}
    config = config_of(simulator, limits)
    config["server"] = {"workers": 1}
    config["state"] = {"url": f"redis://127.0.0.1:{store.port}/0"}
    with running(store), RunningGateway(tmp_path / "home", config) as gateway:
        office = LimitsOffice(gateway)
        _, key = office.made(tenant="acme")
        store.ask("SET", "llmgw:spend:{acme}:epoch", "1")
        assert office.done("GET", PATH, key=key)["limits"][0]["concurrent"]["left"] == 5
        store.kill()
        assert office.done("GET", PATH)["limits"] == []
        for method, path, body, who in (
            ("GET", PATH, None, key),
            ("GET", "/admin/v1/limits", None, gateway.key),
            ("GET", "/admin/v1/limits/acme/team/x", None, gateway.key),
            ("PUT", "/admin/v1/limits/acme/team/x", {"concurrent": 1}, gateway.key),
            ("DELETE", "/admin/v1/limits/acme/team/x", None, gateway.key),
            ("GET", "/admin/v1/limits-audit", None, gateway.key),
        ):
            refused = gateway.request(path, body, method=method, key=who)
            assert (refused.status, refused.json()["code"]) == (503, "store_unavailable"), path
            assert "retry-after" in refused.headers
        (worker,) = gateway.worker_pids()
        os.kill(worker, signal.SIGKILL)

        def unsure() -> bool:
            answer = gateway.request(PATH)
            return answer.status == 503 and b"not known yet" in answer.body

        until(unsure, "a new worker that never could read what is stored")
