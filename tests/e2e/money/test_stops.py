"""A gateway that is stopped or dies: what calls cost that were under way is charged all the same."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.till import Tenant, config_for, detail
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider, fresh
from tests.running import RunningGateway
from tests.waiting import until

EMPTY = 70
"""Bytes of a segment without records."""


@pytest.fixture
def own(
    simulator: SimulatorProcess,
    provider: FakeProvider,
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningGateway]:
    """A gateway that this test stops."""
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    config = {**config_for(simulator.base_url, fakes, valkey.url), "server": {"drain_s": 1}}
    with RunningGateway(tmp_path_factory.mktemp("stops"), config) as gateway:
        yield gateway


def written(gateway: RunningGateway) -> int:
    """Bytes in the segments of its journals."""
    return sum(each.stat().st_size for each in (gateway.home / "state" / "journal").glob("*.segment"))


@pytest.mark.parametrize("limited", [True, False])
def test_a_stop_charges_what_it_ends(
    own: RunningGateway, provider: FakeProvider, valkey: EmbeddedValkey, *, limited: bool
) -> None:
    """One stream ends in time, one is ended by the stop: both have a row when the process is gone."""
    tenant = Tenant(own, valkey.url)
    desk = tenant.key()
    if limited:
        tenant.budget(1, concurrent=5)
    in_time, endless = fresh("g01_paused"), fresh("c01_middle")

    def read(model: str) -> bytes:
        with desk.streaming(f"fake-openai/{model}") as answer, suppress(HTTPException):
            return answer.read()
        return b""

    with ThreadPoolExecutor(2) as pool:
        whole, broken = pool.submit(read, in_time), pool.submit(read, endless)
        heard = [provider.request(model) for model in (in_time, endless)]
        heard[0].go_on()
        assert b"[DONE]" in whole.result()
        assert own.stop(signal.SIGTERM) == 0
        assert b"[DONE]" not in broken.result()
    one, other = tenant.settled(2)
    assert {detail(row).attempts[0].error for row in (one, other)} == {"", "draining"}
    assert min(one.cost, other.cost) > 0
    assert all(each.held == 0 for each in tenant.books().accounts)


@pytest.mark.parametrize("lapse", ["charge_estimate", "release"])
def test_a_call_that_dies_with_its_worker_ends_as_the_policy_says(
    own: RunningGateway, provider: FakeProvider, valkey: EmbeddedValkey, lapse: str
) -> None:
    """Killed in the middle of a stream: whoever comes after charges the estimate, unverified, or gives it back."""
    tenant = Tenant(own, valkey.url)
    desk = tenant.key()
    tenant.budget(1, lapse=lapse)
    model = fresh("c01_middle")
    with desk.streaming(f"fake-openai/{model}") as answer:
        answer.readline()
        (held,) = [each.held for each in tenant.books().accounts]
        # What dies before that is on the medium lapses by the time of its hold instead.
        until(lambda: written(own) > EMPTY, "the call to be in the journal")
        for worker in own.worker_pids():
            os.kill(worker, signal.SIGKILL)
        with suppress(HTTPException, OSError):
            answer.read()
    books = tenant.closed()
    (account,) = books.accounts
    assert account.spent == (held if lapse == "charge_estimate" else 0)
    rows = tenant.rows()
    assert len(rows) == (lapse == "charge_estimate")
    assert all(detail(row).unverified for row in rows)
