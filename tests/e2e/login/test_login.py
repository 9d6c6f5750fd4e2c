"""People with tokens of their identity provider at a real gateway, over HTTP and through the command line."""

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from llmgw.cli import main
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.login.conftest import ROLES, config_for
from tests.local_issuer import LocalIssuer, SigningKey
from tests.running import Answer, RunningGateway
from tests.waiting import until

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}
SENTENCE = "tokens of this issuer are for the control plane alone"


def code(answer: Answer) -> str:
    """The code of an error, as a problem document or as OpenAI's dialect has it."""
    told = answer.json()
    return str(told["code"] if "code" in told else told["error"]["code"])


def denied(answer: Answer) -> bool:
    """Whether it is a 403 for who asks."""
    return answer.status == 403 and code(answer) == "permission_denied"


def in_role(calling: LocalIssuer, role: str, tenant: str = "acme", **claims: Any) -> str:
    """A token for a role in a tenant."""
    return calling.token(time.time(), access={"roles": [role]}, org=tenant, **claims)


def test_an_administrator_lists_keys_with_a_token(running: RunningGateway, issuer: LocalIssuer) -> None:
    """And is told who it is: an id, a name, its rights without calls, and when the token ends."""
    now_s = time.time()
    token = issuer.token(now_s)
    assert running.request("/admin/v1/keys", key=token).status == 200
    me = running.request("/v1/me", key=token).json()
    assert me == {
        "key_id": f"jwt:corp:{issuer.subject('user-1')}",
        "name": "Ann",
        "tenant": "default",
        "team": "",
        "role": "admin",
        "rights": ["administer", "inspect", "operate", "publish", "roll_back", "view"],
        "tags": [],
        "allow": None,
        "expires_ms": (int(now_s) + 300) * 1000,
    }


def test_a_viewer_is_refused_what_is_a_publishers(running: RunningGateway, issuer: LocalIssuer) -> None:
    """403 on a publisher's route, 200 on its own; without a role of ours, 403 everywhere."""
    viewer = issuer.token(time.time(), groups=["llm-viewers"])
    assert running.request("/admin/v1/prompts", key=viewer).status == 200
    body = {"name": "x", "content": {"messages": [{"role": "user", "text": "x"}], "model": "demo"}}
    assert denied(running.request("/admin/v1/prompts", body, key=viewer))
    publisher = issuer.token(time.time(), groups=["llm-devs"])
    assert running.request("/admin/v1/prompts", body, key=publisher).status == 201
    nobody = issuer.token(time.time(), groups=["others"])
    for path in ("/v1/me", "/admin/v1/prompts"):
        assert denied(running.request(path, key=nobody))


def test_tokens_do_not_call_unless_their_issuer_may(
    running: RunningGateway, issuer: LocalIssuer, calling: LocalIssuer
) -> None:
    """403 with a sentence on every data-plane route, in the caller's dialect; with `calls: true` it is answered."""
    admin = issuer.token(time.time())
    with openai.OpenAI(base_url=running.url, api_key=admin, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError, match=SENTENCE):
            client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hi"}])
        with pytest.raises(openai.PermissionDeniedError, match=SENTENCE):
            client.models.list()
    refused = running.request("/v1/messages", {**CHAT, "max_tokens": 9}, key=admin)
    assert (refused.status, refused.json()["error"]["type"]) == (403, "permission_error")
    assert denied(running.request("/v1/contexts", key=admin))
    caller = in_role(calling, "caller")
    with openai.OpenAI(base_url=running.url, api_key=caller, max_retries=0) as client:
        answer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices
    viewer = running.request("/v1/chat/completions", CHAT, key=in_role(calling, "viewer"))
    assert (viewer.status, "role, viewer" in viewer.json()["error"]["message"]) == (403, True)


def test_what_a_token_makes_is_its_tenants(running: RunningGateway, calling: LocalIssuer) -> None:
    """A caller's context is of the tenant that its token names, and not there for another."""
    mine, theirs = in_role(calling, "caller"), in_role(calling, "caller", "other")
    assert running.request("/v1/contexts", {"id": "by-token"}, key=mine).status == 201
    assert running.request("/v1/contexts/by-token", key=mine).status == 200
    assert running.request("/v1/contexts/by-token", key=theirs).status == 404
    log = running.request("/v1/contexts/by-token/access-log", key=mine).json()
    assert f"jwt:calling:{calling.subject('user-1')}" in str(log)


def test_a_tenants_admin_by_token_reaches_its_tenant(running: RunningGateway, calling: LocalIssuer) -> None:
    """Keys of others are not there, nor issuers that are not its tenant's own."""
    admin = in_role(calling, "admin")
    made = running.request("/admin/v1/keys", {"name": "by token"}, key=admin)
    assert (made.status, made.json()["tenant"]) == (201, "acme")
    other = running.request("/admin/v1/keys", {"name": "x", "tenant": "other"}).json()
    assert running.request(f"/admin/v1/keys/{other['id']}", key=admin).status == 404
    assert denied(running.request("/admin/v1/keys", {"name": "x", "tenant": "other"}, key=admin))
    assert running.request("/admin/v1/issuers", key=admin).json() == {"issuers": []}
    assert running.request("/admin/v1/issuers/corp/refresh", method="POST", key=admin).status == 404


