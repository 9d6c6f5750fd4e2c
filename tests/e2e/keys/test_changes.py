"""Keys are changed by route and command, and who did what is to be read."""

import json

import pytest
from click.testing import CliRunner
from llmgw.cli import main
from tests.e2e.keys.conftest import Office
from tests.running import RunningGateway
from tests.waiting import until

ENOUGH = 30
"""New connections of which, with two workers, some come to each."""


def teams(gateway: RunningGateway, key: str) -> set[str]:
    """What both workers say is the key's team."""
    return {gateway.request("/v1/me", key=key).json()["team"] for _ in range(ENOUGH)}


def test_every_worker_hears_of_a_change(office: Office, running: RunningGateway) -> None:
    """A key in use has another team in both workers; the rest of it stays."""
    key_id, key = office.made(team="red", tags=["a"], note="n")
    assert teams(running, key) == {"red"}
    changed = office.done("PATCH", f"/admin/v1/keys/{key_id}", {"team": "blue", "expires_ms": None})
    assert (changed["team"], changed["tags"], changed["note"]) == ("blue", ["a"], "n")
    until(lambda: teams(running, key) == {"blue"}, "both workers to hear of the change")


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, None),
        ({"team": "No Team"}, 400, "/team"),
        ({"expires_ms": 1}, 400, "/expires_ms"),
        ({"tags": ["\n"]}, 400, "/tags"),
        ({"role": "admin"}, 400, ""),
        ({"team": None}, 400, "/team"),
    ],
)
def test_what_cannot_be_meant_is_400(
    office: Office, body: dict[str, object], status: int, pointer: str | None
) -> None:
    """With a pointer to the member; a role or tenant never changes."""
    key_id, _ = office.made()
    answer = office.gateway.request(f"/admin/v1/keys/{key_id}", body, method="PATCH")
    assert answer.status == status
    if pointer is not None:
        assert [each["pointer"] for each in answer.json()["violations"]] == [pointer]


def test_a_key_that_is_over_is_409(office: Office) -> None:
    """A revoked key is not changed."""
    key_id, _ = office.made()
    office.done("DELETE", f"/admin/v1/keys/{key_id}")
    answer = office.gateway.request(f"/admin/v1/keys/{key_id}", {"team": "red"}, method="PATCH")
    assert (answer.status, answer.json()["code"]) == (409, "key_conflict")


def test_admins_read_who_did_what(office: Office) -> None:
    """An admin of a tenant sees what was done to its keys, by whom; others see nothing at all."""
    admin_id, admin = office.made(role="admin", tenant="audited")
    made = office.done("POST", "/admin/v1/keys", {"name": "k"}, admin)
    office.done("PATCH", f"/admin/v1/keys/{made['id']}", {"note": "x"}, admin)
    office.done("POST", f"/admin/v1/keys/{made['id']}/rotate", {"overlap_s": 5}, admin)
    office.done("DELETE", f"/admin/v1/keys/{made['id']}", key=admin)
    told = office.done("GET", "/admin/v1/key-audit", key=admin)
    assert told["intact"]
    assert [(each["op"], each["who"]) for each in told["events"]] == [
        ("revoke", admin_id),
        ("rotate", admin_id),
        ("change", admin_id),
        ("create", admin_id),
        ("create", "bootstrap"),
    ]
    _, operator = office.made(role="operator", tenant="audited")
    assert office.gateway.request("/admin/v1/key-audit", key=operator).status == 403


def test_the_commands_change_and_tell(office: Office) -> None:
    """`llmgw keys change` and `llmgw keys audit`, beside the running gateway."""
    key_id, _ = office.made(team="red", tags=["a"])

    def run(*arguments: str, code: int = 0) -> str:
        environ = {"LLMGW_CONFIG": str(office.gateway.config_path), "COLUMNS": "250"}
        result = CliRunner().invoke(main, ["keys", *arguments], env=environ)
        assert result.exit_code == code, result.output
        return result.output

    assert "another team, end" in run("change", key_id, "--team", "blue", "--expires", "90d")
    run("change", key_id, "--no-tags", "--never-expires", "--note", "[b]n[/b]")
    shown = json.loads(run("show", key_id, "--json"))
    assert (shown["team"], shown["tags"], shown["note"], shown["expires_ms"]) == (
        "blue",
        [],
        "[b]n[/b]",
        None,
    )
    assert "[b]n[/b]" in run("audit")
    events = json.loads(run("audit", "--json"))["events"]
    assert [(each["op"], each["who"]) for each in events if each["key_id"] == key_id] == [
        ("change", "cli"),
        ("change", "cli"),
        ("create", "bootstrap"),
    ]
    run("change", key_id, "--tag", "a", "--no-tags", code=2)
    run("change", key_id, "--expires", "1d", "--never-expires", code=2)
    run("change", key_id, code=1)
