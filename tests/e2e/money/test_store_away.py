"""A store that stops answering under a call, and one that has lost the books of some."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from llmgw.policy.spending import keys
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from redis import Redis
from tests.e2e.money.till import Tenant, config_for, detail
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider, fresh
from tests.running import RunningGateway
from tests.waiting import until


@contextmanager
def frozen(server: EmbeddedValkey) -> Iterator[None]:
    """Have a store answer nobody."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("degraded", ["allow", "refuse"])
def test_the_next_attempt_goes_by_the_rule_for_a_store_that_is_away(
    simulator: SimulatorProcess, provider: FakeProvider, tmp_path: Path, degraded: str
) -> None:
    """Where calls may go on unseen so may their further attempts; each is charged once, when the store is back."""
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    model = f"c01_begun--{degraded}-{tmp_path.name}"
    with EmbeddedValkey(tmp_path / "store") as server:
        config: dict[str, Any] = config_for(simulator.base_url, fakes, server.url)
        config["state"] |= {"dir": str(tmp_path / "state"), "timeout_s": 0.3}
        config["aliases"]["away"] = {"targets": [f"hasty-openai/{model}", "openai/there"]}
        with RunningGateway(tmp_path, config) as gateway, ThreadPoolExecutor(1) as pool:
            tenant = Tenant(gateway, server.url)
            desk = tenant.key()
            tenant.budget(1, degraded=degraded)
            asking = pool.submit(desk.chat, "away", stream=True)
            until(lambda: provider.requests(model), "the first attempt to be under way")
            with frozen(server):
                answer = asking.result()
            assert answer.status == (200 if degraded == "allow" else 503), answer.body
            rows = tenant.settled(2 if degraded == "allow" else 1)
            assert [detail(row).attempts[0].error for row in rows][:1] == ["provider_timeout"]
            assert tenant.spent == sum(row.cost for row in rows) > 0


def test_books_that_are_lost_keep_nobody_elses_waiting(
    simulator: SimulatorProcess, provider: FakeProvider, tmp_path: Path
) -> None:
    """Two tenants' calls end while the store is away; when it is back, one has no books any more.

    What the other's call cost is charged, though it waits behind that; and that is, too, once the books are back.
    """
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    with EmbeddedValkey(tmp_path / "store") as server:
        config: dict[str, Any] = config_for(simulator.base_url, fakes, server.url)
        config["state"] |= {"dir": str(tmp_path / "state"), "timeout_s": 0.3}
        with RunningGateway(tmp_path, config) as gateway, Redis.from_url(server.url) as store:
            lost, whole = (Tenant(gateway, server.url) for _ in range(2))
            with ExitStack() as streams:
                open_ = []
                for tenant in (lost, whole):
                    tenant.budget(1)
                    model = fresh("g01_paused")
                    answer = streams.enter_context(tenant.key().streaming(f"fake-openai/{model}"))
                    answer.readline()
                    open_.append((answer, provider.request(model)))
                epoch = store.getdel(keys.of(lost.name, "epoch"))
                assert isinstance(epoch, bytes)
                with frozen(server):
                    for answer, heard in open_:
                        heard.go_on()
                        assert b"[DONE]" in answer.read()
            (row,) = whole.settled(1)
            assert whole.spent == row.cost > 0
            assert lost.rows() == []
            refused = lost.key().chat("openai/plain")
            assert (refused.status, refused.json()["error"]["code"]) == (503, "store_reset")
            store.set(keys.of(lost.name, "epoch"), epoch)
            (late,) = lost.settled(1)
            assert lost.spent == late.cost == row.cost
