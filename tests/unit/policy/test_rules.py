"""What is in force for a call: settings and stored rules merged, exactly and strictly."""

import asyncio
from contextlib import aclosing

import pytest
from llmgw.policy.rules.rule_store import Rule, RuleStore, Stored, etag_of
from llmgw.policy.rules.rules import CACHE_MAX, Rules
from llmgw.policy.rules.terms import (
    Bounds,
    Configured,
    Subject,
    SubjectLimits,
    amount_problem,
    subject_problem,
)
from llmgw.policy.spending.values import PARTS_MAX, Budget, Limit, Scope, named
from llmgw.state.audit_chain import Tail
from llmgw.state.connection import State
from llmgw.types.call import ANYBODY, Caller
from llmgw.types.clock import SystemClock
from llmgw.types.errors import InvalidRequest

TEN = SubjectLimits(concurrent=10)


def caller(tenant: str = "acme", team: str = "search", key: str = "k1", tags: tuple[str, ...] = ()) -> Caller:
    """The holder of a key."""
    return Caller(key_id=key, name="app", role="caller", tenant=tenant, team=team, tags=tags)


def rules(
    configured: Configured | dict[str, dict[tuple[Scope, str], SubjectLimits]],
    stored: dict[Subject, SubjectLimits] | None = None,
) -> Rules:
    """Rules whose stored part is as if it had been read."""
    if isinstance(configured, dict):
        configured = Configured(tenants=configured)

    class Store(RuleStore):
        """A store that has these rules."""

        async def all(self) -> Stored:
            """Read them."""
            put = {
                subject: Rule(
                    tenant=subject.tenant,
                    scope=subject.scope,
                    name=subject.name,
                    limits=limits,
                    by="",
                    at_ms=1,
                )
                for subject, limits in (stored or {}).items()
            }
            return Stored(tail=Tail(len(put), "digest"), rules=put)

    async def made() -> Rules:
        async with aclosing(State("unix:///nowhere")) as state:
            made = Rules(configured, Store(state, SystemClock()))
            await made.look()
            return made

    return asyncio.run(made())


def titles(bounds: Bounds) -> list[str]:
    """Limits and budgets by name."""
    return [each.title for each in bounds.limits] + [each.title for each in bounds.budgets]


def test_each_subject_brings_its_own() -> None:
    """Tenant, team, key and tags of the key and of the call: a limit and budgets each, with exact amounts."""
    found = rules(
        {
            "acme": {
                ("tenant", "acme"): SubjectLimits(
                    requests_per_minute=600, budgets={"month": 500, "day": 0.1}
                ),
                ("team", "search"): SubjectLimits(tokens_per_minute=7, budgets={"total": 1e9}),
                ("key", "k1"): TEN,
                ("tag", "a b"): SubjectLimits(budgets={"minute": 0.000000001}),
                ("tag", "other"): TEN,
                ("team", "other"): TEN,
            }
        }
    ).in_force(caller(tags=("a b",)), ("x",))
    assert found.limits == (
        Limit(scope="tenant", name="acme", requests_per_minute=600),
        Limit(scope="team", name="search", tokens_per_minute=7),
        Limit(scope="key", name="k1", concurrent=10),
    )
    assert found.budgets == (
        Budget(scope="tenant", name="acme", window="day", amount_nano=100_000_000),
        Budget(scope="tenant", name="acme", window="month", amount_nano=500 * 10**9),
        Budget(scope="team", name="search", window="total", amount_nano=10**18),
        Budget(scope="tag", name=named("a b"), window="minute", amount_nano=1),
    )
    assert not found.empty


