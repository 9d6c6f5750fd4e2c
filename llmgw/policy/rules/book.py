"""Settings and stored rules, merged: pure, and made anew when either changes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmgw.policy.rules.terms import ANY, Bounds, Configured, Subject, SubjectLimits
from llmgw.policy.spending.values import PARTS_MAX, Budget, LapsePolicy, Limit, Scope, named
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidRequest

_Tree = dict[tuple[Scope, str], SubjectLimits]
TREES_MAX: Final = 4096
"""Tenants whose entries are kept merged."""


class Book:
    """Who is held to what.

    A tenant's entries are those of the settings under its name, or else under `*`. A stored rule stands in the
    place of the entry of exactly its subject; a subject without one has that of `*` in its scope.
    """

    def __init__(self, configured: Configured, stored: Mapping[Subject, SubjectLimits]) -> None:
        self.configured = configured
        self._stored: dict[str, _Tree] = {}
        for subject, limits in stored.items():
            self._stored.setdefault(subject.tenant, {})[subject.scope, subject.name] = limits
        self._trees: dict[str, _Tree] = {}

    def bounds(self, caller: Caller, tags: Iterable[str]) -> Bounds:
        """Gather what a call is held to: its tenant, its team, its key, and each of its tags.

        Raises:
            InvalidRequest: its tags bring more limits or budgets than one call can have.
        """
        subjects: list[tuple[Scope, str]] = [("tenant", caller.tenant)]
        if caller.team:
            subjects.append(("team", caller.team))
        subjects.append(("key", caller.key_id))
        subjects += [("tag", tag) for tag in dict.fromkeys(tags)]
        tree = self._tree(caller.tenant)
        limits, budgets, said = list[Limit](), list[Budget](), list[SubjectLimits]()
        for scope, name in subjects:
            found = tree.get((scope, name)) or tree.get((scope, ANY))
            if found is not None:
                said.append(found)
                limit = found.limit(scope, named(name))
                limits += [] if limit is None else [limit]
                budgets += found.budgets_of(scope, named(name))
        if max(len(limits), len(budgets)) > PARTS_MAX:
            raise InvalidRequest(
                f"this key's and this call's tags bring {len(limits)} limits and {len(budgets)} budgets;"
                f" a call can be held to {PARTS_MAX} of each: use fewer tags",
                param="tags",
            )
        base = self.configured
        return Bounds(
            limits=tuple(limits),
            budgets=tuple(budgets),
            on_headroom=_strictest("refuse", (each.on_headroom for each in said), base.on_headroom),
            degraded=_strictest("refuse", (each.degraded for each in said), base.degraded),
            lapse=_strictest(_CHARGE, (each.lapse for each in said), base.lapse),
            default_max_tokens=base.default_max_tokens,
        )

    def _tree(self, tenant: str) -> _Tree:
        tree = self._trees.get(tenant)
        if tree is None:
            if len(self._trees) >= TREES_MAX:
                self._trees.clear()
            configured = self.configured.tenants
            own = tenant in configured
            tree = self._trees[tenant] = {
                **configured.get(tenant if own else ANY, {}),
                **({} if own else self._stored.get(ANY, {})),
                **self._stored.get(tenant, {}),
            }
        return tree


_CHARGE: Final[LapsePolicy] = "charge_estimate"


def _strictest(strict: Any, said: Iterable[Any], base: Any) -> Any:
    """The strict word where one entry says it, what the settings say where none says anything."""
    words = {each for each in said if each is not None}
    return strict if strict in words else next(iter(words), base)
