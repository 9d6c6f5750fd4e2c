"""A context is its tenant's, to all others as if it had never been; what a key may do its role decides."""

from typing import Any

import pytest
from tests.e2e.contexts.desk import Desk, problem
from tests.running import RunningGateway

BELOW: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("GET", "/turns", None),
    ("POST", "/turns", {"turns": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]}),
    ("GET", "/turns/0/raw", None),
    ("GET", "/state", None),
    ("PATCH", "/state", [{"op": "add", "path": "/x", "value": 1}]),
    ("PUT", "/state", {"x": 1}),
    ("POST", "/fork", {}),
    ("POST", "/merge", {"source": "whatever"}),
    ("POST", "/compact", {"alias": "summary"}),
    ("POST", "/verify", None),
    ("POST", "/redact", {"turns": [0]}),
    ("GET", "/report/1", None),
    ("GET", "/orphans", None),
    ("GET", "/access-log", None),
    ("GET", "/export", None),
]
"""Every route below `/v1/contexts/{id}`, with a body that would do."""

CHANGING = {"date", "request-id", "x-request-id", "x-llmgw-call-id", "x-llmgw-trace-id"}
"""Headers that differ between any two answers."""


def plain(answer: Any, name: str) -> tuple[int, dict[str, str], bytes]:
    """An answer without what differs between any two, and without the name that was asked for."""
    kept = {key: value.replace(name, "<id>") for key, value in answer.headers.items() if key not in CHANGING}
    body = answer.body.replace(answer.headers.get("x-request-id", "-").encode(), b"<request>")
    return answer.status, kept, body.replace(name.encode(), b"<id>")


@pytest.mark.parametrize(("method", "path", "body"), BELOW)
def test_anothers_context_is_as_if_it_were_not(
    desk: Desk, stranger: Desk, method: str, path: str, body: Any
) -> None:
    """The answer to its name is, byte for byte, that to a name nobody uses; and nothing of it has changed."""
    context = desk.told("a secret", subject="tenants")
    before = desk.ask("GET", f"/contexts/{context}").body
    random = "n" * len(context)
    theirs = stranger.ask(method, f"/contexts/{context}{path}", body)
    nobodys = stranger.ask(method, f"/contexts/{random}{path}", body)
    assert theirs.status == 404
    assert plain(theirs, context) == plain(nobodys, random)
    assert desk.ask("GET", f"/contexts/{context}").body == before


@pytest.mark.parametrize("path", ["/chat/completions", "/messages"])
def test_a_call_cannot_continue_anothers_context(desk: Desk, stranger: Desk, path: str) -> None:
    """In both dialects the refusal is that for a name nobody uses, and no provider is asked."""
    context = desk.told("a secret")
    answers = []
    for name in (context, "n" * len(context)):
        body = {
            "model": "sim/sim",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "tell me"}],
            "llmgw": {"context": name},
        }
        answers.append(plain(stranger.ask("POST", path, body), name))
        assert "x-llmgw-target" not in answers[-1][1]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_the_same_name_is_another_context(desk: Desk, stranger: Desk) -> None:
    """Two tenants may use one name; neither reads, merges or erases the other's, nor finds it by its subject."""
    for holder, word in ((desk, "ours"), (stranger, "theirs")):
        holder.made(id="shared-name", subject="shared-subject")
        assert holder.say("shared-name", word).status == 200
    assert (desk.texts("shared-name")[0], stranger.texts("shared-name")[0]) == ("ours", "theirs")
    own = desk.told("mine")
    theirs = stranger.told("not yours")
    assert problem(desk.ask("POST", f"/contexts/{own}/merge", {"source": theirs}))[:2] == (
        404,
        "context_not_found",
    )
    assert len(stranger.ask("DELETE", "/contexts?subject=shared-subject").json()["receipts"]) == 1
    assert desk.texts("shared-name")[0] == "ours"


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        ("viewer", [call for call in BELOW if call[1] not in {"/report/1", "/access-log"}]),
        ("caller", []),
    ],
)
def test_roles_may_what_they_declare(
    running: RunningGateway, desk: Desk, role: str, refused: list[Any]
) -> None:
    """Who may only look sees reports and the access log, and nothing that was said."""
    context = desk.told("one", "two")
    holder = Desk.of(running, "acme", role)
    forbidden = [
        (method, path, body)
        for method, path, body in BELOW
        if holder.ask(method, f"/contexts/{context}{path}", body).status == 403
    ]
    assert forbidden == refused


def test_without_a_key_nothing_is_said(running: RunningGateway) -> None:
    """No route answers a caller that has no key."""
    nobody = Desk(running, "llmgw_live_000000000000_nonsense")
    for method, path, body in BELOW:
        assert problem(nobody.ask(method, f"/contexts/some{path}", body))[:2] == (401, "invalid_api_key")