def test_a_star_gives_each_subject_its_own() -> None:
    """Under `*` two teams have two limits, two keys two, two tags two; an entry by name stands before it."""
    there = rules(
        {
            "acme": {
                ("team", "*"): TEN,
                ("team", "free"): SubjectLimits(),
                ("key", "*"): TEN,
                ("key", "big"): SubjectLimits(concurrent=99),
                ("tag", "*"): TEN,
            }
        }
    )
    assert titles(there.in_force(caller(), ("x", "y"))) == ["team:search", "key:k1", "tag:x", "tag:y"]
    assert titles(there.in_force(caller(team="ads"))) == ["team:ads", "key:k1"]
    assert titles(there.in_force(caller(team="free"))) == ["key:k1"]
    assert titles(there.in_force(caller(team=""))) == ["key:k1"]
    assert there.in_force(caller(team="", key="big")).limits[0].concurrent == 99


def test_a_tenant_without_an_entry_has_that_of_the_star() -> None:
    """Each by itself, teams included; a tenant that is named has nothing of it, however little it has itself."""
    there = rules({"*": {("tenant", "*"): TEN, ("team", "*"): TEN}, "acme": {}})
    assert titles(there.in_force(caller("solo"))) == ["tenant:solo", "team:search"]
    assert titles(there.in_force(ANYBODY)) == ["tenant:default"]
    assert there.in_force(caller("acme")).empty


def test_a_stored_rule_stands_for_exactly_its_subject() -> None:
    """In the place of what the settings say of it, with nothing of that left; others keep theirs."""
    there = rules(
        {
            "acme": {
                ("tenant", "acme"): SubjectLimits(requests_per_minute=5, budgets={"day": 1}),
                ("team", "search"): TEN,
                ("team", "*"): TEN,
            },
            "*": {("tenant", "*"): TEN, ("key", "*"): TEN},
        },
        {
            Subject("acme", "tenant", "acme"): SubjectLimits(budgets={"month": 2}),
            Subject("acme", "team", "search"): SubjectLimits(),
            Subject("solo", "key", "k1"): SubjectLimits(concurrent=1),
            Subject("*", "key", "*"): SubjectLimits(concurrent=2),
        },
    )
    assert titles(there.in_force(caller())) == ["tenant:acme:month"]
    assert titles(there.in_force(caller(team="ads"))) == ["team:ads", "tenant:acme:month"]
    solo = there.in_force(caller("solo"))
    assert [(each.title, each.concurrent) for each in solo.limits] == [("tenant:solo", 10), ("key:k1", 1)]
    other = there.in_force(caller("solo", key="k2"))
    assert [(each.title, each.concurrent) for each in other.limits] == [("tenant:solo", 10), ("key:k2", 2)]


