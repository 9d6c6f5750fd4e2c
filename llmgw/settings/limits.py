"""Limits and budgets in the settings."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from llmgw.policy.rules.terms import (
    DEFAULT_MAX_TOKENS,
    Configured,
    Degraded,
    Headroom,
    Subject,
    SubjectLimits,
    amount_problem,
    subject_problem,
)
from llmgw.policy.spending.values import LapsePolicy, Scope
from llmgw.settings.problem import Finding, Path


class TenantLimits(SubjectLimits, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a tenant may take as a whole, and what its teams, keys and tags may."""

    teams: Annotated[dict[str, SubjectLimits], Meta(max_length=10_000)] = field(default_factory=dict)
    """Entries by the teams of keys; `*` is each team without one, by itself."""
    keys: Annotated[dict[str, SubjectLimits], Meta(max_length=10_000)] = field(default_factory=dict)
    """Entries by the ids of keys; `*` is each key without one, by itself."""
    tags: Annotated[dict[str, SubjectLimits], Meta(max_length=10_000)] = field(default_factory=dict)
    """Entries by tags of keys and calls; `*` is each tag without one, by itself."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What callers may take, in calls, tokens and money."""

    default_max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] = DEFAULT_MAX_TOKENS
    """Told to the provider as the most tokens that it may answer, where a call under a budget or a limit of tokens
    does not say."""
    on_headroom: Headroom = "refuse"
    """A call whose most possible cost does not fit a budget: `refuse` it, or `clamp` its tokens to what is left."""
    degraded: Degraded = "refuse"
    """Calls under a budget while the store is away: `refuse` them, or `allow` them and charge them later."""
    lapse: LapsePolicy = "charge_estimate"
    """A call whose end was never told: `charge_estimate` charges the most it could cost, `release` nothing."""
    tenants: Annotated[dict[str, TenantLimits], Meta(max_length=10_000)] = {}
    """Entries by tenants; `*` is each tenant without one, by itself."""


def configured_limits(limits: Limits) -> Configured:
    """What the settings say, as the rules take it."""
    return Configured(
        default_max_tokens=limits.default_max_tokens,
        on_headroom=limits.on_headroom,
        degraded=limits.degraded,
        lapse=limits.lapse,
        tenants={name: dict(_entries(name, tenant)) for name, tenant in limits.tenants.items()},
    )


def limit_findings(limits: Limits) -> Iterator[Finding]:
    """Yield names that nothing can have, and amounts that cannot be kept exactly."""
    for name, tenant in limits.tenants.items():
        path: Path = ("limits", "tenants", name)
        problem = subject_problem(Subject(name, "tenant", name))
        if problem is not None:
            yield Finding(path=path, message=problem[1])
            continue
        for (scope, inner), entry in _entries(name, tenant):
            where = path if scope == "tenant" else (*path, f"{scope}s", inner)
            problem = subject_problem(Subject(name, scope, inner))
            if problem is not None:
                yield Finding(path=where, message=problem[1])
            amount = amount_problem(entry)
            if amount is not None:
                yield Finding(path=(*where, "budgets", amount[0]), message=amount[1])


def _entries(name: str, tenant: TenantLimits) -> Iterator[tuple[tuple[Scope, str], SubjectLimits]]:
    """What is set for a tenant, by scope and name; for what it does not limit there is no entry."""
    own = SubjectLimits(**{member: getattr(tenant, member) for member in SubjectLimits.__struct_fields__})
    if own != SubjectLimits():
        yield ("tenant", name), own
    scopes: tuple[tuple[Scope, Mapping[str, SubjectLimits]], ...] = (
        ("team", tenant.teams),
        ("key", tenant.keys),
        ("tag", tenant.tags),
    )
    for scope, entries in scopes:
        for inner, entry in entries.items():
            yield (scope, inner), entry
