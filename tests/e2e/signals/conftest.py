"""A gateway of two workers with a webhook, and calls that are charged in its store."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from llmgw.policy.signals.events import EventLog
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Charge, Reservation
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.connection import State
from tests.running import RunningGateway
from tests.waiting import ROOMY_S
from tests.webhook_receiver import SECRET, Receiver


class House:
    """The gateway, its receiver, and what is charged beside it."""

    def __init__(self, gateway: RunningGateway, receiver: Receiver, store_url: str) -> None:
        self.gateway = gateway
        self.receiver = receiver
        self._store_url = store_url

    def spend(self, name: str, *nano: int, tenant: str = "default") -> str:
        """Charge calls to a budget of 1000 nano-USD of that name; returns how the ids of its events begin."""
        budget = Budget(scope="team", name=name, window="total", amount_nano=1000)

        async def charge() -> None:
            async with aclosing(State(self._store_url, timeout_s=ROOMY_S)) as state:
                spending = Spending(state)
                await spending.open_books(tenant)
                for number, cost in enumerate(nano):
                    asked = Reservation(
                        operation=f"{name}-{number}-{time.monotonic_ns()}",
                        tenant=tenant,
                        at_ms=time.time_ns() // 1_000_000,
                        budgets=(budget,),
                    )
                    await spending.settle(asked, Charge(cost_nano=cost))
                # As a worker does for a call of its own.
                await EventLog(state).ring(tenant)

        asyncio.run(charge())
        return f"budget:team:{name}:total:ever"

    def forget_leases(self) -> int:
        """End what a worker that died has leased, which else takes half a minute."""

        async def forget() -> int:
            async with aclosing(State(self._store_url, timeout_s=ROOMY_S)) as state:
                found = await state.command("KEYS", "llmgw:{signals}:lease:webhook:*")
                return sum([await state.delete(key.decode()) for key in found])

        return asyncio.run(forget())

    def events(self, query: str = "", key: str | None = None) -> Any:
        """What the list says."""
        answer = self.gateway.request(f"/admin/v1/events{query}", key=key or self.gateway.key)
        assert answer.status == 200, answer.body
        return answer.json()


@pytest.fixture(scope="module")
def house(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The gateway."""
    home = tmp_path_factory.mktemp("signals")
    with Receiver(500) as receiver:
        config = {
            "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
            "server": {"workers": 2, "ping_s": 0.5},
            "signals": {"webhooks": [{"url": receiver.url, "secret": SECRET}]},
        }
        with RunningGateway(home, config) as gateway:
            socket = next((home / "state").rglob("valkey.sock"))
            yield House(gateway, receiver, f"unix://{socket}")
