"""No way into a model goes past limits and budgets, and no route asks a model that is not known as such a way."""

import ast
import re
from pathlib import Path
from typing import Final

import llmgw.http
import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.keys.test_routes import ROUTES
from tests.e2e.money.till import Tenant, stats
from tests.e2e.money.ways import WAYS, Way, send
from tests.faults.conftest import PROTOCOLS
from tests.faults.provider import FakeProvider, fresh
from tests.running import Answer

QUIET: Final = {
    "/admin/v1/access-requests": "writes down what an operator decides",
    "/admin/v1/issuers/{name:str}/refresh": "asks an identity provider for its keys",
    "/admin/v1/reconcile": "proves that the books agree",
    "/admin/v1/keys": "makes keys and changes them",
    "/admin/v1/prompt-archive": "takes in versions that were tried elsewhere",
    "/admin/v1/prompts": "keeps versions and moves labels; only `evaluate` below it asks, and is a way",
    "/admin/v1/calls/query": "asks the call log",
    "/v1/feedback": "writes down what somebody thinks of an answer",
    "/v1/contexts": "stores, forks, joins and proves turns; only `compact` below it asks, and is a way",
    "/v1/me/requests": "writes down what a caller asks for",
    "/v1/prompts/{part1:str}/render": "fills in variables",
    "/v1/prompts/{part1:str}/{part2:str}/render": "fills in variables",
    "/v1/prompts/{part1:str}/{part2:str}/{part3:str}/render": "fills in variables",
    "/v1/prompts/{part1:str}/{part2:str}/{part3:str}/{part4:str}/render": "fills in variables",
}
"""Routes that take a POST and ask no model, with what they do instead; those below them, too."""
OPENERS: Final = frozenset({"invoke", "complete", "compact", "ask", "evaluate"})
"""What of the gateway asks models."""
ASKING_MODULES: Final = frozenset({"context_compact", "data_plane", "prompt_evaluations", "tokens"})
"""Modules of the door that may use one of these: their routes are ways."""
CODES: Final = {
    "budget": "budget_exceeded",
    "requests": "rate_limit_exceeded",
    "concurrent": "concurrency_limit_exceeded",
}


KINDS: Final = {
    "openai": ("rate_limit_error", "insufficient_quota"),
    "anthropic": ("rate_limit_error", "billing_error"),
    "problem": ("", ""),
}
"""What a dialect calls a refusal for a rate, and one for money."""


def test_every_route_that_takes_a_post_is_a_way_or_says_why_not() -> None:
    """A new one must be put into one of the two lists."""
    ways = {way.route for way in WAYS}
    posted = {path for method, path in ROUTES if method == "POST"}
    unknown = {path for path in posted - ways if not _quiet(path)}
    assert unknown == set()
    assert ways <= posted
    # `evaluate` and `compact` are below quiet roots: whatever is called so must be a way.
    assert {path for path in posted if path.endswith(("/evaluate", "/compact", "/completions"))} <= ways


def _quiet(path: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in QUIET)


