"""The section `signals`: what cannot be is told in words that repeat no secret, what is set is taken."""

import base64
from collections.abc import Callable

import pytest
from llmgw.settings import Loaded
from llmgw.settings.show import to_yaml
from llmgw.settings.signals import signal_rules, webhooks

GOOD = base64.b64encode(b"s" * 32).decode()
HOOK = f"url: 'https://a.example/x', secret: {GOOD}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thresholds: [50, 50]", "signals.thresholds: has a percentage twice"),
        ("thresholds: [0]", "signals.thresholds[0]: expected a whole number from 1 to 100"),
        ("thresholds: [101]", "signals.thresholds[0]: expected a whole number from 1 to 100"),
        ("thresholds: 50", "signals.thresholds: expected a list"),
        ("spikes: {factor: 1}", "signals.spikes.factor: expected a number over 1"),
        ("spikes: {least_usd: -1}", "signals.spikes.least_usd: expected a number from 0"),
        ("spikes: {factors: 3}", 'signals.spikes.factors: unknown key; did you mean "factor"?'),
        ("webhooks: [{url: 'https://a.example/x'}]", "signals.webhooks[0].secret: is required"),
        ("webhooks: [{url: 'https://a.example/x', secret: ''}]", "signals.webhooks[0].secret: is empty"),
        (
            "webhooks: [{url: 'https://a.example/x', secret: sho.t}]",
            "signals.webhooks[0].secret: is not base64",
        ),
        (
            "webhooks: [{url: 'https://a.example/x', secret: c2hv}]",
            "signals.webhooks[0].secret: must have 24 to 64",
        ),
        (f"webhooks: [{{url: 'ftp://a.example', secret: {GOOD}}}]", "webhooks[0].url: must start with http"),
        (
            f"webhooks: [{{url: 'https://u:p@a.example', secret: {GOOD}}}]",
            "must not hold a user name or password",
        ),
        (f"webhooks: [{{url: 'https://a.example/#x', secret: {GOOD}}}]", "url: must not hold a fragment"),
        (f"webhooks: [{{{HOOK}}}, {{{HOOK}}}]", "signals.webhooks[1].url: is that of another webhook"),
        (f"webhooks: [{{{HOOK}, kinds: [budget.treshold]}}]", "signals.webhooks[0].kinds[0]: "),
        (f"webhooks: [{{{HOOK}, tenants: [A B]}}]", "signals.webhooks[0].tenants[0]: is not a tenant's name"),
    ],
)
def test_what_cannot_be_is_told_in_words(
    problems: Callable[..., list[str]], text: str, expected: str
) -> None:
    """Each problem names its place."""
    found = problems(f"signals: {{{text}}}\n")
    assert any(expected in problem for problem in found), found
    assert not any(GOOD in problem or "sho.t" in problem for problem in found)


def test_an_empty_variable_is_no_secret(problems: Callable[..., list[str]]) -> None:
    """A secret that its variable leaves empty keeps the gateway from starting."""
    text = "signals: {webhooks: [{url: 'https://a.example', secret: '${HOOK_SECRET}'}]}\n"
    assert any("signals.webhooks[0].secret: is empty" in each for each in problems(text, HOOK_SECRET=""))


def test_what_is_set_is_taken_and_the_secret_is_not_shown(loaded: Callable[..., Loaded]) -> None:
    """Rules in nano-USD, webhooks with what they get; what is shown of them has no secret."""
    text = f"""
signals:
  thresholds: [90]
  spikes: {{factor: 1.5, least_usd: 0.25}}
  webhooks:
    - {{url: "https://a.example/x", secret: whsec_{GOOD}, kinds: [spend.spike], tenants: [acme]}}
"""
    settings = loaded(text).settings
    rules = signal_rules(settings.signals)
    assert (rules.thresholds, rules.spikes.factor, rules.spikes.least_nano) == ((90,), 1.5, 250_000_000)
    (hook,) = webhooks(settings.signals)
    assert (hook.url, hook.kinds, hook.tenants) == ("https://a.example/x", ("spend.spike",), ("acme",))
    assert hook.secret.reveal() == f"whsec_{GOOD}"
    assert GOOD not in to_yaml(settings)
    assert "secret: '***'" in to_yaml(settings)
