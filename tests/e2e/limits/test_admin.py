"""Limits over the admin API: who may set what, what is refused, and that every worker hears of it."""

from typing import Any

import pytest
from tests.e2e.contexts.test_tenants import plain
from tests.e2e.limits.conftest import LimitsOffice
from tests.running import Answer, RunningGateway

ROOT = "/admin/v1/limits"


def problem(answer: Answer) -> tuple[int, str, str]:
    """Status, code and the first pointer of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    return answer.status, told["code"], told["violations"][0]["pointer"] if told.get("violations") else ""


def test_a_rule_goes_round(office: LimitsOffice, running: RunningGateway) -> None:
    """Set, felt by both workers, read back, unset, and all of it in the chain."""
    _, key = office.made(tenant="solo", team="search")
    where = f"{ROOT}/solo/team/search"
    assert running.request(where).status == 404
    office.everywhere(key, None)
    made = running.request(where, {"concurrent": 20, "budgets": {"day": 0.1}}, method="PUT")
    assert made.status == 200
    told = made.json()
    assert {name: told[name] for name in ("tenant", "scope", "name", "source", "limits", "by")} == {
        "tenant": "solo",
        "scope": "team",
        "name": "search",
        "source": "store",
        "limits": {"concurrent": 20, "budgets": {"day": 0.1}},
        "by": "bootstrap",
    }
    office.open_books("solo")
    office.everywhere(key, 20)
    shown = running.request(where)
    assert (shown.json(), shown.headers["etag"]) == (told, made.headers["etag"])
    removed = office.done("DELETE", where)
    assert removed == {"tenant": "solo", "scope": "team", "name": "search", "removed": True, "settings": None}
    office.everywhere(key, None)
    assert running.request(where).status == 404
    assert running.request(where, method="DELETE").status == 404
    audit = office.done("GET", "/admin/v1/limits-audit")
    assert audit["intact"] is True
    mine = [(each["op"], each["who"]) for each in audit["events"] if each["tenant"] == "solo"]
    assert mine == [("unset", "bootstrap"), ("set", "bootstrap")]


def test_the_list_says_where_each_comes_from(office: LimitsOffice) -> None:
    """Settings and store; a stored rule stands in the place of the settings' entry of the same subject."""
    office.done("PUT", f"{ROOT}/acme/team/search", {"concurrent": 1})
    listed = office.done("GET", f"{ROOT}?tenant=acme")
    assert listed["defaults"] == {
        "default_max_tokens": 4096,
        "on_headroom": "refuse",
        "degraded": "refuse",
        "lapse": "charge_estimate",
    }
    assert [
        (each["scope"], each["name"], each["source"], each["replaces_settings"]) for each in listed["limits"]
    ] == [
        ("tag", "product: a/b", "settings", False),
        ("team", "*", "settings", False),
        ("team", "search", "store", True),
        ("tenant", "acme", "settings", False),
    ]
    assert {each["tenant"] for each in listed["limits"]} == {"acme"}
    removed = office.done("DELETE", f"{ROOT}/acme/team/search")
    assert removed["settings"] == {"tokens_per_minute": 1000, "on_headroom": "clamp"}
    assert office.done("GET", f"{ROOT}/acme/team/search")["source"] == "settings"
    assert office.done("GET", f"{ROOT}?tenant=nobody")["limits"] == []


def test_tags_with_slashes_and_spaces_are_named(office: LimitsOffice) -> None:
    """As they are, percent-encoded."""
    told = office.done("GET", f"{ROOT}/acme/tag/product%3A%20a%2Fb")
    assert (told["name"], told["limits"]) == ("product: a/b", {"concurrent": 2})
    assert office.done("PUT", f"{ROOT}/acme/tag/a/b%20c", {"concurrent": 3})["name"] == "a/b c"
    office.done("DELETE", f"{ROOT}/acme/tag/a%2Fb%20c")


def test_entity_tags_guard_changes(office: LimitsOffice, running: RunningGateway) -> None:
    """Whoever saw something else is refused, and told what is there."""
    where = f"{ROOT}/acme/team/*"
    etag = running.request(where).headers["etag"]
    first = running.request(where, {"concurrent": 6}, method="PUT", headers={"if-match": etag})
    assert first.status == 200
    stale = running.request(where, {"concurrent": 7}, method="PUT", headers={"if-match": etag})
    assert problem(stale)[:2] == (412, "limits_changed")
    assert stale.headers["etag"] == first.headers["etag"]
    fresh = running.request(where, {"concurrent": 7}, method="PUT", headers={"if-none-match": "*"})
    assert fresh.status == 412
    assert running.request(where, method="DELETE", headers={"if-match": etag}).status == 412
    assert running.request(where, method="DELETE", headers={"if-match": first.headers["etag"]}).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("role", ["admin", "operator"])
@pytest.mark.parametrize("kind", ["team/search", "tenant/acme", "nonsense/x"])
def test_another_tenants_limits_are_not_there(
    office: LimitsOffice, running: RunningGateway, method: str, role: str, kind: str
) -> None:
    """The answer for a tenant is, byte for byte, that for one that never was; and nothing has changed."""
    _, stranger = office.made(tenant="other", role=role)
    before = office.done("GET", f"{ROOT}?tenant=acme")
    body = {"concurrent": 0} if method == "PUT" else None
    theirs, nobodys = (
        running.request(f"{ROOT}/{tenant}/{kind}", body, method=method, key=stranger)
        for tenant in ("acme", "emca")
    )
    assert theirs.status == 404
    assert plain(theirs, "acme") == plain(nobodys, "emca")
    assert running.request(f"{ROOT}/*/team/*", body, method=method, key=stranger).status == 404
    assert office.done("GET", f"{ROOT}?tenant=acme") == before
    assert office.done("GET", f"{ROOT}?tenant=acme", key=stranger)["limits"] == []