def test_requests_for_access_are_for_keys(running: RunningGateway, calling: LocalIssuer) -> None:
    """A token has no list that could be widened."""
    caller = in_role(calling, "caller")
    assert running.request("/v1/me/requests", key=caller).json() == {"requests": []}
    answer = running.request("/v1/me/requests", {"alias": "demo"}, key=caller)
    assert 400 <= answer.status < 500, answer.body


def test_wrong_tokens_are_refused_alike(running: RunningGateway, issuer: LocalIssuer) -> None:
    """401 in the problem form, with a reason in the log and none in the answer; no token is ever logged."""
    now_s = time.time()
    stranger = SigningKey("first", "RS256")
    wrong = [
        issuer.token(now_s, aud="other"),
        issuer.token(now_s - 1000),
        issuer.token(now_s, key=stranger),
        issuer.token(now_s, header={"alg": "none"}),
        issuer.token(now_s, iss="https://nobody.example"),
    ]
    answers = [running.request("/v1/me", key=token) for token in wrong]
    assert {answer.status for answer in answers} == {401}
    assert {code(answer) for answer in answers} == {"invalid_api_key"}
    assert len({str(answer.json()) for answer in answers}) == 1
    reasons = ("another audience", "expired", "the signature is not its issuer's", "of no known issuer")
    until(lambda: all(each in running.log() for each in reasons), "the reasons to be in the log")
    assert not any(token.rpartition(".")[2] in running.log() for token in wrong)


def test_issuers_are_shown_and_refreshed(running: RunningGateway, calling: LocalIssuer) -> None:
    """With their keys' ids, and whether they are of use; an unknown one is 404."""
    token = in_role(calling, "viewer")
    until(lambda: running.request("/v1/me", key=token).status == 200, "the token to be known")
    shown = running.request("/admin/v1/issuers/calling/refresh", method="POST").json()
    assert (shown["keys"], shown["usable"], shown["problems"]) == (["first"], True, [])
    listed = running.request("/admin/v1/issuers").json()["issuers"]
    assert [(each["name"], each["algorithm"], each["calls"]) for each in listed] == [
        ("corp", "RS256", False),
        ("calling", "ES256", True),
    ]
    assert running.request("/admin/v1/issuers/nobody/refresh", method="POST").status == 404
    assert token not in str(listed)


