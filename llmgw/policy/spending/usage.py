"""What was used and what is left, for who asks without making a call."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from llmgw.policy.spending import keys, scripts
from llmgw.policy.spending.spending import ROLLUPS_KEPT_MS
from llmgw.policy.spending.values import Budget, Dimension, window
from llmgw.state.connection import State

Period: TypeAlias = Literal["minute", "hour", "day"]
PERIOD_MS: Final[dict[Period, int]] = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
KEPT_MS: Final[dict[Period, int]] = dict(zip(PERIOD_MS, ROLLUPS_KEPT_MS, strict=True))
"""How far back each period is told of."""
_PLACES: Final[dict[Period, int]] = {"minute": 0, "hour": 1, "day": 2}
_WINDOWS: Final = 200
_FIELDS: Final = 5000
"""Fields that the store looks at in one step, whose time all other callers wait for."""


class Used(NamedTuple):
    """What the calls that began within a period took, by then; a lapsed hold is a call without tokens."""

    dimension: str
    name: str
    calls: int
    cost_nano: int
    input_tokens: int
    output_tokens: int


class Sum(NamedTuple):
    """What calls took together."""

    calls: int = 0
    cost_nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: "Sum") -> "Sum":
        """Both together."""
        return Sum(*(mine + its for mine, its in zip(self, other, strict=True)))


class Slice(NamedTuple):
    """What was used in one window, which begins at `at_ms`, by name; without the windows in which nothing was."""

    at_ms: int
    sums: dict[str, Sum]


class Standing(NamedTuple):
    """The window of a budget that is in force, in nano-USD."""

    budget: Budget
    spent: int
    held: int

    @property
    def left(self) -> int:
        """What the next call may cost."""
        return max(0, self.budget.amount_nano - self.spent - self.held)


async def usage(state: State, tenant: str, period: Period, at_ms: int) -> list[Used]:
    """Read a tenant's usage in the period that a moment falls into, by all dimensions, in order of their names.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    found = await state.command("HGETALL", keys.rollups(tenant, at_ms)[_PLACES[period]])
    pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    used = []
    for field, cell in pairs:
        dimension, _, name = field.decode().partition(" ")
        used.append(Used(dimension, name, *map(int, cell.split())))
    return sorted(used)


async def tenants(state: State) -> list[str]:
    """The tenants that have books, in order of their names; some may have none yet.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    return sorted(each.decode() for each in await state.members(keys.TENANTS))


async def usage_between(
    state: State, tenant: str, dimension: Dimension, windows: "Windows", names: Sequence[str] = ()
) -> AsyncIterator[Slice]:
    """Read a tenant's usage by one dimension in a row of windows, of some names or of all.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    place, starts = 0, windows.starts
    while place < len(starts):
        batch = starts[place : place + _WINDOWS]
        read = [keys.of(tenant, f"use:{windows.period}:{window(windows.period, at).name}") for at in batch]
        done, *cells = await state.script(scripts.ROLLUPS, read, [_FIELDS, f"{dimension} ", *names])
        for at, flat in zip(batch, cells, strict=False):
            if flat:
                yield Slice(at, {each.decode(): _sum(cell) for each, cell in _pairs(flat)})
        place += int(done)


async def totals(slices: AsyncIterator[Slice]) -> dict[str, Sum]:
    """What was used in all windows together, by name, the dearest first."""
    found: dict[str, Sum] = {}
    async for each in slices:
        add_up(found, each)
    return dearest_first(found)


def add_up(sums: dict[str, Sum], more: Slice) -> None:
    """Add a window to what was used."""
    for name, used in more.sums.items():
        sums[name] = sums.get(name, Sum()).plus(used)


def dearest_first(sums: dict[str, Sum]) -> dict[str, Sum]:
    """The same in order of what it cost."""
    return dict(sorted(sums.items(), key=lambda one: (-one[1].cost_nano, -one[1].calls, one[0])))


class Windows(NamedTuple):
    """The windows of a period that touch the time from `since_ms` up to before `until_ms`, whole ones always."""

    period: Period
    since_ms: int
    until_ms: int

    @property
    def starts(self) -> list[int]:
        """When each begins, in unix ms."""
        length = PERIOD_MS[self.period]
        return list(range(self.since_ms - self.since_ms % length, self.until_ms, length))

    @property
    def bounds(self) -> tuple[int, int]:
        """When the first begins and the last ends."""
        length = PERIOD_MS[self.period]
        return self.since_ms - self.since_ms % length, -(-self.until_ms // length) * length


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return list(pairwise(flat))[::2]


def _sum(cell: bytes) -> Sum:
    return Sum(*map(int, cell.split()))
