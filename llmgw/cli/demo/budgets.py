"""The demo's steps with money: a budget that many calls at once cannot overrun, and books that agree."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from openai import APIStatusError, OpenAI

from llmgw.cli.demo.stage import Stage
from llmgw.cli.demo.step import Step, expect
from llmgw.types.money import NANO

_TEAM: Final = "search"
_CALLS: Final = 60
_AT_ONCE: Final = 20
_BUDGET_USD: Final = 0.006
"""For four calls at once by what they could cost, and for half of all of them by what they really do."""
_TOLD_WITHIN_S: Final = 10.0


def _outcome(client: OpenAI) -> str:
    """What becomes of one call."""
    try:
        client.chat.completions.create(
            model="demo", max_tokens=100, messages=[{"role": "user", "content": "count to 90"}]
        )
    except APIStatusError as error:
        return str(error.code)
    return "answered"


def _heard(client: OpenAI) -> bool:
    """Whether the key is held to a budget, once the worker has heard of it, which takes it a moment."""
    pause = threading.Event()
    for _ in range(int(_TOLD_WITHIN_S / 0.1)):
        if client.get("/me/limits", cast_to=dict[str, Any])["budgets"]:
            return True
        pause.wait(0.1)
    return False


def _rush(stage: Stage) -> Iterator[str]:
    status, made = stage.ask(
        "POST", "/admin/v1/keys", {"name": "search-app", "role": "caller", "team": _TEAM}
    )
    expect(status == 201, f"the key got {status}: {made}")
    path = f"/admin/v1/limits/default/team/{_TEAM}"
    status, told = stage.ask("PUT", path, {"budgets": {"month": _BUDGET_USD}})
    expect(status in {200, 201}, f"the budget got {status}: {told}")
    with (
        stage.client.with_options(api_key=made["key"], max_retries=0) as client,
        ThreadPoolExecutor(_AT_ONCE) as callers,
    ):
        expect(_heard(client), "the worker has not heard of the budget")
        outcomes = Counter(callers.map(lambda _: _outcome(client), range(_CALLS)))
    yield (
        f"[dim]{_CALLS} calls, {_AT_ONCE} at once:[/] [green]{outcomes['answered']} answered[/], "
        f"[magenta]{outcomes['budget_exceeded']} budget_exceeded[/]"
    )
    expect(set(outcomes) == {"answered", "budget_exceeded"}, f"the calls ended so: {dict(outcomes)}")
    _, usage = stage.ask("GET", "/admin/v1/usage?by=team&since=1h")
    (used,) = [each for each in usage["totals"] if each["name"] == _TEAM]
    yield f"[dim]spent:[/] {used['cost_usd']} of {_BUDGET_USD} USD, by {used['calls']} calls"
    expect(used["cost_nano"] <= _BUDGET_USD * NANO, f"spent is {used['cost_usd']}")
    expect(used["calls"] == outcomes["answered"], f"{used['calls']} calls are in the books")


def _events(stage: Stage) -> Counter[str]:
    """What was told by kind, once a refusal was: events can be read a moment after they happened."""
    pause = threading.Event()
    for _ in range(int(_TOLD_WITHIN_S / 0.1)):
        _, found = stage.ask("GET", "/admin/v1/events?since=1h")
        kinds = Counter(each["kind"] for each in found["events"])
        if kinds["budget.exceeded"]:
            break
        pause.wait(0.1)
    return kinds


def _agree(stage: Stage) -> Iterator[str]:
    _, ledger = stage.ask("GET", "/admin/v1/ledger?limit=1000&since=1h")
    costs = sum(row["cost_nano"] for row in ledger["rows"])
    yield f"[dim]ledger:[/] {len(ledger['rows'])} rows, {costs / NANO:.6f} USD in all"
    status, proof = stage.ask("POST", "/admin/v1/reconcile", {})
    yield f"[dim]proof:[/]  {'the books agree' if proof.get('agree') else 'the books do not agree'}"
    expect(status == 200 and proof.get("agree"), f"the proof says {proof}")
    kinds = _events(stage)
    yield "[dim]told:[/]   " + ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))
    expect(kinds["budget.exceeded"] == 1, f"the first refusal was told {kinds['budget.exceeded']} times")


BUDGET_STEPS: Final = (
    Step(
        "A budget that calls at once cannot overrun",
        "what is spent and on hold is never more than the team's month",
        _rush,
    ),
    Step("Books that agree", "each call is a row, and what is spent is their sum", _agree),
)
