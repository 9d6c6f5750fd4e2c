"""Which targets to try for one call, in which order; pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from llmgw.routing.catalog import Alias, WeightedTarget
from llmgw.types.errors import NoHealthyTarget, PriceMissing, UnsupportedParameter
from llmgw.types.feature import Feature
from llmgw.types.target import Target


class HealthView(Protocol):
    """What planning asks about health."""

    def rest_s(self, target: Target) -> float:
        """Return the seconds until `target` may be tried again; 0 when it may be tried now."""


def plan(alias: Alias, needs: Mapping[Feature, str], health: HealthView, draw: float) -> tuple[Target, ...]:
    """Order the targets of an alias for one call; never empty.

    Left out are targets that lack a feature in `needs` (feature -> the request member that needs it), those
    without a price where only priced ones may be asked, and those that rest. `ordered` keeps the listed order.
    `weighted` begins with the target whose share of [0, 1) holds `draw`, shares being the weights of the targets
    left; the rest follow as fallbacks, heaviest first.

    Raises:
        UnsupportedParameter: no target has all the features; `param` names a member that cannot be honoured.
        PriceMissing: none of these has a price, and only priced ones may be asked.
        NoHealthyTarget: all that have them rest; `retry_after_s` says until when the first of them does.
    """
    able = alias.targets
    if len(able) == 1:
        target = able[0].target
        if needs.keys() <= target.features and not _forbidden(target) and health.rest_s(target) <= 0:
            return (target,)
    if needs:
        able = tuple(each for each in able if needs.keys() <= each.target.features)
        if not able:
            raise _unsupported(alias, needs)
    able = tuple(each for each in able if not _forbidden(each.target))
    if not able:
        raise PriceMissing(f"no target of {alias.name} has a price: name one in prices.models", param="model")
    fit = [each for each in able if health.rest_s(each.target) <= 0]
    if not fit:
        soonest = min((health.rest_s(each.target) for each in able), default=0.0)
        raise NoHealthyTarget(f"every target of {alias.name} rests after failures", retry_after_s=soonest)
    if alias.strategy == "weighted" and len(fit) > 1:
        fit = _drawn_first(fit, draw)
    return tuple(each.target for each in fit)


def _drawn_first(fit: Sequence[WeightedTarget], draw: float) -> list[WeightedTarget]:
    fallbacks = sorted(fit, key=lambda each: -each.weight)
    total = sum(each.weight for each in fit)
    if total == 0:
        return fallbacks
    point = draw * total
    first = fallbacks[0]
    for each in fit:
        point -= each.weight
        if point < 0:
            first = each
            break
    return [first, *(each for each in fallbacks if each is not first)]


def _forbidden(target: Target) -> bool:
    return target.prices is not None and target.prices.forbids(target.model)


def _unsupported(alias: Alias, needs: Mapping[Feature, str]) -> UnsupportedParameter:
    had = frozenset[Feature]().union(*(each.target.features for each in alias.targets))
    for feature, member in needs.items():
        if feature not in had:
            return UnsupportedParameter(
                f"no target of {alias.name} supports {feature.value} ({member})", param=member
            )
    # Each feature is somewhere, but never all of them: name what the first target is short of.
    features = alias.targets[0].target.features
    feature, member = next(pair for pair in needs.items() if pair[0] not in features)
    together = ", ".join(sorted(needed.value for needed in needs))
    return UnsupportedParameter(
        f"no target of {alias.name} supports {feature.value} ({member}) together with all of: {together}",
        param=member,
    )
