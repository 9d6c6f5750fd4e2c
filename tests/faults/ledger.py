"""A tenant's books as they lie in the store, and how they break their promises."""

from collections import Counter
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

Books: TypeAlias = Any
"""A client of the store, of one server or of a Cluster: their types tell less than they know."""


class Row(NamedTuple):
    """One row of a tenant's ledger."""

    operation: str
    kind: str
    cost: int
    budgets: tuple[str, ...]


class Ledger(Struct, kw_only=True):
    """A tenant's books, read without a word of the gateway's own code."""

    rows: list[Row]
    spent: dict[str, int]
    held: dict[str, int]
    holds: int


def ledger_of(store: Books, tenant: str) -> Ledger:
    """Read all of a tenant's books."""
    root = f"llmgw:spend:{{{tenant}}}:"
    rows = [
        Row(
            fields[b"op"].decode(),
            fields[b"kind"].decode(),
            int(fields[b"cost"]),
            tuple(fields[b"budgets"].decode().split()),
        )
        for _, fields in store.xrange(f"{root}ledger")
    ]
    spent, held = {}, {}
    for key in store.scan_iter(f"{root}budget:*", count=1000):
        name = key.decode().removeprefix(f"{root}budget:")
        window = store.hgetall(key)
        spent[name], held[name] = int(window.get(b"spent", 0)), int(window.get(b"held", 0))
    return Ledger(rows=rows, spent=spent, held=held, holds=store.hlen(f"{root}open"))


def doubled(ledger: Ledger) -> list[str]:
    """I1: operations with more rows than one, and one adjustment."""
    rows = Counter((row.operation, row.kind == "adjustment") for row in ledger.rows)
    return [f"{operation} has {number} rows" for (operation, _), number in rows.items() if number > 1]


def drifting(ledger: Ledger) -> list[str]:
    """I2: windows whose sum is not that of their rows."""
    sums: Counter[str] = Counter()
    for row in ledger.rows:
        for name in row.budgets:
            sums[name] += row.cost
    names = {*sums, *ledger.spent}
    return [
        f"{name} spent {ledger.spent.get(name, 0)}, its rows {sums[name]}"
        for name in names
        if ledger.spent.get(name, 0) != sums[name]
    ]
