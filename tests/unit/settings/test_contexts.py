"""The settings of stored conversations: what cannot be is told in words, and who decides what is left open."""

from collections.abc import Callable

import pytest
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.settings import ContextSettings
from llmgw.settings import Loaded
from llmgw.types.context import BASE_POLICY, DEFAULT_LEVEL, Policy

GOOD = "a" * 32
PUBLIC = "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keys: {K1: " + GOOD + "}", "contexts.keys.K1: a key's id is up to 32 of a-z, 0-9, '_' and '-'"),
        ("keys: {k1: short}", "contexts.keys.k1: is shorter than 32 characters"),
        ("keys: [x]", "contexts.keys: expected a mapping, got a list"),
        ("trust: [xyz]", "contexts.trust[0]: must be 64 characters long"),
        ("trust: [" + "zz" * 32 + "]", "contexts.trust[0]: is not a public key: 64 hexadecimal digits"),
        ("tenants: {A B: {}}", 'contexts.tenants["A B"]: a tenant\'s name has 1 to 63 of a-z, 0-9'),
        ("encrypt: maybe", "contexts.encrypt: expected true or false, got text"),
        ("lease_s: 0", "contexts.lease_s: expected a number from 1 to 3600"),
        ("lease_s: 3601", "contexts.lease_s: expected a number from 1 to 3600"),
        ("cache_mib: 0", "contexts.cache_mib: expected a whole number from 1 to 65536"),
        ("read_back: 1.1", "contexts.read_back: expected a number from 0 to 1"),
        ("policy: {fit: squeeze}", "contexts.policy.fit: "),
        ("policy: {fit_target: 0}", "contexts.policy.fit_target: expected a number over 0 and up to 1"),
        ("policy: {enforcement: maybe}", "contexts.policy.enforcement: "),
        ("policy: {rules: {tool.paring: strict}}", "contexts.policy.rules"),
        ("policy: {rules: {tool.pairing: maybe}}", "contexts.policy.rules"),
        ("policy: {ttl_s: 59}", "contexts.policy.ttl_s: expected a whole number from 60"),
        ("policy: {max_bytes: 1}", "contexts.policy.max_bytes: expected a whole number from 1024"),
        ("policy: {min_preservation: 2}", "contexts.policy.min_preservation: expected a number from 0 to 1"),
        ("policy: {state_schema: order}", "contexts.policy.state_schema: "),
        ("policy: {summary_alias: nobody}", "contexts.policy.summary_alias: "),
        ("tenants: {acme: {summary_alias: nobody}}", "contexts.tenants.acme.summary_alias: "),
        ("tenants: {acme: {fitt: error}}", 'contexts.tenants.acme.fitt: unknown key; did you mean "fit"?'),
    ],
)
def test_what_cannot_be_is_told_in_words(
    problems: Callable[..., list[str]], text: str, expected: str
) -> None:
    """Each problem names its place, and none of them a secret."""
    found = problems(f"contexts: {{{text}}}\n")
    assert any(expected in problem for problem in found), found
    assert not any(GOOD in problem or "short" in problem.replace("shorter", "") for problem in found)


def test_what_is_set_is_taken(loaded: Callable[..., Loaded]) -> None:
    """Keys keep their order, of which the last signs; policies are read whole."""
    text = f"""
contexts:
  encrypt: true
  keys: {{k1: {GOOD}, k0: {"b" * 32}}}
  trust: [{PUBLIC}]
  policy: {{fit: middle_out, rules: {{tool.pairing: strict}}}}
  tenants: {{acme: {{ttl_s: 60}}}}
"""
    contexts = loaded(text).settings.contexts
    assert ChainKeys(contexts.keys, contexts.trust).current == "k0"
    assert contexts.policy == Policy(fit="middle_out", rules={"tool.pairing": "strict"})
    assert contexts.tenants == {"acme": Policy(ttl_s=60)}
    assert GOOD not in repr(contexts)


def test_what_is_left_open_is_decided_from_the_outside_in() -> None:
    """A context's own policy, then its alias's, its tenant's, the operator's, and at last the gateway's."""
    settings = ContextSettings(
        policy=Policy(
            fit="drop_oldest", keep_first=2, ttl_s=100, rules={"tool.pairing": "warn", "role.order": "off"}
        ),
        tenants={"acme": Policy(keep_first=3, ttl_s=200, rules={"tool.pairing": "strict"})},
    )
    alias = Policy(ttl_s=300, rules={"window.fit": "off"})
    own = Policy(fit="summarise", rules={"window.fit": "strict"})
    chosen = own.over(settings.base("acme", alias))
    assert (chosen.fit, chosen.ttl_s, chosen.keep_first, chosen.max_bytes) == (
        "summarise", 300, 3, BASE_POLICY.max_bytes,
    )  # fmt: skip
    assert chosen.rules == {"tool.pairing": "strict", "role.order": "off", "window.fit": "strict"}
    assert settings.base("other").keep_first == 2
    assert settings.base("other").rules["tool.pairing"] == "warn"
    assert ContextSettings().base("x") == BASE_POLICY


def test_what_is_switched_off_stays_off() -> None:
    """A no is a decision, too: it is not taken for something left open."""
    base = ContextSettings(policy=Policy(keep_raw=False, require_if_match=False, keep_first=0)).base("x")
    assert (base.keep_raw, base.keep_first) == (False, 0)
    assert Policy(keep_first=0).over(Policy(keep_first=5)).keep_first == 0


def test_the_level_of_a_rule() -> None:
    """Its own, else that of the policy, else the rule's; mistakes are mended unless somebody says otherwise."""
    assert Policy().level("tool.pairing") == "repair"
    assert Policy().level("media.resolvable") == DEFAULT_LEVEL["media.resolvable"] == "warn"
    assert Policy(enforcement="strict").level("media.resolvable") == "strict"
    assert Policy(enforcement="strict", rules={"media.resolvable": "off"}).level("media.resolvable") == "off"
