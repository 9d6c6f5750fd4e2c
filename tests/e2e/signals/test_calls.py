"""Calls through the gateway use up a budget: what is told of it, and to whom."""

from collections.abc import Iterator

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.running import RunningGateway
from tests.waiting import until
from tests.webhook_receiver import SECRET, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Gets all events."""
    with Receiver() as running:
        yield running


@pytest.fixture
def gateway(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Iterator[RunningGateway]:
    """Two workers; the tenant has half a cent, a token of an answer costs a hundredth of a cent."""
    config = {
        "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
        "prices": {"models": {"sim/*": {"input": 0, "output": 100}}},
        "limits": {"tenants": {"default": {"budgets": {"total": 0.005}}}},
        "signals": {"thresholds": [25, 75], "webhooks": [{"url": receiver.url, "secret": SECRET}]},
        "server": {"workers": 2},
    }
    with RunningGateway(tmp_path_factory.mktemp("spent"), config) as running:
        yield running


def test_a_budget_that_is_used_up_is_told_step_by_step(gateway: RunningGateway, receiver: Receiver) -> None:
    """Each threshold once, then the first refusal and no later one; in the list and at the webhook alike."""
    statuses = list[int]()
    while statuses[-3:] != [429] * 3:
        statuses.append(gateway.chat("sim/sim", max_tokens=5).status)
        assert set(statuses) <= {200, 429}
        assert len(statuses) < 100
    name = "budget:tenant:default:total:ever"
    wanted = [f"{name}:25", f"{name}:75", f"{name}:exceeded"]

    def listed() -> bool:
        found = gateway.request("/admin/v1/events").json()["events"]
        return [each["id"] for each in found] == wanted

    until(listed, "the events")
    until(lambda: len(receiver.got) >= len(wanted), "the deliveries")
    assert receiver.ids() == wanted
    exceeded = receiver.got[-1].body["data"]
    assert exceeded["numbers"]["amount_nano"] == 5 * 10**6
    assert exceeded["numbers"]["left_nano"] < exceeded["numbers"]["asked_nano"]