def test_a_tenants_own_people_set_what_is_below_it(office: LimitsOffice, running: RunningGateway) -> None:
    """Its operator and admin set teams, keys and tags, not the whole; nobody but an admin its own key."""
    own_id, operator = office.made(tenant="house", role="operator")
    _, admin = office.made(tenant="house", role="admin")
    for who in (operator, admin):
        for path in ("team/search", "team/*", "key/k1", "tag/x"):
            office.done("PUT", f"{ROOT}/house/{path}", {"concurrent": 3}, key=who)
        whole = running.request(f"{ROOT}/house/tenant/house", {}, method="PUT", key=who)
        assert problem(whole)[:2] == (403, "permission_denied")
        assert running.request(f"{ROOT}/house/tenant/house", method="DELETE", key=who).status == 403
        for loose in ({"degraded": "allow"}, {"lapse": "release"}):
            assert running.request(f"{ROOT}/house/team/search", loose, method="PUT", key=who).status == 403
    assert running.request(f"{ROOT}/house/key/{own_id}", {}, method="PUT", key=operator).status == 403
    assert running.request(f"{ROOT}/house/key/{own_id}", method="DELETE", key=operator).status == 403
    office.done("PUT", f"{ROOT}/house/key/{own_id}", {}, key=admin)
    office.done("PUT", f"{ROOT}/house/tenant/house", {"lapse": "release"})
    seen = office.done("GET", ROOT, key=operator)["limits"]
    assert {each["tenant"] for each in seen} == {"house"}
    told = office.done("GET", "/admin/v1/limits-audit", key=operator)
    assert {each["tenant"] for each in told["events"]} == {"house"}
    for each in seen:
        office.done("DELETE", f"{ROOT}/house/{each['scope']}/{each['name']}")


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("viewer", (200, 200, 403, 403, 403)),
        ("caller", (403, 403, 403, 403, 403)),
        ("publisher", (200, 200, 403, 403, 403)),
        ("operator", (200, 200, 200, 200, 200)),
    ],
)
def test_roles_read_and_set(
    office: LimitsOffice, running: RunningGateway, role: str, statuses: tuple[int, ...]
) -> None:
    """Whoever looks may look, whoever operates may set and read the chain."""
    office.done("PUT", f"{ROOT}/default/team/roles", {"concurrent": 1})
    _, key = office.made(role=role)
    where = f"{ROOT}/default/team/roles"
    asked: list[tuple[str, str, Any]] = [
        ("GET", ROOT, None),
        ("GET", where, None),
        ("GET", "/admin/v1/limits-audit", None),
        ("PUT", where, {"concurrent": 2}),
        ("DELETE", where, None),
    ]
    assert (
        tuple(running.request(path, body, method=method, key=key).status for method, path, body in asked)
        == statuses
    )


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("acme/group/x", {}, "/scope"),
        ("A%20B/team/x", {}, "/tenant"),
        ("acme/tenant/other", {}, "/name"),
        ("acme/team/A%20B", {}, "/name"),
        ("acme/key/a%20b", {}, "/name"),
        ("acme/tag/" + "x" * 65, {}, "/name"),
        ("acme/tag/a%0Ab", {}, "/name"),
        ("acme/team/search", {"concurrent": -1}, "/concurrent"),
        ("acme/team/search", {"concurrent": 1.5}, "/concurrent"),
        ("acme/team/search", {"concurrent": "1"}, "/concurrent"),
        ("acme/team/search", {"concurrent": True}, "/concurrent"),
        ("acme/team/search", {"requests_per_minute": 10**13}, "/requests_per_minute"),
        ("acme/team/search", {"budgets": {"day": -1}}, "/budgets"),
        ("acme/team/search", {"budgets": {"day": "1"}}, "/budgets"),
        ("acme/team/search", {"budgets": {"day": 1e-10}}, "/budgets/day"),
        ("acme/team/search", {"budgets": {"day": 1e300}}, "/budgets"),
        ("acme/team/search", {"budgets": {"week": 1}}, "/budgets"),
        ("acme/team/search", {"budgets": [1]}, "/budgets"),
        ("acme/team/search", {"degraded": "maybe"}, "/degraded"),
        ("acme/team/search", {"teams": {}}, ""),
        ("acme/team/search", b"[]", ""),
        ("acme/team/search", b"{", ""),
        ("acme/team/search", b"", ""),
    ],
)
def test_what_cannot_be_meant_is_400(running: RunningGateway, path: str, body: Any, pointer: str) -> None:
    """With a pointer to it."""
    answer = running.request(f"{ROOT}/{path}", body, method="PUT")
    assert answer.status == 400, answer.body
    assert problem(answer)[2] == pointer


def test_a_body_that_is_no_json_or_too_long_is_refused(running: RunningGateway) -> None:
    """415 and 413."""
    where = f"{ROOT}/acme/team/search"
    text = running.request(where, b"{}", method="PUT", headers={"content-type": "text/plain"})
    assert problem(text)[0] == 415
    long = running.request(where, b" " * 20_000, method="PUT")
    assert problem(long)[0] == 413
