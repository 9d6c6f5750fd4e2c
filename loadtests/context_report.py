"""What was measured of contexts, as tables, and whether it is what was aimed at."""

from collections.abc import Mapping, Sequence
from typing import Final

from loadtests.context_calls import Served
from loadtests.context_store import Cost
from loadtests.tables import NONE

STORE: Final = "context-store"
CALLS: Final = "context-calls"

LEGEND: Final = """\
- **added p50, p99** (context-store): milliseconds of begin and commit together, on one worker's own clock; *x
  naive* is how often that goes into the naive way's: one document of which each call loads all, validates all and
  writes all back. *warm* is a worker that knows the context, *cold* one that must read and prove all of it.
- **CPU µs, store µs** (context-store): of the worker and of the Valkey server per call; **trips** is how often the
  worker waits for the store, **read B** and **written B** what the server says went out and came in.
- **added p50** (context-calls): what continuing a conversation by its id takes more than sending it whole through
  the same gateway: less than nothing where reading a long body takes longer than finding what is stored. *cut* goes
  to a model with a window of 20,000 tokens, so that of a long conversation the end alone is told.
"""

_WARM_MS: Final = 1.0
_GROWTH: Final = 1.10
_TRIPS: Final = 2.0
_TURN_US: Final = 20.0


def store_table(costs: Sequence[Cost], validations: Sequence[tuple[str, float]]) -> str:
    """Draw what begin and commit cost, and what validating does."""
    naive = {cost.turns: _ms(cost.added, 0.5) for cost in costs if cost.way == "naive"}
    head = (
        *("prior turns", "way", "begin p50", "commit p50", "added p50", "added p99", "x naive"),
        *("CPU µs", "store µs", "trips", "read B", "written B", "errors"),
    )
    rows = [_store_row(cost, naive[cost.turns]) for cost in costs]
    lines = [f"| {what} | {taken:,.1f} |" for what, taken in validations]
    return "\n".join(
        [
            f"### {STORE}: begin and commit of a call, beside the naive way",
            "",
            *_drawn(head, rows, words=2),
            "",
            "| validating | µs |",
            "|---|---:|",
            *lines,
            "",
            *_targets(costs, dict(validations)),
        ]
    )


def calls_table(found: Sequence[Served]) -> str:
    """Draw what stored conversations cost callers."""
    head = ("prior turns", "way", "sent B", "p50 ms", "p99 ms", "added p50", "CPU µs", "store µs", "errors")
    peers = {served.turns: _ms(served.latencies, 0.5) for served in found if served.way == "stateless"}
    rows = []
    for served in found:
        calls = max(1, len(served.latencies))
        p50 = _ms(served.latencies, 0.5)
        rows.append(
            (
                f"{served.turns:,}",
                served.way,
                f"{served.sent:,}",
                f"{p50:.2f}",
                f"{_ms(served.latencies, 0.99):.2f}",
                f"{p50 - peers[served.turns]:+.2f}" if served.way.startswith("context") else NONE,
                f"{1e6 * served.cpu_s / calls:,.0f}",
                f"{1e6 * served.store_s / calls:,.0f}",
                str(served.errors),
            )
        )
    title = (
        f"### {CALLS}: a conversation sent whole by the client, and continued by its id, one call at a time"
    )
    return "\n".join([title, "", *_drawn(head, rows, words=2)])


def sound(costs: Sequence[Cost], found: Sequence[Served]) -> bool:
    """Whether nothing went wrong."""
    return not any(cost.errors for cost in costs) and not any(served.errors for served in found)


def _store_row(cost: Cost, naive: float) -> tuple[str, ...]:
    calls = max(1, cost.calls)
    p50 = _ms(cost.added, 0.5)
    return (
        f"{cost.turns:,}",
        cost.way,
        f"{_ms(cost.begin, 0.5):.3f}",
        f"{_ms(cost.commit, 0.5):.3f}",
        f"{p50:.3f}",
        f"{_ms(cost.added, 0.99):.3f}",
        f"{naive / p50:.2f}" if p50 else NONE,
        f"{1e6 * cost.cpu_s / calls:,.0f}",
        f"{1e6 * cost.store_s / calls:,.0f}",
        f"{cost.trips / calls:.1f}",
        f"{cost.read / calls:,.0f}",
        f"{cost.written / calls:,.0f}",
        str(cost.errors),
    )


def _targets(costs: Sequence[Cost], validations: Mapping[str, float]) -> list[str]:
    warm = {cost.turns: cost for cost in costs if cost.way == "warm"}
    at = {turns: _ms(cost.added, 0.5) for turns, cost in warm.items()}
    trips = max(cost.trips / max(1, cost.calls) for cost in warm.values())
    turn_us = next(iter(validations.values()))
    aims = (
        ("added p50, warm, 1,000 turns", f"{at[1_000]:.3f} ms", f"< {_WARM_MS:g} ms", at[1_000] < _WARM_MS),
        (
            "10,000 turns as a multiple of 1,000",
            f"{at[10_000] / at[1_000]:.2f}",
            f"≤ {_GROWTH:.2f}",
            at[10_000] <= _GROWTH * at[1_000],
        ),
        ("round trips, warm", f"{trips:.1f}", f"≤ {_TRIPS:g}", trips <= _TRIPS),
        ("validating a new turn", f"{turn_us:.1f} µs", f"< {_TURN_US:g} µs", turn_us < _TURN_US),
    )
    lines = [f"| {what} | {value} | {aim} | {'yes' if met else 'no'} |" for what, value, aim, met in aims]
    return ["| aim | measured | wanted | met |", "|---|---:|---:|---|", *lines]


def _ms(seconds: Sequence[float], share: float) -> float:
    ranked = sorted(seconds)
    return 1e3 * ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


def _drawn(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> list[str]:
    """Draw a table whose first columns are words, and the others numbers."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rules = ["-" * (width + 2) if n < words else "-" * (width + 1) + ":" for n, width in enumerate(widths)]
    drawn = [
        "| "
        + " | ".join(
            c.ljust(w) if n < words else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    return [drawn[0], f"|{'|'.join(rules)}|", *drawn[1:]]
