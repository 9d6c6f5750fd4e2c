"""A tenant of one test's own: its keys, its limits, what its books say, and what a provider says of it."""

import asyncio
import itertools
import json
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from http.client import HTTPResponse
from typing import Any, Final, TypeVar
from urllib.parse import quote

from llmgw.accounting.detail import LedgerDetail, read_detail
from llmgw.policy.spending.books import Reconciled, reconcile
from llmgw.policy.spending.ledger import Row, rows
from llmgw.state.connection import State
from tests.e2e.contexts.desk import Desk
from tests.running import Answer, RunningGateway
from tests.waiting import ROOMY_S, until

T = TypeVar("T")
INPUT, OUTPUT, CACHED, WRITTEN = 3.0, 15.0, 0.3, 3.75
"""US dollars for a million tokens, of every model with a price."""
KINDS: Final = ("openai", "claude", "gemini")
"""Providers, one of each protocol; what stands behind the slash is the simulator's."""

_numbers = itertools.count(1)


def config_for(simulator_url: str, fake_urls: Mapping[str, str], store_url: str) -> dict[str, Any]:
    """Three protocols with prices, a fake provider with the same, and a model that has none."""
    root = simulator_url.removesuffix("/v1")
    bases = {"openai": simulator_url, "claude": root, "gemini": f"{root}/v1beta"}
    kinds = {"openai": "openai", "claude": "anthropic", "gemini": "gemini"}
    fakes = {"openai": "openai_compatible", "anthropic": "anthropic", "gemini": "gemini"}
    hasty = {"connect_s": 2, "first_byte_s": 1, "idle_s": 1, "total_s": 20}
    providers: dict[str, Any] = {
        name: {"kind": kinds[name], "base_url": base, "api_key": "none-needed"}
        for name, base in bases.items()
    }
    for name, url in fake_urls.items():
        fake: dict[str, Any] = {"kind": fakes[name], "base_url": url, "api_key": "none-needed"}
        if name == "openai":
            fake["features"] = {"add": ["json_schema"]}
        providers |= {f"fake-{name}": fake, f"hasty-{name}": {**fake, "timeouts": hasty}}
    providers["unheard"] = {"kind": "openai_compatible", "base_url": simulator_url}
    providers["narrow"] = {
        "kind": "openai_compatible", "base_url": simulator_url, "windows": {"small": 1200},
    }  # fmt: skip
    prices = {"input": INPUT, "output": OUTPUT, "cached_input": CACHED, "cache_write": WRITTEN}
    priced = [name for name in providers if name != "unheard"]
    return {
        "providers": providers,
        "aliases": {
            "summary": {"targets": ["openai/sum-up"]},
            "flaky": {"targets": ["openai/sim-fail-503", "claude/steady"]},
            "thrice": {
                "targets": [
                    "hasty-openai/c01_begun--thrice",
                    "hasty-anthropic/c01_begun--thrice",
                    "openai/thrice",
                ]
            },
            "twice": {"targets": ["hasty-openai/c01_begun--twice", "openai/twice"]},
            "once": {"targets": ["hasty-openai/c01_begun--once", "openai/once"]},
            "broken": {"targets": ["openai/sim-fail-500", "claude/sim-fail-500"]},
        },
        "prices": {"models": {f"{name}/*": prices for name in priced}},
        "prompts": {"min_cases": 1},
        "state": {"url": store_url},
    }


def nano(input_tokens: int, output_tokens: int) -> int:
    """What so many tokens cost, in nano-USD."""
    return round((input_tokens * INPUT + output_tokens * OUTPUT) * 1000)


