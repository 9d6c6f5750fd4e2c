"""Whether no value fits two schemas at once: what makes an exclusive choice provable."""

from collections.abc import Iterable
from typing import Final, Protocol

from llmgw.types.json import Json
from llmgw.types.violation import Violation
from llmgw.user_schemas.equality import Equality
from llmgw.user_schemas.facts import Fact, Facts, Reader

_DISCRIMINATOR_DEPTH: Final = 3
"""How deep in two forms may be what tells them apart."""
_GLANCE: Final = 0.1


class Comparison(Protocol):
    """Proves that values that fit some schemas fit another one."""

    read: Reader
    equal: Equality
    told_apart: dict[tuple[Fact, Fact], bool]
    """Whether no value fits both of two schemas, where that was looked at."""

    tags: dict[Fact, dict[str, frozenset[Json]]]
    """The values of members by which a form can be told from others, where that was looked at."""

    def fails(self, facts: Iterable[Fact], goal: Fact) -> list[Violation]:
        """What keeps a value that fits all facts from fitting the goal."""

    def holds(self, facts: Iterable[Fact], goal: Fact) -> bool:
        """Whether each value that fits all facts fits the goal."""

    def fits(self, goal: Fact, value: Json) -> bool | None:
        """Whether one value fits a schema; None where that would take too long to find out."""


def tagged_apart(on: Comparison, one: Fact, other: Fact) -> bool:
    """Whether a member that both forms must have tells them apart: the common case, with one look at each."""
    on.read.spend(_GLANCE)
    tags, others = _tags(on, one), _tags(on, other)
    return any(name in others and not values & others[name] for name, values in tags.items())


def _tags(on: Comparison, form: Fact) -> dict[str, frozenset[Json]]:
    known = on.tags.get(form)
    if known is None:
        facts = on.read.all([form]) or ()
        listed = (
            (name, _scalars(on, on.read.member(facts, name))) for name in sorted(on.read.required(facts))
        )
        known = on.tags[form] = {name: values for name, values in listed if values is not None}
    return known


def _scalars(on: Comparison, facts: Iterable[Fact]) -> frozenset[Json] | None:
    known = on.read.all(facts)
    values = None if known is None else on.read.values(known)
    if values is None or any(isinstance(value, list | dict) for value in values):
        return None
    # That Python takes 1 for True only makes two forms seem less apart than they are.
    return frozenset(values)


def apart(
    on: Comparison, one: Iterable[Fact], other: Iterable[Fact], depth: int = _DISCRIMINATOR_DEPTH
) -> bool:
    """Whether no value fits both: by type, by the values listed, or by a member that objects must have."""
    both = [on.read.all(one), on.read.all(other)]
    on.read.spend(1)
    left, right = both
    if left is None or right is None:
        return True
    types = on.read.types(left) & on.read.types(right)
    if not types or _values_apart(on, left, right) or _values_apart(on, right, left):
        return True
    return (
        depth > 0
        and types == {"object"}
        and any(
            apart(on, on.read.member(left, name), on.read.member(right, name), depth - 1)
            for name in sorted(on.read.required(left) | on.read.required(right))
        )
    )


def _values_apart(on: Comparison, one: Facts, other: Facts) -> bool:
    values = on.read.values(one)
    return values is not None and all(
        any(on.fits(fact, value) is False for fact in other) for value in values
    )
