"""A key's list at work: calls, models, prompts and requests for more, as callers and their SDKs see it."""

from collections.abc import Mapping

import anthropic
import openai
import pytest
from tests.e2e.keys.conftest import Office
from tests.running import Answer, RunningGateway
from tests.waiting import until

ENOUGH = 30
"""New connections of which, with two workers, some come to each."""
CONTENT = {"messages": [{"role": "user", "text": "say: {{ text }}"}], "model": "slow"}


def chat(gateway: RunningGateway, key: str, model: str, **members: object) -> Answer:
    """Ask one question with a key."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **members}
    return gateway.request("/v1/chat/completions", body, key=key)


def test_sdks_are_told_in_their_own_words(running: RunningGateway, office: Office) -> None:
    """OpenAI's and Anthropic's raise their errors for 403, streamed or not; what is allowed works."""
    _, key = office.made(allow=["fast*"])
    words = [{"role": "user", "content": "hi"}]
    with openai.OpenAI(base_url=running.url, api_key=key, max_retries=0) as client:
        for stream in (False, True):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                client.chat.completions.create(model="slow", messages=words, stream=stream)  # type: ignore[arg-type]
            assert refused.value.code == "model_not_allowed"
            assert refused.value.param == "model"
        assert client.chat.completions.create(model="fast-large", messages=words).choices  # type: ignore[arg-type]
        assert [each.id for each in client.models.list()] == ["fast", "fast-large"]
        assert client.models.retrieve("fast").id == "fast"
        for name in ("slow", "sim/sim", "nothing"):
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve(name)
    with anthropic.Anthropic(base_url=running.root, api_key=key, max_retries=0) as claude:
        with pytest.raises(anthropic.PermissionDeniedError) as denied:
            claude.messages.create(model="slow", max_tokens=9, messages=words)  # type: ignore[arg-type]
        assert denied.value.type == "permission_error"
        with pytest.raises(anthropic.PermissionDeniedError):
            claude.messages.count_tokens(model="slow", messages=words)  # type: ignore[arg-type]
        assert claude.messages.create(model="fast", max_tokens=9, messages=words).content  # type: ignore[arg-type]


def test_what_is_there_is_not_to_be_found_out(running: RunningGateway, office: Office) -> None:
    """A model outside the list is refused alike whether there is one or not; near names are not told."""
    _, key = office.made(allow=["fas*"])
    told = [
        chat(running, key, name).json()["error"]["message"].replace(name, "NAME") for name in ("slow", "slot")
    ]
    assert told[0] == told[1]
    missing = chat(running, key, "fastt")
    assert missing.status == 404
    assert b"fast-large" not in missing.body
    assert b"mean" not in missing.body


@pytest.mark.parametrize(
    ("allow", "model", "status"),
    [
        (["*"], "slow", 200),
        (["*"], "sim/sim", 403),
        (["sim/*"], "sim/sim", 200),
        (["sim/*"], "slow", 403),
        (["sim/sim"], "sim/other", 403),
        ([], "fast", 403),
        (None, "sim/sim", 200),
    ],
)
def test_providers_are_used_directly_only_where_the_list_says_so(
    running: RunningGateway, office: Office, allow: list[str] | None, model: str, status: int
) -> None:
    """`*` is every alias and no `provider/model`."""
    _, key = office.made(allow=allow)
    assert chat(running, key, model).status == status


def test_embeddings_and_prompts_are_held_to_the_list(running: RunningGateway, office: Office) -> None:
    """A prompt needs its model or itself in the list, however it is called."""
    office.done("POST", "/admin/v1/prompts", {"name": "listed", "content": CONTENT})
    office.done("POST", "/admin/v1/prompts/listed/versions/1/publish")
    move = {"version": 1, "break_glass": True, "reason": "a test"}
    office.done("PUT", "/admin/v1/prompts/listed/labels/production", move)
    path, body = "/v1/prompts/listed/completions", {"variables": {"text": "x"}}
    until(lambda: _all(running, path, body) == {200}, "the prompt to be served")
    for allow, status in ((["fast"], 403), (["slow"], 200), (["prompt:listed"], 200), (["prompt:x*"], 403)):
        _, key = office.made(allow=allow)
        assert running.request(path, body, key=key).status == status
    _, key = office.made(allow=["prompt:listed"])
    assert chat(running, key, "slow").status == 403
    embedded = running.request("/v1/embeddings", {"model": "slow", "input": "x"}, key=key)
    assert embedded.status == 403


def test_a_granted_request_opens_the_way_in_every_worker(running: RunningGateway, office: Office) -> None:
    """Asked by the caller, approved by an operator of its tenant, audited, and heard by both workers."""
    key_id, key = office.made(allow=["fast"], tenant="acme")
    _, operator = office.made(role="operator", tenant="acme")
    assert _statuses(running, key) == {403}
    asked = office.done("POST", "/v1/me/requests", {"alias": "slow", "reason": "for tests"}, key)
    again = running.request("/v1/me/requests", {"alias": "slow"}, key=key)
    assert (again.status, again.json()) == (200, asked)
    waiting = office.done("GET", "/admin/v1/access-requests?state=pending", key=operator)["requests"]
    assert asked in waiting
    assert running.request("/admin/v1/access-requests", key=key).status == 403
    path = f"/admin/v1/access-requests/{asked['id']}/approve"
    assert office.done("POST", path, {"reason": "fine"}, operator)["state"] == "approved"
    until(lambda: _statuses(running, key) == {200}, "both workers to let it through")
    assert office.done("GET", "/v1/me", key=key)["allow"] == ["fast", "slow"]
    (mine,) = office.done("GET", "/v1/me/requests", key=key)["requests"]
    assert (mine["state"], mine["answer"]) == ("approved", "fine")
    audit = office.done("GET", "/admin/v1/access-audit", key=operator)
    assert audit["intact"] is True
    assert [each["op"] for each in audit["events"] if each["key_id"] == key_id] == ["approve", "ask"]


def test_a_key_tells_of_itself(office: Office, running: RunningGateway) -> None:
    """Name, tenant, team, role, rights, list and end; never the secret. The bootstrap key does, too."""
    end = 4_102_444_800_000
    key_id, key = office.made(
        tenant="acme", team="search", tags=["a"], allow=["fast"], expires_ms=end, note="hidden", role="viewer"
    )
    answer = running.request("/v1/me", key=key)
    assert answer.json() == {
        "key_id": key_id,
        "name": "app",
        "tenant": "acme",
        "team": "search",
        "role": "viewer",
        "rights": ["inspect", "view"],
        "tags": ["a"],
        "allow": ["fast"],
        "expires_ms": end,
    }
    assert key.encode() not in answer.body
    mine = office.done("GET", "/v1/me")
    assert (mine["key_id"], mine["role"], mine["allow"]) == ("bootstrap", "admin", None)
    assert key not in str(office.done("GET", f"/admin/v1/keys/{key_id}"))


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("/admin/v1/keys", "POST", {"name": "x", "allow": "fast"}),
        ("/admin/v1/keys", "POST", {"name": "x", "allow": ["a b"]}),
        ("/admin/v1/keys", "POST", {"name": "x", "expires_ms": 1}),
        ("/admin/v1/keys", "POST", {"name": "x", "expires_ms": "soon"}),
        ("/admin/v1/keys", "POST", {"name": "x", "team": "A B"}),
        ("/admin/v1/keys", "POST", {"name": "x", "teams": "a"}),
        ("/admin/v1/keys", "POST", b"{"),
        ("/admin/v1/keys/{id}/rotate", "POST", {}),
        ("/admin/v1/keys/{id}/rotate", "POST", {"overlap_s": -1}),
        ("/admin/v1/keys/{id}/rotate", "POST", {"overlap_s": 10**30}),
        ("/admin/v1/keys/{id}/rotate", "POST", {"overlap_s": 1.5}),
        ("/admin/v1/keys/{id}/allow", "PUT", {}),
        ("/admin/v1/keys/{id}/allow", "PUT", {"allow": ["x"] * 65}),
        ("/v1/me/requests", "POST", {"alias": "*"}),
        ("/v1/me/requests", "POST", {"alias": "a", "api": "b"}),
        ("/v1/me/requests", "POST", {"alias": 7}),
        ("/v1/me/requests", "POST", b"[]"),
        ("/admin/v1/access-requests?state=maybe", "GET", None),
    ],
)
def test_what_cannot_be_meant_is_400(
    running: RunningGateway, office: Office, path: str, method: str, body: object
) -> None:
    """Whoever sends it."""
    key_id, _ = office.made()
    answer = running.request(path.replace("{id}", key_id), body, method=method)  # type: ignore[arg-type]
    assert answer.status == 400, answer.body


def _statuses(gateway: RunningGateway, key: str) -> set[int]:
    return {chat(gateway, key, "slow").status for _ in range(ENOUGH)}


def _all(gateway: RunningGateway, path: str, body: Mapping[str, object]) -> set[int]:
    return {gateway.request(path, body).status for _ in range(ENOUGH)}
