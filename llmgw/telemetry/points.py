"""What instruments show: values with their labels, as workers hand them to the one of them that is scraped."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

Labels: TypeAlias = tuple[str, ...]
"""Values in the order of the definition's labels; "" where a label does not apply."""


class Seen(NamedTuple):
    """A trace that is kept: where to look at one of the calls that a number counts."""

    trace_id: int
    span_id: int
    unix_ns: int


class Exemplar(Struct, frozen=True, array_like=True, gc=False):
    """One call of those that a number counts: its trace in hexadecimal digits, what it added, and when."""

    trace_id: str
    value: float
    unix_ns: int


class Point(Struct, frozen=True, array_like=True):
    """One series as it stands; of a histogram `value` is the sum, and `counts` are those of its buckets.

    `exemplars` has one place for each bucket, or one for a counter, or none at all.
    """

    labels: Labels
    value: int | float
    counts: Sequence[int] = ()
    exemplars: Sequence[Exemplar | None] = ()


class Known(Struct, frozen=True, kw_only=True):
    """Names that the configuration gives: labels may have them, and `other` in the place of what callers ask."""

    models: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()


class Sheet(Struct, frozen=True):
    """Everything that one worker shows, by the names of the definitions."""

    worker: str
    points: dict[str, list[Point]]
