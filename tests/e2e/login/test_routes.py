"""Every route, for every role, with its own tenant's things and another tenant's, and for nobody."""

from collections.abc import Callable
from typing import Any

import pytest
from llmgw.http.permissions import Permission, held_by
from llmgw.types.call import Caller, Role
from tests.e2e.login.conftest import ROLES
from tests.route_table import ROWS, Row
from tests.running import Answer, RunningGateway
from tests.waiting import until

MARK = "zebra"
"""In the name of whatever is made here, and nowhere else."""
CONTENT: dict[str, Any] = {
    "messages": [{"role": "user", "text": "say: {{ text }}"}],
    "model": "demo",
    "input_schema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    },
    "api": {"slug": f"{MARK}-api", "major": 1, "summary": "Says it again."},
}
READABLE = {"GET", "*"}


class World:
    """What there is of the tenant `acme`, and keys of all roles of it and of the tenant `other`."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.keys = {
            (tenant, role): self.made("/admin/v1/keys", {"name": role, "role": role, "tenant": tenant})["key"]
            for tenant in ("acme", "other")
            for role in ROLES
        }
        admin = self.keys["acme", "admin"]
        self.made("/v1/contexts", {"id": f"{MARK}-context"}, admin)
        turns = {"messages": [{"role": "user", "content": "hi"}]}
        self.made(f"/v1/contexts/{MARK}-context/turns", turns, admin)
        told = {"model": "demo", **turns}
        called = gateway.request(
            "/v1/chat/completions", told, key=admin, headers={"x-llmgw-context": f"{MARK}-context"}
        )
        assert called.status == 200, called.body
        self.made(f"/v1/schemas/{MARK}-schema/1", {"type": "object"}, admin, method="PUT")
        prompt = f"/admin/v1/prompts/{MARK}/prompt"
        self.made("/admin/v1/prompts", {"name": f"{MARK}/prompt", "content": CONTENT}, admin)
        self.made(f"{prompt}/versions/1/publish", {}, admin)
        move = {"version": 1, "break_glass": True, "reason": "for a test"}
        self.made(f"{prompt}/labels/production", move, admin, method="PUT")
        self.made(f"/admin/v1/limits/acme/team/{MARK}-team", {"concurrent": 9}, method="PUT")
        caller = self.made("/admin/v1/keys", {"name": MARK, "tenant": "acme", "allow": []})
        asked = self.made("/v1/me/requests", {"alias": "demo", "reason": MARK}, caller["key"])
        body = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"x-llmgw-context-verify": f"{MARK}-session"}
        called = gateway.request("/v1/chat/completions", body, key=admin, headers=headers)
        assert called.status == 200, called.body
        self.values = {
            "call_id": called.headers["x-llmgw-call-id"],
            "question": "latency",
            "name": f"{MARK}/prompt",
            "number": "1",
            "label": "production",
            "slug": f"{MARK}-api",
            "major": "v1",
            "context": f"{MARK}-context",
            "seq": "2",
            "rev": "latest",
            "schema": f"{MARK}-schema",
            "version": "1",
            "session": f"{MARK}-session",
            "key_id": caller["id"],
            "request_id": asked["id"],
            "issuer": "corp",
            "model": "demo",
            "tenant": "acme",
            "kind": "team",
            "subject": f"{MARK}-team",
        }

    def made(self, path: str, body: Any, key: str | None = None, method: str = "POST") -> Any:
        """Make something."""
        answer = self.gateway.request(path, body, method=method, key=key or self.gateway.key)
        assert answer.status < 300, (path, answer.status, answer.body)
        return answer.json()

    def ask(self, row: Row, key: str | None, **others: str) -> Answer:
        """Ask at a route about what is acme's, or about what `others` name."""
        path = row.path.format(**{**self.values, **others})
        query = {"/v1/contexts": "?subject=nobody", "/diff": "?from=1&to=1"}
        path += next((text for end, text in query.items() if path.endswith(end)), "")
        headers = {"content-type": "application/x-ndjson"} if "archive" in row.path else {}
        method = "POST" if row.method == "*" else row.method
        return self.gateway.request(path, row.body, method=method, key=key, headers=headers)


@pytest.fixture(scope="module")
def world(running: RunningGateway) -> World:
    """Made once: no test here changes it."""
    made = World(running)
    admin = made.keys["acme", "admin"]
    render = next(row for row in ROWS if row.path == "/v1/prompts/{name}/render")
    until(lambda: _always(lambda: made.ask(render, admin)) == {200}, "the prompt to be served by each worker")
    content = next(row for row in ROWS if row.path == "/admin/v1/calls/{call_id}/content")
    until(lambda: made.ask(content, admin).status == 200, "the call and its words to be in the log")
    return made


def _always(ask: Callable[[], Answer]) -> set[int]:
    return {ask().status for _ in range(20)}


def _may(role: Role, row: Row) -> bool:
    held = {*held_by(Caller(key_id="k", name="n", role=role)), Permission.PUBLIC}
    return row.permission in held and not row.everyones


def _nothing(row: Row) -> dict[str, str]:
    """Names of nothing, where asking with the right ones would change something."""
    if row.method in READABLE:
        return {}
    return {
        "name": "no/such",
        "context": "nothing",
        "session": "nothing",
        "schema": "nothing",
        "key_id": "0" * 12,
        "request_id": "nothing",
        "issuer": "nothing",
        "slug": "nothing",
        "subject": "nothing",
        "call_id": "nothing",
        "question": "nothing",
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_a_route_is_open_to_its_roles_and_its_tenant(world: World, row: Row) -> None:
    """401 for nobody, 403 without the right, 404 for another tenant's things, and never a word of what there is."""
    assert world.ask(row, None).status == (200 if row.permission is Permission.PUBLIC else 401)
    for role in ROLES:
        theirs = world.ask(row, world.keys["other", role])
        assert (theirs.status == 403) == (not _may(role, row)), (role, theirs.status, theirs.body)
        if _may(role, row):
            words = b'"tenant":"acme"' if row.own_calls else MARK.encode()
            assert words not in theirs.body or row.theirs == 404 == theirs.status
            assert not row.named or theirs.status == row.theirs, (role, theirs.status, theirs.body)
        if not _may(role, row):
            assert world.ask(row, world.keys["acme", role]).status == 403


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_who_may_is_not_refused_for_who_he_is(world: World, row: Row) -> None:
    """With a right to it and in its own tenant, what can be read is there, and nothing else is 401 or 403."""
    for role in ROLES:
        if _may(role, row):
            answer = world.ask(row, world.keys["acme", role], **_nothing(row))
            assert answer.status not in {401, 403}, (role, answer.body)
            if row.method == "GET" and "issuer" not in row.path:
                assert answer.status == 200, (role, answer.status, answer.body)


def test_the_admin_of_all_tenants_reaches_keys_and_no_content(world: World, running: RunningGateway) -> None:
    """Keys, limits, requests, calls of all tenants, but contexts, prompts and schemas of its own alone."""
    for row in ROWS:
        if row.method == "GET" and row.named and "issuer" not in row.path:
            ours = row.permission in {Permission.ADMINISTER, Permission.OPERATE} or "{tenant}" in row.path
            ours = ours or row.path.startswith("/admin/v1/calls")
            ours = ours and not row.path.endswith("/content")
            assert world.ask(row, running.key).status == (200 if ours else 404), row.path
