"""Limits, budgets, and one call's claim on them."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from llmgw.types.call import TENANT

AMOUNT_MAX: Final = 10**18
"""Nano-USD of the largest budget and of the largest single cost: 10^9 USD."""
COUNT_MAX: Final = 10**12
"""Requests, tokens or calls of the largest limit; a minute's sum of them is exact in the store's doubles."""
PARTS_MAX: Final = 32
"""Limits, budgets or dimensions of one call, which bound how long its scripts hold up the store."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=/@+-]{0,127}", re.ASCII)
"""What may stand in a key of the store, and between spaces."""
_FOREVER_MS: Final = 253_402_300_799_000
_DAY_MS: Final = 86_400_000

Scope: TypeAlias = Literal["tenant", "team", "key", "tag"]
WindowName: TypeAlias = Literal["minute", "hour", "day", "month", "total"]
LapsePolicy: TypeAlias = Literal["release", "charge_estimate"]
Dimension: TypeAlias = Literal["tenant", "team", "key", "alias", "target", "prompt", "tag"]

_FORMS: Final[dict[WindowName, str]] = {
    "minute": "%Y-%m-%dT%H:%M",
    "hour": "%Y-%m-%dT%H",
    "day": "%Y-%m-%d",
    "month": "%Y-%m",
    "total": "ever",
}
_KEPT_MS: Final[dict[WindowName, int]] = {
    "minute": 4 * _DAY_MS,
    "hour": 8 * _DAY_MS,
    "day": 62 * _DAY_MS,
    "month": 400 * _DAY_MS,
    "total": 0,
}


class Window(NamedTuple):
    """One window of a budget in UTC: its name, its end, and when the store may forget it, in unix ms."""

    name: str
    ends_ms: int | None
    forget_ms: int


class Budget(Struct, frozen=True, kw_only=True):
    """At most `amount_nano` nano-USD within each `window`; what is on hold counts as if it were spent.

    Raises:
        ValueError: the name or the amount is out of bounds.
    """

    scope: Scope
    name: str
    window: WindowName
    amount_nano: int

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_range("a budget in nano-USD", self.amount_nano, AMOUNT_MAX)

    @property
    def title(self) -> str:
        """What callers and logs call it."""
        return f"{self.scope}:{self.name}:{self.window}"


class Limit(Struct, frozen=True, kw_only=True):
    """At most so many requests and tokens within any 60 seconds, and so many calls at once; None is unlimited.

    Raises:
        ValueError: the name or a number is out of bounds.
    """

    scope: Scope
    name: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        for count in (self.requests_per_minute, self.tokens_per_minute, self.concurrent):
            if count is not None:
                _check_range("a limit", count, COUNT_MAX)

    @property
    def title(self) -> str:
        """What callers and logs call it."""
        return f"{self.scope}:{self.name}"