@pytest.mark.parametrize(
    ("base", "tenant", "team", "expected"),
    [
        (("refuse", "refuse", "charge_estimate"), (), (), ("refuse", "refuse", "charge_estimate")),
        (("clamp", "allow", "release"), (), (), ("clamp", "allow", "release")),
        (("refuse", "refuse", "charge_estimate"), ("clamp", "allow", "release"), (), ("clamp", "allow", "release")),
        (
            ("clamp", "allow", "release"),
            ("clamp", "allow", "release"),
            ("refuse", "refuse", "charge_estimate"),
            ("refuse", "refuse", "charge_estimate"),
        ),
        (
            ("clamp", "allow", "release"),
            ("refuse", "refuse", "charge_estimate"),
            ("clamp", "allow", "release"),
            ("refuse", "refuse", "charge_estimate"),
        ),
    ],
)  # fmt: skip
def test_the_strictest_word_wins(
    base: tuple[str, ...], tenant: tuple[str, ...], team: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Where entries speak, the strictest of them; where none does, the section."""

    def said(words: tuple[str, ...]) -> SubjectLimits:
        members = dict(zip(("on_headroom", "degraded", "lapse"), words, strict=False))
        return SubjectLimits(**members)  # type: ignore[arg-type]

    found = rules(
        Configured(
            on_headroom=base[0],  # type: ignore[arg-type]
            degraded=base[1],  # type: ignore[arg-type]
            lapse=base[2],  # type: ignore[arg-type]
            default_max_tokens=7,
            tenants={"acme": {("tenant", "acme"): said(tenant), ("team", "search"): said(team)}},
        )
    ).in_force(caller())
    assert (found.on_headroom, found.degraded, found.lapse) == expected
    assert found.default_max_tokens == 7
    assert found.empty


def test_too_many_parts_are_refused_and_never_dropped() -> None:
    """A caller that names more tags than a call can be held to is told so."""
    there = rules({"acme": {("tag", "*"): SubjectLimits(budgets={"day": 1, "month": 1})}})
    half = tuple(f"t{number}" for number in range(PARTS_MAX // 2))
    assert len(there.in_force(caller(), half).budgets) == PARTS_MAX
    with pytest.raises(InvalidRequest, match="use fewer tags") as refused:
        there.in_force(caller(tags=("mine",)), half)
    assert refused.value.param == "tags"


def test_a_tag_of_key_and_call_counts_once() -> None:
    """Twice the same limit would count each call twice."""
    found = rules({"acme": {("tag", "*"): TEN}}).in_force(caller(tags=("a", "b")), ("b", "a", "c", "c"))
    assert titles(found) == ["tag:a", "tag:b", "tag:c"]


def test_what_was_found_is_remembered_until_it_changes() -> None:
    """The same object again for the same caller and tags; another one after other settings."""
    there = rules({"acme": {("tenant", "acme"): TEN}})
    first = there.in_force(caller(), ("a",))
    assert there.in_force(caller(), ("a",)) is first
    assert there.in_force(caller(), ["a"]) is first
    there.configure(Configured(tenants={"acme": {("tenant", "acme"): SubjectLimits(concurrent=11)}}))
    assert there.in_force(caller(), ("a",)).limits[0].concurrent == 11
    moved = caller(tags=("new",))
    assert there.in_force(moved) is not there.in_force(caller())


def test_what_is_remembered_is_bounded() -> None:
    """Callers that draw their tags at random do not fill the memory."""
    there = rules({})
    kept = there.in_force(caller(), ("0",))
    for number in range(1, CACHE_MAX):
        there.in_force(caller(), (str(number),))
    assert there.in_force(caller(), ("0",)) is kept
    there.in_force(caller(), ("one more",))
    assert there.in_force(caller(), ("0",)) is not kept


@pytest.mark.parametrize(
    ("subject", "member"),
    [
        (("acme", "tenant", "acme"), None),
        (("*", "tenant", "*"), None),
        (("acme", "team", "*"), None),
        (("acme", "team", "search"), None),
        (("acme", "key", "3kTMd0x9aB2c"), None),
        (("acme", "tag", "product: search/é"), None),
        (("Acme", "team", "*"), "tenant"),
        (("", "team", "*"), "tenant"),
        (("acme", "group", "*"), "scope"),
        (("acme", "tenant", "other"), "name"),
        (("acme", "tenant", "*"), "name"),
        (("acme", "team", "A B"), "name"),
        (("acme", "team", ""), "name"),
        (("acme", "key", "a b"), "name"),
        (("acme", "tag", ""), "name"),
        (("acme", "tag", "a\nb"), "name"),
        (("acme", "tag", "x" * 65), "name"),
    ],
)
def test_who_can_be_meant(subject: tuple[str, Scope, str], member: str | None) -> None:
    """Names that keys can have; a tenant's own limits have its name."""
    problem = subject_problem(Subject(*subject))
    assert (None if problem is None else problem[0]) == member


def test_amounts_that_cannot_be_kept_are_found() -> None:
    """By the window they are of."""
    assert amount_problem(SubjectLimits(budgets={"day": 0.1, "month": 1e-9})) is None
    assert amount_problem(SubjectLimits(budgets={"day": 1, "hour": 1e-10})) is not None
    assert amount_problem(SubjectLimits(budgets={"day": 0.1 + 0.2})) is not None


def test_entity_tags_tell_what_is_set() -> None:
    """Equal limits have equal tags, in whatever order they were written."""
    one = SubjectLimits(budgets={"day": 1.0, "month": 2.0})
    other = SubjectLimits(budgets={"month": 2.0, "day": 1.0})
    assert etag_of(one) == etag_of(other) != etag_of(SubjectLimits())
    assert etag_of(None) == ""
