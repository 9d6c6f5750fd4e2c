"""What a prepared question is: one statement, what may be chosen in it, and what its columns mean."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

Row: TypeAlias = dict[str, Any]

BY: Final = {
    "tenant": "tenant",
    "team": "team",
    "key": "key_id",
    "alias": "alias",
    "target": "target",
    "provider": "provider",
    "model": "model",
    "prompt": "prompt",
    "endpoint": "endpoint",
    "context": "context",
    "verdict": "verdict",
    "outcome": "outcome",
    "error": "error",
    "tag": "unnest(tags)",
}
"""What a question may be asked by, and the column of it."""
DAY_US: Final = 86_400_000_000
WEEK_US: Final = 7 * DAY_US


class Column(Struct, frozen=True):
    """A column of an answer; `unit` is empty for texts and plain counts."""

    name: str
    unit: str = ""


class Choice(Struct, frozen=True, kw_only=True):
    """A parameter of a question: one of several words, or a whole number in bounds."""

    name: str
    doc: str
    words: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    default: str


class Chosen(Struct, frozen=True, kw_only=True):
    """A question's parameters as they were read: the time, what was chosen, and texts that columns must equal."""

    from_us: int
    to_us: int
    words: dict[str, str]
    numbers: dict[str, int]
    only: dict[str, str]

    @property
    def where(self) -> str:
        """The condition on what columns must equal; its parameters are named as they are."""
        return " AND ".join(["true", *(f"{BY[name]} = $only_{name}" for name in self.only)])

    @property
    def values(self) -> dict[str, Any]:
        """What stands for the parameters of `where`."""
        return {f"only_{name}": value for name, value in self.only.items()}


class Question(Struct, frozen=True, kw_only=True):
    """A prepared question; `statement` reads the table `calls` once.

    `spans` are the times that the statement wants to see, `rows` makes of what it found what is answered, and
    `tell` says it in one sentence.
    """

    name: str
    doc: str
    choices: tuple[Choice, ...] = ()
    columns: tuple[Column, ...]
    statement: Callable[[Chosen], str]
    tell: Callable[[Sequence[Row], Chosen], str]
    values: Callable[[Chosen], Mapping[str, Any]] = lambda chosen: chosen.values
    spans: Callable[[Chosen], tuple[tuple[int, int], ...]] = lambda chosen: ((chosen.from_us, chosen.to_us),)
    rows: Callable[[Sequence[Row], Chosen], list[Row]] = lambda rows, _chosen: list(rows)


def by(default: str, *words: str) -> Choice:
    """The choice of what to tell apart."""
    return Choice(name="by", doc="what to tell apart", words=words or tuple(BY), default=default)


def limit(default: int) -> Choice:
    """The choice of how many rows to answer."""
    return Choice(name="limit", doc="rows at most", least=1, most=1000, default=str(default))


def shown(name: object) -> str:
    """A value of a column as a sentence has it."""
    return str(name) if name not in {"", None} else "(none)"


def percent(share: float | None) -> str:
    """A share of 1 as a sentence has it."""
    if share is None:
        return "an unknown share"
    return f"{share:.1%}" if abs(share) < 0.1 else f"{share:.0%}"
