"""What the steps of a call through limits and budgets cost in the store, by how many are in force.

Run as `python -m loadtests.spending_store`. Microseconds that the server spent in the script, as its `commandstats`
say, the median of slices of 50 calls; with the wall time of a round trip from one caller beside it. The last two
columns are for each of 16 that come at once, in the same run.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from llmgw.policy.spending.books import reconcile
from llmgw.policy.spending.spending import SETTLED_AT_ONCE, Spending
from llmgw.policy.spending.values import Budget, Charge, Dimension, Limit, Reservation
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey

SHAPES: Final = ((0, 1), (1, 0), (1, 1), (2, 2), (4, 3), (7, 3), (10, 3), (10, 0))
"""Budgets and limits in force."""
USED_BY: Final[tuple[tuple[Dimension, str], ...]] = (
    ("tenant", "t"),
    ("team", "r"),
    ("key", "k"),
    ("alias", "a"),
    ("target", "x"),
    ("prompt", "p:1"),
    ("tag", "g"),
)
CALLS: Final = 500
_SLICE: Final = 50
_TENANT: Final = "bench"
_CHARGE: Final = Charge(cost_nano=9_000_000, input_tokens=60, output_tokens=20)


async def measure(url: str) -> list[str]:
    """Measure each shape; lines of a table in Markdown."""
    heads = ("budgets", "limits", "admit", "round trip", "settle", "release", "admit of 16", "settle of 16")
    lines = [f"| {' | '.join(heads)} |", "|-|-|-|-|-|-|-|-|"]
    async with aclosing(State(url, timeout_s=5)) as state:
        spending = Spending(state)
        await spending.open_books(_TENANT)
        for budgets, limits in SHAPES:
            claims = _claims(budgets, limits)
            start = time.perf_counter()
            admit = await _script_us(state, spending.admit, claims)
            round_trip = (time.perf_counter() - start) / len(claims) * 1e6
            settle = await _script_us(state, lambda claim: spending.settle(claim, _CHARGE), claims[:CALLS])
            release = await _script_us(state, spending.release, claims[CALLS:])
            together = await _together_us(spending, _claims(budgets, limits, "together"))
            figures = " | ".join(f"{each:.0f}" for each in (admit, round_trip, settle, release, *together))
            lines.append(f"| {budgets} | {limits} | {figures} |")
        start = time.perf_counter()
        books = await reconcile(state, _TENANT)
        took = (time.perf_counter() - start) * 1000
        lines.append(f"\nreconciled {books.rows} rows in {took:.0f} ms; drifting: {len(books.drifting)}")
    return lines


def _claims(budgets: int, limits: int, name: str = "alone") -> list[Reservation]:
    at_ms = time.time_ns() // 1_000_000
    most = 10**12
    return [
        Reservation(
            operation=f"op-{budgets}-{limits}-{name}-{number}",
            tenant=_TENANT,
            at_ms=at_ms,
            estimate_nano=10_000_000,
            tokens=100,
            budgets=tuple(
                Budget(scope="tag", name=f"b{n}", window="month", amount_nano=10**18) for n in range(budgets)
            ),
            limits=tuple(
                Limit(
                    scope="tag",
                    name=f"l{n}",
                    requests_per_minute=most,
                    tokens_per_minute=most,
                    concurrent=most,
                )
                for n in range(limits)
            ),
            used_by=USED_BY,
        )
        for number in range(2 * CALLS)
    ]


async def _script_us(
    state: State, step: Callable[[Reservation], Awaitable[object]], claims: Sequence[Reservation]
) -> float:
    found: list[float] = []
    for first in range(0, len(claims), _SLICE):
        await state.command("CONFIG", "RESETSTAT")
        for claim in claims[first : first + _SLICE]:
            await step(claim)
        stats: Any = (await state.command("INFO", "commandstats"))["cmdstat_evalsha"]
        found.append(float(stats["usec"]) / stats["calls"])
    return statistics.median(found)


async def _together_us(spending: Spending, claims: Sequence[Reservation]) -> tuple[float, float]:
    """What each takes of an admission and of a settlement, where many come at once."""
    state = spending.state
    admits, settles = [], []
    for first in range(0, len(claims), SETTLED_AT_ONCE):
        some = claims[first : first + SETTLED_AT_ONCE]
        await state.command("CONFIG", "RESETSTAT")
        await asyncio.gather(*map(spending.admit, some))
        admits.append(await _scripts_us(state) / len(some))
        await state.command("CONFIG", "RESETSTAT")
        await spending.settle_all([(each, _CHARGE) for each in some])
        settles.append(await _scripts_us(state) / len(some))
    return statistics.median(admits), statistics.median(settles)


async def _scripts_us(state: State) -> float:
    stats: Any = (await state.command("INFO", "commandstats"))["cmdstat_evalsha"]
    return float(stats["usec"])


def main() -> None:
    """Measure against a Valkey of its own, and print the table."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedValkey(Path(directory) / "state") as server:
        sys.stdout.write("\n".join(asyncio.run(measure(server.url))) + "\n")


if __name__ == "__main__":
    main()
