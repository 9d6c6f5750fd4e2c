"""One gateway of two workers for tests of its books, and rows that stand in them without any call.

The tenants are made up for one test each: what other calls are charged does not reach their books.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result
from llmgw.accounting.detail import LedgerAttempt, LedgerDetail, LedgerUsage
from llmgw.cli import main
from llmgw.policy.spending.spending import Spending
from llmgw.policy.spending.values import Budget, Charge, Dimension, Reservation
from llmgw.simulator.process import SimulatorProcess
from llmgw.state.connection import State
from llmgw.state.embedded import attach_or_start
from llmgw.types.clock import SystemClock
from llmgw.types.json import encode
from tests.running import RunningGateway
from tests.waiting import ROOMY_S

T = TypeVar("T")
_numbers = itertools.count(1)


class Office:
    """A tenant with books, whoever looks at them, and the store behind the gateway's back."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.tenant = f"books{next(_numbers)}"
        self.now_ms = SystemClock().unix_ns() // 1_000_000
        self.behind(lambda state: Spending(state).open_books(self.tenant))

    def behind(self, act: Callable[[State], Awaitable[T]]) -> T:
        """Do something in the store itself."""

        async def done(url: str) -> T:
            async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
                return await act(state)

        with attach_or_start(self.gateway.home / "state") as url:
            return asyncio.run(done(url))

    def claim(
        self, operation: str, used_by: tuple[tuple[Dimension, str], ...] = (), at_ms: int = 0
    ) -> Reservation:
        """A call of the tenant under one budget."""
        return Reservation(
            operation=operation,
            tenant=self.tenant,
            at_ms=at_ms or self.now_ms,
            estimate_nano=10**9,
            budgets=(Budget(scope="tenant", name=self.tenant, window="total", amount_nano=10**15),),
            used_by=(("tenant", self.tenant), *used_by),
        )

    def charge(
        self, operation: str, nano: int, *used_by: tuple[Dimension, str], at_ms: int = 0, **told: Any
    ) -> None:
        """Post a row: a call of 100 tokens in and 20 out, answered by `gpt-5` unless another is told."""
        attempt = {
            "target": "openai/gpt-5",
            "provider": self.tenant,
            "model": "gpt-5",
            "at": (at_ms or self.now_ms) // 1000,
            "nano": nano,
            "prices": "genai-prices@1",
            "usage": LedgerUsage(input=100, output=20),
            **told,
        }
        detail = LedgerDetail(
            v=1, call=operation, target=attempt["target"], model="gpt-5", attempts=(LedgerAttempt(**attempt),)
        )
        charge = Charge(cost_nano=nano, input_tokens=100, output_tokens=20, detail=encode(detail))
        self.behind(lambda state: Spending(state).settle(self.claim(operation, used_by, at_ms), charge))

    def key(self, role: str = "viewer", **members: Any) -> str:
        """A key of the tenant."""
        body = {"name": "k", "role": role, "tenant": self.tenant, **members}
        answer = self.gateway.request("/admin/v1/keys", body)
        assert answer.status == 201, answer.body
        key: str = answer.json()["key"]
        return key

    def get(self, path: str, status: int = 200, key: str | None = None, **query: Any) -> Any:
        """Ask for something, and hold it to its status."""
        answer = self.gateway.request(f"{path}?{urlencode(query)}", key=key or self.gateway.key)
        assert answer.status == status, answer.body
        return answer.body.decode() if query.get("format") == "csv" and status == 200 else answer.json()

    def run(self, *arguments: str, code: int = 0, key: str | None = None) -> Result:
        """Run `llmgw` against the gateway, and hold it to its exit code."""
        environ = {
            "LLMGW_URL": self.gateway.root,
            "LLMGW_KEY": key or self.gateway.key,
            "LLMGW_CONFIG": "",
            "LLMGW_ADMIN_KEY": "",
            "COLUMNS": "250",
        }
        result = CliRunner().invoke(main, arguments, env=environ)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return result


@pytest.fixture(scope="session")
def running(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """The gateway."""
    config = {
        "providers": {"sim": {"kind": "simulator", "base_url": simulator.base_url}},
        "aliases": {"fast": {"targets": ["sim/sim"]}},
        "prices": {"models": {"sim/*": {"input": 1, "output": 2}}},
        "server": {"workers": 2},
    }
    with RunningGateway(tmp_path_factory.mktemp("books"), config) as gateway:
        yield gateway


@pytest.fixture
def office(running: RunningGateway) -> Office:
    """A new tenant's."""
    return Office(running)
