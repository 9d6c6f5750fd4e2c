"""Who may do what: each admin route of prompts, for keys of each role, for none, and for another tenant's."""

from typing import Any

import pytest
from tests.e2e.prompt_admin.office import GOOD, Office, echo, fresh
from tests.running import RunningGateway

VERSION = "/{name}/versions/1"
LABEL = "/{name}/labels/production"
VIEWERS = {"viewer", "publisher", "operator", "admin"}
PUBLISHERS = {"publisher", "admin"}
ON_CALL = {"publisher", "operator", "admin"}

ROUTES: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "", None, VIEWERS),
    ("GET", "/{name}", None, VIEWERS),
    ("GET", VERSION, None, VIEWERS),
    ("GET", f"{VERSION}/file", None, VIEWERS),
    ("GET", "/{name}/diff?from=1&to=1", None, VIEWERS),
    ("GET", "/{name}/gates", None, VIEWERS),
    ("GET", "/{name}/history", None, VIEWERS),
    ("GET", "/{name}/callers", None, VIEWERS),
    ("GET", f"{LABEL}/rollout", None, VIEWERS),
    ("POST", "", {"name": "{name}", "content": echo("pushed by a role")}, PUBLISHERS),
    ("POST", f"{VERSION}/render", {"variables": {"text": "x"}}, PUBLISHERS),
    ("POST", f"{VERSION}/publish", None, PUBLISHERS),
    ("POST", f"{VERSION}/evaluate", {"cases": GOOD}, PUBLISHERS),
    ("PUT", "/{name}/labels/try", {"version": 1}, PUBLISHERS),
    ("POST", f"{LABEL}/approve", None, PUBLISHERS),
    ("POST", f"{LABEL}/rollout", {"candidate": 2}, PUBLISHERS),
    ("POST", f"{LABEL}/rollout/step", None, PUBLISHERS),
    ("POST", f"{LABEL}/rollout/pause", None, ON_CALL),
    ("POST", f"{LABEL}/rollout/resume", None, PUBLISHERS),
    ("POST", f"{LABEL}/rollout/promote", None, PUBLISHERS),
    ("POST", f"{LABEL}/rollout/abort", None, ON_CALL),
    ("POST", f"{LABEL}/rollback", None, ON_CALL),
    ("DELETE", "/{name}/labels/try", None, PUBLISHERS),
    ("POST", "/{name}/deprecate", {"version": 1}, PUBLISHERS),
    ("POST", "/{name}/retire", {"version": 1, "force": True}, PUBLISHERS),
]


@pytest.fixture(scope="module")
def name(offices: dict[str, Office]) -> str:
    """A prompt with two versions, one of them in production."""
    made = fresh()
    publisher = offices["publisher"]
    publisher.live(made, echo())
    publisher.passed(made, echo("second"))
    return made


@pytest.mark.parametrize(("method", "path", "body", "allowed"), ROUTES)
def test_each_route_is_open_to_its_roles_alone(
    offices: dict[str, Office], name: str, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    """403 for the others, before anything is looked up; whoever may is not refused for who he is."""
    if isinstance(body, dict) and "content" in body:
        body = {**body, "name": name}
    for role, office in offices.items():
        answer = office.ask(method, path.format(name=name), body)
        refused = answer.status == 403 and answer.json()["code"] == "permission_denied"
        assert refused == (role not in allowed), (role, answer.status, answer.body)


@pytest.mark.parametrize(("method", "path", "body"), [each[:3] for each in ROUTES])
def test_no_route_is_open_without_a_key(
    running: RunningGateway, name: str, method: str, path: str, body: Any
) -> None:
    """401, whatever is asked."""
    answer = running.request(f"/admin/v1/prompts{path.format(name=name)}", body, method=method, key=None)
    assert answer.status == 401


@pytest.mark.parametrize(("method", "path", "body"), [each[:3] for each in ROUTES if "{name}" in each[1]])
def test_another_tenants_prompts_are_not_there(
    stranger: Office, name: str, method: str, path: str, body: Any
) -> None:
    """404 for each route, even to an admin of another tenant, and never a word of what there is."""
    problem = stranger.refused(404, "prompt_not_found", method, path.format(name=name), body)
    assert "hello" not in str(problem)


def test_the_list_is_of_ones_own_prompts(office: Office, stranger: Office, name: str) -> None:
    """Another tenant's list does not have it, and a prefix narrows one's own."""
    assert name in [each["name"] for each in office.done("GET", "")["prompts"]]
    assert name not in [each["name"] for each in stranger.done("GET", "")["prompts"]]
    assert [each["name"] for each in office.done("GET", f"?prefix={name}")["prompts"]] == [name]
    assert office.done("GET", "?prefix=nothing/such")["prompts"] == []


def test_archives_are_for_those_who_may_view_and_publish(
    running: RunningGateway, offices: dict[str, Office]
) -> None:
    """A caller sees no drafts, and an operator brings none in."""
    headers = {"content-type": "application/x-ndjson"}
    for role, office in offices.items():
        path = "/admin/v1/prompt-archive"
        assert (running.request(path, key=office.key).status == 200) == (role in VIEWERS)
        answer = running.request(path, b"{}", method="POST", headers=headers, key=office.key)
        assert (answer.status == 403) == (role not in PUBLISHERS)
