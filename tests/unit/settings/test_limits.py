"""The section `limits`: what can be written, what cannot, and how it reaches the rules."""

from collections.abc import Callable
from pathlib import Path

import pytest
from llmgw.policy.rules.terms import Configured, SubjectLimits
from llmgw.settings import Loaded, Settings
from llmgw.settings.change import restart_needed
from llmgw.settings.limits import configured_limits

WHOLE = """
limits:
  default_max_tokens: 1000
  on_headroom: clamp
  degraded: allow
  lapse: release
  tenants:
    acme:
      requests_per_minute: 600
      budgets: {month: 500, day: 0.1}
      teams: {search: {tokens_per_minute: 1000000}, "*": {concurrent: 5, degraded: refuse}}
      keys: {"*": {concurrent: 1}}
      tags: {"product: a/b": {budgets: {total: 1}}}
    "*": {concurrent: 9}
    free: {}
"""


def test_the_section_reaches_the_rules(loaded: Callable[..., Loaded]) -> None:
    """By tenant, scope and name; a tenant that is named without limits is there, with none."""
    assert configured_limits(loaded(WHOLE).settings.limits) == Configured(
        default_max_tokens=1000,
        on_headroom="clamp",
        degraded="allow",
        lapse="release",
        tenants={
            "acme": {
                ("tenant", "acme"): SubjectLimits(
                    requests_per_minute=600, budgets={"month": 500, "day": 0.1}
                ),
                ("team", "search"): SubjectLimits(tokens_per_minute=1_000_000),
                ("team", "*"): SubjectLimits(concurrent=5, degraded="refuse"),
                ("key", "*"): SubjectLimits(concurrent=1),
                ("tag", "product: a/b"): SubjectLimits(budgets={"total": 1}),
            },
            "*": {("tenant", "*"): SubjectLimits(concurrent=9)},
            "free": {},
        },
    )


def test_without_the_section_nothing_is_limited(loaded: Callable[..., Loaded]) -> None:
    """And what is not said is strict."""
    assert configured_limits(loaded("server: {}").settings.limits) == Configured()
    assert (Configured().on_headroom, Configured().degraded, Configured().lapse) == (
        "refuse",
        "refuse",
        "charge_estimate",
    )


def test_a_reload_takes_it_over(loaded: Callable[..., Loaded]) -> None:
    """No restart is needed."""
    assert restart_needed(Settings(), loaded(WHOLE).settings) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default_max_tokens: 0", "limits.default_max_tokens: expected a whole number from 1 to 10000000"),
        ("on_headroom: cut", "limits.on_headroom: expected one of refuse, clamp"),
        ("degraded: clamp", "limits.degraded: expected one of refuse, allow"),
        ("lapse: forget", "limits.lapse: expected one of release, charge_estimate"),
        ("tenants: [acme]", "limits.tenants: expected a mapping, got a list"),
        ("tenants: {A B: {}}", 'limits.tenants["A B"]: a tenant\'s name has 1 to 63 of a-z'),
        ("tenants: {acme: {request_per_minute: 1}}", 'unknown key; did you mean "requests_per_minute"?'),
        (
            "tenants: {acme: {concurrent: -1}}",
            "limits.tenants.acme.concurrent: expected a whole number from 0",
        ),
        (
            "tenants: {acme: {concurrent: 1.5}}",
            "limits.tenants.acme.concurrent: expected a whole number from 0",
        ),
        ("tenants: {acme: {budgets: {week: 1}}}", "limits.tenants.acme.budgets.week: unknown key"),
        (
            "tenants: {acme: {budgets: {day: -1}}}",
            "limits.tenants.acme.budgets.day: expected a number from 0",
        ),
        (
            "tenants: {acme: {budgets: {day: 1e10}}}",
            "limits.tenants.acme.budgets.day: expected a number from 0",
        ),
        ("tenants: {acme: {budgets: {day: .nan}}}", "limits.tenants.acme.budgets.day: "),
        (
            "tenants: {acme: {budgets: {day: 0.0000000001}}}",
            "limits.tenants.acme.budgets.day: an amount in US dollars has at most nine decimals",
        ),
        (
            "tenants: {acme: {teams: {search: {budgets: {day: 1234567.123456789}}}}}",
            "limits.tenants.acme.teams.search.budgets.day: an amount in US dollars has at most 15 digits",
        ),
        (
            "tenants: {acme: {teams: {A B: {}}}}",
            'limits.tenants.acme.teams["A B"]: a team\'s name has 1 to 63',
        ),
        ("tenants: {acme: {keys: {a b: {}}}}", 'limits.tenants.acme.keys["a b"]: a key\'s id has 1 to 64'),
        ('tenants: {acme: {tags: {"": {}}}}', 'limits.tenants.acme.tags[""]: a tag has 1 to 64 printable'),
        ("tenants: {acme: {teams: {s: {teams: {}}}}}", "limits.tenants.acme.teams.s.teams: unknown key"),
    ],
)
def test_what_cannot_be_meant_is_told(problems: Callable[..., list[str]], text: str, expected: str) -> None:
    """With its place."""
    (problem,) = problems(f"limits:\n  {text}\n")
    assert expected in problem


def test_the_page_on_limits_shows_what_can_be_written(loaded: Callable[..., Loaded]) -> None:
    """Its file loads, and limits what it says."""
    page = (Path(__file__).parents[3] / "docs" / "limits.md").read_text(encoding="utf-8")
    written = page.partition("```yaml\n")[2].partition("```")[0]
    tenants = configured_limits(loaded(written).settings.limits).tenants
    assert tenants["acme"]["team", "search"] == SubjectLimits(concurrent=20, budgets={"month": 200})
    assert set(tenants) == {"acme", "*"}
