"""Prices that change while a call is under way."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.embedded import EmbeddedValkey
from tests.e2e.money.till import Tenant, config_for, detail, nano
from tests.faults.conftest import base_url
from tests.faults.provider import FakeProvider, fresh
from tests.running import RunningGateway
from tests.waiting import until


@pytest.fixture
def config(simulator: SimulatorProcess, provider: FakeProvider, valkey: EmbeddedValkey) -> dict[str, Any]:
    """The settings of this test's own gateway."""
    fakes = {name: base_url(name, port) for name, port in provider.ports.items()}
    return config_for(simulator.base_url, fakes, valkey.url)


@pytest.fixture
def own(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway whose settings this test changes."""
    with RunningGateway(tmp_path_factory.mktemp("prices"), config) as gateway:
        yield gateway


def test_a_call_is_charged_at_the_prices_it_was_admitted_at(
    own: RunningGateway, config: dict[str, Any], provider: FakeProvider, valkey: EmbeddedValkey
) -> None:
    """A6: the file doubles its prices in the middle of a stream, which is charged as held for; the next, double."""
    tenant = Tenant(own, valkey.url)
    desk = tenant.key()
    tenant.budget(1)
    model = fresh("g01_paused")
    with desk.streaming(f"fake-anthropic/{model}") as answer:
        answer.readline()
        for prices in config["prices"]["models"].values():
            prices["input"], prices["output"] = 6.0, 30.0
        own.write_config(config)
        assert own.process is not None
        own.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration 2 is at work" in own.log(), "the new prices to be at work")
        provider.request(model).go_on()
        answer.read()
    (before,) = tenant.settled(1)
    assert before.cost == nano(7, 3)
    assert desk.chat(f"fake-anthropic/{fresh('good')}").status == 200
    _, after = tenant.settled(2)
    assert after.cost == 2 * nano(7, 3)
    versions = [detail(row).attempts[0].prices for row in (before, after)]
    assert len(set(versions)) == 2