def test_the_command_line_takes_a_token_where_it_takes_a_key(
    running: RunningGateway,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`LLMGW_KEY` may hold one."""
    monkeypatch.setenv("LLMGW_URL", running.root)
    monkeypatch.setenv("LLMGW_KEY", issuer.token(time.time()))
    with pytest.raises(SystemExit) as ended:
        main(["prompts", "list"])
    assert ended.value.code == 0, capsys.readouterr().err
    monkeypatch.setenv("LLMGW_KEY", issuer.token(time.time(), groups=["others"]))
    with pytest.raises(SystemExit) as ended:
        main(["prompts", "list"])
    assert ended.value.code == 1
    assert "give it no role" in " ".join(capsys.readouterr().err.split())


def test_an_issuer_that_is_away_is_503_and_comes_back(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A gateway starts without its issuer and answers keys; tokens are good as soon as it is there."""
    with LocalIssuer() as local:
        local.vanish()
        config = config_for(simulator, local.settings())
        with RunningGateway(tmp_path, config) as gateway:
            token = local.token(time.time())
            answer = gateway.request("/v1/me", key=token)
            assert (answer.status, code(answer)) == (503, "issuer_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert gateway.request("/v1/me").status == 200
            refused = gateway.request("/admin/v1/issuers/corp/refresh", method="POST")
            assert (refused.status, code(refused)) == (503, "issuer_unavailable")
            (shown,) = gateway.request("/admin/v1/issuers").json()["issuers"]
            assert (shown["usable"], len(shown["problems"])) == (False, 1)
            local.appear()
            assert gateway.request("/admin/v1/issuers/corp/refresh", method="POST").status == 200
            assert gateway.request("/v1/me", key=token).status == 200


def test_keys_rotate_under_load_and_no_token_is_wrong(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Six callers without a pause while an issuer changes its key five times: never a 401, and hardly a fetch."""
    seen: list[int] = []
    over = threading.Event()
    with LocalIssuer() as local, RunningGateway(tmp_path, config_for(simulator, local.settings())) as gateway:
        signing = [local.keys[0]]

        def call(number: int) -> None:
            count = 0
            while not over.is_set():
                count += 1
                token = local.token(time.time(), key=signing[-1], sub=f"user-{number}-{count}")
                seen.append(gateway.request("/v1/me", key=token).status)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for turn in range(5):
            # Unannounced: the new key is in the set when the first token is signed with it, the old one still.
            fresh = SigningKey(f"key-{turn}", local.algorithm)
            local.keys = [fresh, signing[-1]]
            signing.append(fresh)
            if turn:
                # Within half a minute of the rotation before, only an administrator has them fetched.
                assert gateway.request("/admin/v1/issuers/corp/refresh", method="POST").status == 200
            done = seen.count(200) + 60
            until(partial(_more, seen, done), "calls with the new key")
        over.set()
        for thread in threads:
            thread.join()
        assert set(seen) <= {200, 503}
        assert seen.count(200) > 300
        assert local.fetches <= 6


def _more(seen: list[int], good: int) -> bool:
    return seen.count(200) >= good


def test_a_key_taken_back_ends_its_tokens_in_all_workers(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """One of three is asked to look; each forgets what it remembered, long before its keys are old."""
    with LocalIssuer() as local:
        config = config_for(simulator, local.settings(), wrong_per_minute=0)
        with RunningGateway(tmp_path, {**config, "server": {"workers": 3}}) as gateway:
            token = local.token(time.time())
            until(lambda: local.fetches == 3, "each worker to fetch the keys")
            until(lambda: _statuses(gateway, token) == {200}, "each worker to know the token")
            local.rotate("second")
            assert _statuses(gateway, token) == {200}
            assert gateway.request("/admin/v1/issuers/corp/refresh", method="POST").status == 200
            until(lambda: 200 not in _statuses(gateway, token), "each worker to refuse the token")
            fresh = local.token(time.time())
            assert _statuses(gateway, fresh) == {200}
            # At the start, as asked, and at most one look each for the key that the old token names.
            assert local.fetches <= 9


def _statuses(gateway: RunningGateway, token: str) -> set[int]:
    """What enough new connections for all workers are answered."""
    return {gateway.request("/v1/me", key=token).status for _ in range(40)}


def test_wrong_keys_and_tokens_count_together(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """429 with a pause after as many as the settings say, in each dialect; who is right goes on."""
    with LocalIssuer() as local:
        config = config_for(simulator, local.settings(), wrong_per_minute=4)
        with RunningGateway(tmp_path, config) as gateway:
            wrong = ["llmgw_live_x", local.token(time.time(), aud="other"), "sk-1", "a.b.c", "sk-2", "sk-3"]
            statuses = [gateway.request("/v1/me", key=key).status for key in wrong]
            assert statuses == [401, 401, 401, 401, 429, 429]
            stopped = gateway.request("/v1/me", key="sk-4")
            assert code(stopped) == "too_many_wrong_keys"
            assert 0 < int(stopped.headers["retry-after"]) <= 60
            said = gateway.request("/v1/chat/completions", CHAT, key="sk-5")
            assert (said.status, code(said)) == (429, "too_many_wrong_keys")
            said = gateway.request("/v1/messages", {**CHAT, "max_tokens": 9}, key="sk-6")
            assert (said.status, said.json()["error"]["type"]) == (429, "rate_limit_error")
            assert gateway.request("/v1/me", key=None).status == 401
            assert gateway.request("/v1/me").status == 200
            assert gateway.request("/v1/me", key=local.token(time.time())).status == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_token_opens_what_a_key_of_its_role_opens(
    running: RunningGateway, calling: LocalIssuer, role: str
) -> None:
    """With `calls: true` the rights are the same."""
    made = running.request("/admin/v1/keys", {"name": role, "role": role, "tenant": "acme"}).json()
    by_key = running.request("/v1/me", key=made["key"]).json()
    by_token = running.request("/v1/me", key=in_role(calling, role)).json()
    for member in ("rights", "role", "tenant"):
        assert by_key[member] == by_token[member]


def test_what_tokens_use_is_counted_as_their_callers(
    running: RunningGateway, calling: LocalIssuer, issuer: LocalIssuer
) -> None:
    """A call with a token is in the sums of its caller's id, which limits can be set for; both are told to it."""
    token = in_role(calling, "caller", "counted")
    who = f"jwt:calling:{calling.subject('user-1')}"
    assert running.request("/v1/chat/completions", CHAT, key=token).status == 200
    until(lambda: who in str(_usage(running)), "the call to be in the sums")
    assert running.request("/v1/me/usage", key=token).status == 200
    assert running.request("/v1/me/limits", key=token).status == 200
    limit = f"/admin/v1/limits/counted/key/{who}"
    admin = issuer.token(time.time())
    assert running.request(limit, {"requests_per_minute": 1}, method="PUT", key=admin).status == 200
    until(
        lambda: running.request("/v1/chat/completions", CHAT, key=token).status == 429,
        "the limit to be known to the workers",
    )


def _usage(running: RunningGateway) -> Any:
    return running.request("/admin/v1/usage?by=key&tenant=counted").json()