class Tenant:
    """Everything that one test does, and all that is told of it."""

    def __init__(self, gateway: RunningGateway, store_url: str) -> None:
        self.gateway = gateway
        self.name = f"till-{next(_numbers)}"
        self._store_url = store_url

    def key(self, role: str = "caller", **members: Any) -> "Keyholder":
        """Make a key."""
        body = {"name": self.name, "role": role, "tenant": self.name, **members}
        made = self.gateway.request("/admin/v1/keys", body)
        assert made.status == 201, made.body
        return Keyholder(self, made.json()["key"], made.json()["id"])

    def limit(self, scope: str | None = None, name: str | None = None, **limits: Any) -> None:
        """Set what may be taken, by the tenant as a whole where no scope is named."""
        where = f"{self.name}/{scope or 'tenant'}/{quote(name or self.name)}"
        answer = self.gateway.request(f"/admin/v1/limits/{where}", limits, method="PUT")
        assert answer.status == 200, answer.body

    def budget(self, dollars: float, window: str = "total", **limits: Any) -> None:
        """Give the tenant a budget and nothing else, unless more is said."""
        self.limit(budgets={window: dollars}, **limits)

    def read(self, look: Callable[[State], Awaitable[T]]) -> T:
        """Look at the store."""

        async def looked() -> T:
            async with aclosing(State(self._store_url, timeout_s=ROOMY_S)) as state:
                return await look(state)

        return asyncio.run(looked())

    def rows(self) -> list[Row]:
        """The ledger."""

        async def read(state: State) -> list[Row]:
            return [row async for row in rows(state, self.name)]

        return self.read(read)

    def settled(self, count: int) -> list[Row]:
        """The ledger, once it has so many rows; it must never have more."""
        found = until(lambda: len(self.rows()) >= count and self.rows(), f"{count} rows of {self.name}")
        assert found
        assert len(found) == count, found
        return found

    def books(self) -> Reconciled:
        """The proof of the books, which must not drift."""
        found = self.read(lambda state: reconcile(state, self.name, whole=True))
        assert not found.drifting, found
        return found

    def closed(self) -> Reconciled:
        """The proof of the books once nothing is on hold any more."""
        until(lambda: all(each.held == 0 for each in self.books().accounts), "nothing to be on hold")
        return self.books()

    @property
    def spent(self) -> int:
        """Nano-USD that the budget of the tenant as a whole says are spent; it must have one budget."""
        (account,) = self.closed().accounts
        spent: int = account.spent
        return spent


class Keyholder(Desk):
    """The holder of one key of a tenant."""

    def __init__(self, tenant: Tenant, key: str, key_id: str) -> None:
        super().__init__(tenant.gateway, key)
        self.tenant = tenant
        self.id = key_id

    def chat(self, model: str, text: str = "say hello", **members: Any) -> Answer:
        """Ask one question."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **members}
        return self.ask("POST", "/chat/completions", body)

    @contextmanager
    def streaming(
        self, model: str, path: str = "/v1/chat/completions", **members: Any
    ) -> Iterator[HTTPResponse]:
        """Open a stream, to be read as it comes; whoever goes before its end has left."""
        said = [{"role": "user", "content": "say hello"}]
        body = {"model": model, "messages": said, "stream": True, **members}
        request = urllib.request.Request(
            self.gateway.root + path,
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            yield response

    def left(self) -> dict[str, Any]:
        """What `/v1/me/limits` says."""
        answer = self.ask("GET", "/me/limits")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """Make an exchange at any path that must succeed, and return what was answered."""
        answer = self.gateway.request(path, body, method=method, key=self.key)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json()

    def published(self, name: str, **content: Any) -> None:
        """Have a prompt served behind `production`; the key must be an admin's."""
        number = self.done("POST", "/admin/v1/prompts", {"name": name, "content": content})["version"]
        self.done("POST", f"/admin/v1/prompts/{name}/versions/{number}/publish")
        wanted = {"version": number, "break_glass": True, "reason": "a test"}
        self.done("PUT", f"/admin/v1/prompts/{name}/labels/production", wanted)


def detail(row: Row) -> LedgerDetail:
    """What a row says of its call."""
    found = read_detail(row.data)
    assert found is not None, row
    return found


def stats(simulator_url: str) -> dict[str, Any]:
    """What the simulator says of itself."""
    with urllib.request.urlopen(f"{simulator_url.removesuffix('/v1')}/_sim/stats", timeout=20) as response:
        found: dict[str, Any] = json.load(response)
    return found


def events(answer: Answer) -> list[dict[str, Any]]:
    """The JSON of a stream's events."""
    lines = [line[6:] for line in answer.body.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def told_usd(answer: Answer) -> int:
    """Nano-USD that an answer says it cost, by its header or in its stream; 0 where it says nothing."""
    if "x-llmgw-cost-usd" in answer.headers:
        return round(float(answer.headers["x-llmgw-cost-usd"]) * 10**9)
    told = [event["llmgw"]["cost_usd"] for event in events(answer) if "cost_usd" in event.get("llmgw", {})]
    nano: int = round(sum(told) * 10**9)
    return nano
