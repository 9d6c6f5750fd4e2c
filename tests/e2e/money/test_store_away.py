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
from tests.e2e.money.till import KINDS, Tenant, config_for, detail, told_usd
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


@pytest.mark.parametrize("rule", ["allow", "refuse", "unlimited"])
def test_a_store_that_comes_and_goes_loses_no_answer(
    simulator: SimulatorProcess, provider: FakeProvider, tmp_path: Path, rule: str
) -> None:
    """Calls go on while it stops five times: each answered one has one row, in the end, at the cost it was told.

    Nothing stays on hold, whichever steps were heard of.
    """
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    with EmbeddedValkey(tmp_path / "store") as server:
        config: dict[str, Any] = config_for(simulator.base_url, fakes, server.url)
        config["state"] |= {"dir": str(tmp_path / "state"), "timeout_s": 0.2}
        with RunningGateway(tmp_path, config) as gateway, ThreadPoolExecutor(8) as pool:
            tenant = Tenant(gateway, server.url)
            desk = tenant.key()
            if rule != "unlimited":
                tenant.budget(100, degraded=rule, concurrent=1000, tokens_per_minute=10**9)
            assert desk.chat("openai/first").status == 200
            asking = []
            for number in range(5):
                before = [pool.submit(desk.chat, f"{kind}/away", f"say {number}") for kind in KINDS * 3]
                with frozen(server):
                    within = [pool.submit(desk.chat, f"{kind}/away", f"say {number}") for kind in KINDS * 3]
                    for each in (*before, *within):
                        each.result()
                asking += [*before, *within]
            answers = [each.result() for each in asking]
            assert {each.status for each in answers} <= {200, 503}
            good = [each for each in answers if each.status == 200]
            assert (len(good) == len(answers)) is (rule != "refuse")
            calls = {each.headers["x-llmgw-call-id"]: told_usd(each) for each in good}
            until(lambda: len(tenant.rows()) > len(good), "a row for each answer")
            posted: dict[str, int] = {}
            for row in tenant.rows():
                posted[row.operation] = posted.get(row.operation, 0) + row.cost
            assert len(posted) == len(tenant.rows()) == len(good) + 1
            assert {call: posted[call] for call in calls} == calls
            if rule != "unlimited":
                tenant.closed()
                assert tenant.spent == sum(posted.values())