def test_only_the_modules_of_the_ways_open_calls() -> None:
    """Whoever calls what asks models is one of four modules of the door, and each of these has a way here."""
    found = {
        path.stem
        for path in Path(next(iter(llmgw.http.__path__))).glob("*.py")
        if any(_opens(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == ASKING_MODULES


def _opens(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in OPENERS
        and re.search(r"gateway|evaluator", ast.unparse(node.func.value)) is not None
    )


class Scene:
    """A way that is about to be gone by the holder of a key."""

    def __init__(self, tenant: Tenant, simulator: SimulatorProcess, way: Way) -> None:
        self.way = way
        self.model = f"openai/{fresh('way')}"
        self.admin = tenant.key("admin")
        self.caller = tenant.key("publisher")
        self.asked = way.prepare(self.admin, self.model)
        self.tenant = tenant
        self._url = simulator.base_url
        self.before: int = stats(self._url)["requests"]

    def reached(self) -> int:
        """How many requests the provider has got since."""
        now: int = stats(self._url)["requests"]
        return now - self.before

    def refused(self, why: str) -> Answer:
        """Go the way, and be told why not, in words and headers."""
        answer = send(self.caller, self.asked)
        assert answer.status == 429, (answer.status, answer.body)
        kind, code = _told(self.way, answer)
        assert code == CODES[why], answer.body
        assert kind == KINDS[self.way.dialect][why == "budget"]
        assert answer.headers["x-should-retry"] == ("false" if why == "budget" else "true")
        assert ("retry-after" in answer.headers) is (why != "budget"), answer.headers
        return answer


def _told(way: Way, answer: Answer) -> tuple[str, str]:
    document = answer.json()
    match way.dialect:
        case "problem":
            assert answer.headers["content-type"] == "application/problem+json"
            return "", document["code"]
        case "anthropic":
            assert document["type"] == "error"
            return document["error"]["type"], document["error"]["details"]["error_code"]
        case _:
            return document["error"]["type"], document["error"]["code"]


@pytest.fixture
def scene(request: pytest.FixtureRequest, tenant: Tenant, simulator: SimulatorProcess) -> Scene:
    """The way of a test, prepared by somebody whom nothing limits."""
    return Scene(tenant, simulator, request.param)


def each_way(*, costs: bool | None = None) -> pytest.MarkDecorator:
    """Every way, or those that cost money or not."""
    chosen = [way for way in WAYS if costs in {None, way.costs}]
    return pytest.mark.parametrize("scene", chosen, ids=str, indirect=True)


@each_way(costs=True)
def test_a_key_without_money_reaches_no_model(scene: Scene) -> None:
    """It is refused for its budget, told which, and told not to come again; nothing is sent, held or posted."""
    scene.tenant.limit("key", scene.caller.id, budgets={"month": 0})
    answer = scene.refused("budget")
    assert answer.headers["x-llmgw-limit"] == f"key:{scene.caller.id}:month"
    assert scene.reached() == 0
    (budget,) = scene.caller.left()["budgets"]
    assert (budget["spent_usd"], budget["held_usd"]) == ("0", "0")


@each_way(costs=False)
def test_counting_costs_no_money(scene: Scene) -> None:
    """So that a key without any may count."""
    scene.tenant.limit("key", scene.caller.id, budgets={"month": 0})
    assert send(scene.caller, scene.asked).status == 200
    assert scene.reached() == 1
    scene.tenant.limit("key", scene.caller.id, budgets={"month": 0})


@each_way()
def test_a_key_whose_requests_are_used_up_reaches_no_model(scene: Scene) -> None:
    """It has one a minute: the second is refused, and told when there is room again."""
    scene.tenant.limit("key", scene.caller.id, requests_per_minute=1)
    assert send(scene.caller, scene.asked).status == 200
    reached = scene.reached()
    answer = scene.refused("requests")
    assert answer.headers["x-llmgw-limit"] == f"key:{scene.caller.id}:requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 62
    assert scene.reached() == reached


@each_way()
def test_a_tenant_with_enough_under_way_reaches_no_model(scene: Scene, provider: FakeProvider) -> None:
    """One call of another key of it is not over; once that is, there is room."""
    scene.tenant.limit(concurrent=1)
    other = scene.tenant.key()
    model = fresh("g01_paused")
    with other.streaming(f"fake-openai/{model}") as answer:
        answer.readline()
        refused = scene.refused("concurrent")
        assert refused.headers["x-llmgw-limit"] == f"tenant:{scene.tenant.name}:concurrent"
        assert scene.reached() == 0
        provider.request(model).go_on()
        assert b"data: [DONE]" in answer.read()
    assert send(scene.caller, scene.asked).status == 200


def test_all_protocols_are_there(provider: FakeProvider) -> None:
    """The fake provider speaks each of them."""
    assert set(provider.ports) == set(PROTOCOLS)
