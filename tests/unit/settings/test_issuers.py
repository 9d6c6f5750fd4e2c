"""The settings of issuers: what cannot be meant refuses to start, in words."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from llmgw.settings import Loaded
from llmgw.settings.issuers import Issuer, rules_of
from tests.local_issuer import SigningKey

PAGE = (Path(__file__).parents[3] / "docs" / "login.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GOOD: dict[str, object] = {
    "name": "corp",
    "issuer": "https://id.example/realms/main",
    "audience": "llmgw",
    "algorithm": "RS256",
    "roles": {"map": {"llm-admins": "admin"}},
    "tenant": {"fixed": "acme"},
}
AT = "auth.issuers[0]"


def written(*issuers: dict[str, object], **auth: object) -> str:
    """A settings file."""
    return yaml.safe_dump({"auth": {**auth, "issuers": list(issuers)}})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"algorithm": "HS256"}, f"{AT}.algorithm: expected one of RS256, RS384"),
        ({"algorithm": "none"}, f"{AT}.algorithm: expected one of RS256"),
        ({"algorithm": ["RS256", "ES256"]}, f"{AT}.algorithm: expected one of RS256"),
        ({"algorithm": "rs256"}, f"{AT}.algorithm: expected one of RS256"),
        ({"name": "Corp"}, f"{AT}.name: an issuer's name is up to 32"),
        ({"name": "a:b"}, f"{AT}.name: an issuer's name is up to 32"),
        ({"name": "n" * 33}, f"{AT}.name: an issuer's name is up to 32"),
        (
            {"issuer": "http://id.example"},
            f"{AT}.issuer: must start with https:// unless it is on this machine",
        ),
        ({"issuer": "id.example"}, f"{AT}.issuer: must start with http"),
        ({"issuer": "https://id.example?x=1"}, f"{AT}.issuer: must not hold a query"),
        ({"issuer": "https://a:b@id.example"}, f"{AT}.issuer: must not hold a user name or password"),
        ({"issuer": ""}, f"{AT}.issuer: must be 1 to 2048 characters long"),
        ({"audience": ""}, f"{AT}.audience: must be 1 to 2048 characters long"),
        ({"jwks_url": "http://id.example/keys"}, f"{AT}.jwks_url: must start with https://"),
        ({"jwks_url": "file:///etc/passwd"}, f"{AT}.jwks_url: must start with http"),
        ({"jwks_file": "nowhere.json"}, f"{AT}.jwks_file: the file cannot be read: No such file"),
        ({"jwks_file": "."}, f"{AT}.jwks_file: the file cannot be read"),
        ({"jwks_file": "llmgw.yaml"}, f"{AT}.jwks_file: what is there is no JSON Web Key Set"),
        (
            {"jwks_file": "x.json", "jwks_url": "https://id.example/keys"},
            f"{AT}.jwks_file: its keys are at jwks_url already",
        ),
        ({"roles": {}}, f"{AT}.roles: gives nobody a role"),
        ({"roles": {"map": {"x": "root"}}}, f"{AT}.roles.map.x: expected one of admin"),
        ({"roles": {"map": {"x": "caller"}, "default": "all"}}, f"{AT}.roles.default: expected one of none"),
        ({"roles": {"map": {"x": "caller"}, "claim": ""}}, f"{AT}.roles.claim: must be 1 to 256"),
        ({"roles": {"map": {"x": "caller"}, "claim": "/"}}, f"{AT}.roles.claim: is the path to no claim"),
        ({"tenant": {}}, f"{AT}.tenant: needs exactly one of claim and fixed"),
        ({"tenant": {"claim": "t", "fixed": "acme"}}, f"{AT}.tenant: needs exactly one of claim and fixed"),
        ({"tenant": {"fixed": "A"}}, f"{AT}.tenant.fixed: a tenant's name has 1 to 63"),
        ({"name_claim": "/"}, f"{AT}.name_claim: is the path to no claim"),
        ({"leeway_s": 301}, f"{AT}.leeway_s: expected a number from 0 to 300"),
        ({"max_age_s": 59}, f"{AT}.max_age_s: expected a number from 60"),
        ({"keys_s": 0}, f"{AT}.keys_s: expected a number over 0"),
        ({"calls": "maybe"}, f"{AT}.calls: expected true or false"),
        ({"algoritm": "RS256"}, 'unknown key; did you mean "algorithm"?'),
    ],
)
def test_what_cannot_be_meant_is_told_in_words(
    problems: Callable[..., list[str]], changed: dict[str, object], expected: str
) -> None:
    """Each names its place."""
    found = problems(written({**GOOD, **changed}))
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize("member", ["name", "issuer", "audience", "algorithm", "tenant"])
def test_nothing_is_assumed(problems: Callable[..., list[str]], member: str) -> None:
    """What says who is believed has no default."""
    (problem,) = problems(written({name: value for name, value in GOOD.items() if name != member}))
    assert f"{AT}.{member}: is required" in problem


def test_issuers_are_told_apart(problems: Callable[..., list[str]]) -> None:
    """Two of one name, or one issuer with two meanings, cannot be."""
    found = problems(written(GOOD, {**GOOD, "issuer": "https://b.example"}))
    assert ["auth.issuers[1].name: is that of another issuer, too" in each for each in found] == [True]
    found = problems(written(GOOD, {**GOOD, "name": "other", "audience": "other"}))
    assert ["auth.issuers[1].issuer: is that of another issuer, too" in each for each in found] == [True]


def test_tokens_are_not_asked_for_where_keys_are_not(problems: Callable[..., list[str]]) -> None:
    """`auth.mode: none` lets everybody in."""
    (problem,) = problems(written(GOOD, mode="none"))
    assert "auth.issuers: who asks for no keys cannot ask for tokens: auth.mode is none" in problem


def test_what_is_meant_is_taken_over(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    """Loopback may be http, and a file with keys lies beside the settings."""
    keys = {"keys": [SigningKey("k", "RS256").jwk]}
    (tmp_path / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    settings = loaded(
        written(
            GOOD,
            {**GOOD, "name": "near", "issuer": "http://localhost:8080", "tenant": {"claim": "/org/id"}},
            {**GOOD, "name": "offline", "issuer": "urn:corp", "jwks_file": "keys.json", "calls": True},
        )
    ).settings
    rules = [rules_of(each) for each in settings.auth.issuers]
    assert [each.name for each in rules] == ["corp", "near", "offline"]
    assert [each.calls for each in rules] == [False, False, True]
    assert (rules[0].tenant, rules[0].tenant_claim) == ("acme", None)
    assert (rules[1].tenant, rules[1].tenant_claim) == (None, "/org/id")
    assert rules[0].default is None
    assert rules[2].jwks_file == tmp_path / "keys.json"


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: re.findall(r"name: (\w+)", text)[0])
def test_the_examples_of_the_page_start(loaded: Callable[..., Loaded], text: str) -> None:
    """Each is a whole settings file, or an entry of the list in one."""
    whole = yaml.safe_load(text)
    auth = whole["auth"] if isinstance(whole, dict) else {"issuers": whole}
    (issuer,) = loaded(yaml.safe_dump({"auth": auth})).settings.auth.issuers
    assert rules_of(issuer).roles


def test_the_page_has_its_examples() -> None:
    """The search finds what it is about."""
    assert len(EXAMPLES) == 5


def test_the_page_tells_the_defaults() -> None:
    """Each setting is in its table, with the number that the code has."""
    table = dict(re.findall(r"^\| `(\w+)` \| `?([\w.]+)`? \|", PAGE, re.MULTILINE))
    for member in msgspec.structs.fields(Issuer):
        assert f"`{member.name}" in PAGE
        if isinstance(member.default, float):
            assert float(table[member.name]) == member.default
