"""Every route, walked with keys that are good no more, and with those of another tenant."""

import re
import time
from collections.abc import Iterator

import pytest
from litestar import Litestar
from llmgw.app import Secrets, create_app
from llmgw.http.permissions import Permission
from llmgw.settings import Loaded, defaults
from llmgw.types.secret import Secret
from tests.e2e.contexts.test_tenants import plain
from tests.e2e.keys.conftest import Office
from tests.running import RunningGateway
from tests.waiting import until

ENOUGH = 30
"""New connections of which, with two workers, some come to each."""
NUMBERS = {"seq": "0", "rev": "1", "number": "1", "major": "1", "version": "1"}
BODIES: dict[str, dict[str, object]] = {
    "/rotate": {"overlap_s": 60},
    "/allow": {"allow": []},
}


def _routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route that asks for a key."""
    secrets = Secrets(pepper=Secret("p" * 64), context_keys={"k1": Secret("c" * 64)})
    loaded = Loaded(settings=defaults({}))
    app = create_app(loaded, {}, state_url=Secret("unix:///nowhere"), secrets=secrets).app
    assert isinstance(app, Litestar)
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]
            methods = getattr(handler, "http_methods", None) or {"POST"}
            if methods != {"OPTIONS"} and handler.opt.get("permission") is not Permission.PUBLIC:
                yield next(iter(methods)), route.path


ROUTES = sorted(_routes())


def _filled(path: str, name: str) -> str:
    """The path with its parameters: numbers where numbers are due, else a name."""
    return re.sub(r"\{(\w+):\w+\}", lambda found: NUMBERS.get(found[1], name), path)


@pytest.fixture(scope="module")
def dead(running: RunningGateway) -> dict[str, str]:
    """Keys that were good: one has expired, one was revoked, one has a new secret in its place."""
    office = Office(running)
    soon = time.time_ns() // 1_000_000 + 2000
    keys = {
        "expired": office.made(role="admin", expires_ms=soon),
        "revoked": office.made(role="admin"),
        "rotated out": office.made(role="admin"),
    }
    for _, key in keys.values():
        assert running.request("/v1/me", key=key).status == 200
    office.done("DELETE", f"/admin/v1/keys/{keys['revoked'][0]}")
    new = office.done("POST", f"/admin/v1/keys/{keys['rotated out'][0]}/rotate", {"overlap_s": 0})["key"]
    for _, key in keys.values():
        until(lambda key=key: _all(running, key) == {401}, "the key to be refused by both workers")  # type: ignore[misc]
    assert _all(running, new) == {200}
    return {why: key for why, (_, key) in keys.items()}


def _all(gateway: RunningGateway, key: str) -> set[int]:
    return {gateway.request("/v1/me", key=key).status for _ in range(ENOUGH)}


def test_there_are_routes_to_walk() -> None:
    """The walk finds what it is about."""
    assert {
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/me"),
        ("DELETE", "/admin/v1/keys/{key_id:str}"),
    } <= set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_key_that_was_good_opens_nothing(
    running: RunningGateway, dead: dict[str, str], method: str, path: str
) -> None:
    """401 on every route, alike for each of them and for a key nobody issued."""
    where = _filled(path, "some-name")
    answers = {
        why: running.request(where, b"{}" if method != "GET" else None, method=method, key=key)
        for why, key in {**dead, "never issued": "llmgw_live_nobody"}.items()
    }
    assert {each.status for each in answers.values()} == {401}
    assert len({str(plain(each, "some-name")) for each in answers.values()}) == 1


OWNED = [(method, path) for method, path in ROUTES if re.match(r"/admin/v1/(keys|access-requests)/\{", path)]


@pytest.mark.parametrize(("method", "path"), OWNED)
@pytest.mark.parametrize("role", ["admin", "operator"])
def test_another_tenants_keys_and_requests_are_not_there(
    running: RunningGateway, office: Office, role: str, method: str, path: str
) -> None:
    """The answer to a real id is, byte for byte, that to a random one; and nothing has changed."""
    key_id, key = office.made(tenant="acme", allow=["fast"])
    asked = office.done("POST", "/v1/me/requests", {"alias": "slow"}, key)
    before = office.done("GET", f"/admin/v1/keys/{key_id}")
    _, stranger = office.made(tenant="other", role=role)
    real = asked["id"] if "request_id" in path else key_id
    random = "acr_0123456789abcdef" if "request_id" in path else "A" * len(key_id)
    body = next((each for end, each in BODIES.items() if path.endswith(end)), None)
    theirs, nobodys = (
        running.request(_filled(path, name), body, method=method, key=stranger) for name in (real, random)
    )
    assert theirs.status == (403 if role == "operator" and "keys" in path else 404)
    assert plain(theirs, real) == plain(nobodys, random)
    assert office.done("GET", f"/admin/v1/keys/{key_id}") == before
    assert office.done("GET", "/v1/me/requests", key=key)["requests"] == [asked]


def test_lists_are_of_ones_own_tenant(running: RunningGateway, office: Office) -> None:
    """An admin of a tenant sees and makes its own keys alone; one of the default tenant, all."""
    _, other = office.made(tenant="solo", role="admin")
    acme, _ = office.made(tenant="acme")
    mine = office.done("GET", "/admin/v1/keys", key=other)["keys"]
    assert {each["tenant"] for each in mine} == {"solo"}
    assert acme in {each["id"] for each in office.done("GET", "/admin/v1/keys")["keys"]}
    made = office.done("POST", "/admin/v1/keys", {"name": "x"}, other)
    assert made["tenant"] == "solo"
    refused = running.request("/admin/v1/keys", {"name": "x", "tenant": "acme"}, key=other)
    assert refused.status == 403