class Reservation(Struct, frozen=True, kw_only=True):
    """One call's claim, which is all that is needed to admit, extend, settle, release or lapse it.

    Whoever wants to survive a crash writes it down before `admit`. The windows charged are those of `at_ms`,
    whenever the call ends. `used_by` says whom the usage is counted for, each at most once per value.

    Raises:
        ValueError: a name or a number is out of bounds, or a part is there twice, or there are too many.
    """

    operation: str
    tenant: str
    at_ms: int
    """The gateway's clock, in unix ms."""
    estimate_nano: int = 0
    """The most the call can cost."""
    tokens: int = 0
    """The most tokens it can take, in and out."""
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    used_by: tuple[tuple[Dimension, str], ...] = ()
    lapse: LapsePolicy = "charge_estimate"

    def __post_init__(self) -> None:
        _check_name(self.operation)
        _check_users(self.tenant, self.used_by)
        if not (
            0 <= self.estimate_nano <= AMOUNT_MAX
            and 0 <= self.tokens <= COUNT_MAX
            and 0 <= self.at_ms <= _FOREVER_MS // 2
        ):
            _check_range("an estimate in nano-USD", self.estimate_nano, AMOUNT_MAX)
            _check_range("an estimate in tokens", self.tokens, COUNT_MAX)
            _check_range("a time in ms", self.at_ms, _FOREVER_MS // 2)
        if self.limits or self.budgets:
            _check_bounds(self.limits, self.budgets)

    def used_at(self, target: str) -> "Reservation":
        """The same, counted for the target that was asked, too."""
        told: Reservation = self.__copy__()  # type: ignore[attr-defined]  # every msgspec.Struct has it
        # All else was looked at when it was made: it is not looked at again.
        force_setattr(told, "used_by", _with_target(self.tenant, self.used_by, target))
        return told


class Charge(Struct, frozen=True, kw_only=True):
    """What a call really took; `detail` goes into the ledger row as it is (prices and their version, usage).

    Raises:
        ValueError: a number is out of bounds.
    """

    cost_nano: int
    input_tokens: int = 0
    output_tokens: int = 0
    detail: bytes = b""

    def __post_init__(self) -> None:
        if (
            0 <= self.cost_nano <= AMOUNT_MAX
            and 0 <= self.input_tokens <= COUNT_MAX
            and 0 <= self.output_tokens <= COUNT_MAX
        ):
            return
        _check_range("a cost in nano-USD", self.cost_nano, AMOUNT_MAX)
        _check_range("input tokens", self.input_tokens, COUNT_MAX)
        _check_range("output tokens", self.output_tokens, COUNT_MAX)


def named(text: str) -> str:
    """What stands for a text in keys and ledgers: itself where it is such a name, else its digest."""
    if NAME.fullmatch(text):
        return text
    return f"blake2:{hashlib.blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def window(name: WindowName, at_ms: int) -> Window:
    """The window that a moment falls into; the next one is another key in the store, so nothing is ever reset."""
    return _window_of(name, at_ms // 60_000)


@lru_cache(maxsize=256)
def _window_of(name: WindowName, minute: int) -> Window:
    # No window is shorter than a minute, and each of a call's steps asks for several.
    at = datetime.fromtimestamp(minute * 60, UTC)
    match name:
        case "minute":
            end = at + timedelta(minutes=1)
        case "hour":
            end = at.replace(minute=0) + timedelta(hours=1)
        case "day":
            end = at.replace(hour=0, minute=0) + timedelta(days=1)
        case "month":
            end = (at.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
        case "total":
            return Window(_FORMS[name], None, _FOREVER_MS)
    ends_ms = int(end.timestamp()) * 1000
    return Window(at.strftime(_FORMS[name]), ends_ms, ends_ms + _KEPT_MS[name])


# The same for all calls of a key to an alias, or of all that are bound by the same; a failure is never remembered.


@lru_cache(maxsize=4096)
def _check_users(tenant: str, used_by: tuple[tuple[Dimension, str], ...]) -> None:
    if not TENANT.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is no tenant's name")
    for _, name in used_by:
        _check_name(name)
    _check_parts(used_by)


@lru_cache(maxsize=4096)
def _with_target(
    tenant: str, used_by: tuple[tuple[Dimension, str], ...], target: str
) -> tuple[tuple[Dimension, str], ...]:
    users: tuple[tuple[Dimension, str], ...] = (*used_by, ("target", named(target)))
    _check_users(tenant, users)
    return users


@lru_cache(maxsize=1024)
def _check_bounds(limits: tuple[Limit, ...], budgets: tuple[Budget, ...]) -> None:
    _check_parts([each.title for each in limits])
    _check_parts([each.title for each in budgets])


def _check_parts(parts: Sequence[object]) -> None:
    if len(parts) > PARTS_MAX:
        raise ValueError(f"a call has at most {PARTS_MAX} limits, budgets or dimensions of each kind")
    if parts and len(set(parts)) != len(parts):
        raise ValueError("a limit, budget or dimension is there twice")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name that limits and ledgers can hold")


def _check_range(what: str, number: int, most: int) -> None:
    if not 0 <= number <= most:
        raise ValueError(f"{what} is from 0 to {most}, not {number}")
