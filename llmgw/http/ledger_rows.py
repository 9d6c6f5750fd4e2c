"""What is shown of the ledger's rows, wherever they were read from, and their sums by provider and model."""

from collections import defaultdict
from typing import Any, Final, NamedTuple

import msgspec

from llmgw.accounting.detail import LedgerAttempt, LedgerDetail, read_detail
from llmgw.accounting.sheets import Cell
from llmgw.policy.spending.ledger import Row, id_before
from llmgw.types.moments import stamp
from llmgw.types.money import signed_usd

LATE_MS: Final = 4 * 86_400_000
"""How long after a call its rows may come."""
COLUMNS: Final = (
    "id", "at", "operation", "kind", "cost_nano", "cost_usd", "budgets", "who", "target", "model", "answered",
    "prices", "input_tokens", "output_tokens", "estimated",
)  # fmt: skip
"""Of a row as CSV."""

_read_who: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


class _Group(NamedTuple):
    day: str
    provider: str
    target: str
    model: str


class Summing:
    """Adds up rows by the day, provider, target and model of their attempts."""

    def __init__(self, since_ms: int, until_ms: int, provider: str | None) -> None:
        self.range = (id_before(since_ms), id_before(until_ms + LATE_MS))
        self.rows = 0
        self.rest = 0
        """Nano-USD that no attempt accounts for: of holds that lapsed, and what adjusts them."""
        self._since_ms, self._until_ms, self._provider = since_ms, until_ms, provider
        self._sums: defaultdict[_Group, list[int]] = defaultdict(lambda: [0] * 5)

    def add(self, row: Row) -> None:
        """Add a row."""
        self.rows += 1
        detail = read_detail(row.data)
        attempts = () if detail is None else detail.attempts
        if self._since_ms <= row.at_ms < self._until_ms:
            self.rest += row.cost - sum(each.nano or 0 for each in attempts)
        for each in attempts:
            if self._since_ms <= each.at * 1000 < self._until_ms and self._provider in {None, each.provider}:
                self._add(each)

    def told(self) -> list[dict[str, Any]]:
        """The sums, in order of day, provider, target and model."""
        names = ("attempts", "cost_nano", "estimated_nano", "input_tokens", "output_tokens")
        return [
            {**group._asdict(), **dict(zip(names, numbers, strict=True))}
            for group, numbers in sorted(self._sums.items())
        ]

    def _add(self, attempt: LedgerAttempt) -> None:
        day = stamp(attempt.at * 1000)[:10]
        group = _Group(day, attempt.provider, attempt.target, attempt.answered or attempt.model)
        nano, usage = attempt.nano or 0, attempt.usage
        more = (
            1,
            nano,
            nano if attempt.estimated else 0,
            (usage and usage.input) or 0,
            (usage and usage.output) or 0,
        )
        self._sums[group] = [mine + its for mine, its in zip(self._sums[group], more, strict=True)]


def told(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    return {
        "id": row.id,
        "at": stamp(row.at_ms),
        "at_ms": row.at_ms,
        "operation": row.operation,
        "kind": row.kind,
        "cost_nano": row.cost,
        "cost_usd": signed_usd(row.cost),
        "budgets": row.budgets,
        "who": [{"dimension": dimension, "name": name} for dimension, name in _who(row)],
        "detail": read_detail(row.data),
    }


def cells(row: Row) -> list[Cell]:
    """A row as a line of CSV, in the order of `COLUMNS`."""
    detail = read_detail(row.data) or LedgerDetail(v=1, call="")
    used = [each.usage for each in detail.attempts if each.usage is not None]
    return [
        row.id,
        stamp(row.at_ms),
        row.operation,
        row.kind,
        row.cost,
        signed_usd(row.cost),
        " ".join(row.budgets),
        " ".join(f"{dimension}={name}" for dimension, name in _who(row)),
        detail.target,
        detail.model,
        detail.answered,
        " ".join(dict.fromkeys(each.prices for each in detail.attempts if each.prices)),
        sum(each.input or 0 for each in used),
        sum(each.output or 0 for each in used),
        "true" if detail.estimated else "false",
    ]


def _who(row: Row) -> list[tuple[str, str]]:
    try:
        return _read_who(row.who)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
