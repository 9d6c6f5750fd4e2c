"""Calls that meet in one context, come twice, or follow a revision that is past: told before any money is spent."""

import http.client
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.contexts.desk import Desk, problem
from tests.waiting import until

PATHS = ("/chat/completions", "/messages")


def asked(simulator: SimulatorProcess) -> int:
    """How many requests the provider has had."""
    with urllib.request.urlopen(f"{simulator.base_url.removesuffix('/v1')}/_sim/stats") as response:
        return int(json.load(response)["requests"])


def said(context: str, text: str, model: str = "openai/gpt-5.2", **members: object) -> dict[str, object]:
    """A call that both dialects take."""
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": 99, "messages": messages, "llmgw": {"context": context}, **members}


@contextmanager
def under_way(desk: Desk, context: str, text: str, **headers: str) -> Iterator[None]:
    """A streamed call that has begun to be answered and does not end before the block does."""
    connection = http.client.HTTPConnection("127.0.0.1", desk.gateway.port, timeout=20)
    body = json.dumps(said(context, text, "openai/sim-stall-after-1", stream=True))
    every = {"authorization": f"Bearer {desk.key}", "content-type": "application/json", **headers}
    connection.request("POST", "/v1/chat/completions", body, every)
    response = connection.getresponse()
    assert response.readline().startswith(b"data: ")
    try:
        yield
    finally:
        response.close()
        connection.close()


@pytest.mark.parametrize("path", PATHS)
def test_the_second_of_two_writers_is_refused(
    desk: Desk, strict_simulator: SimulatorProcess, path: str
) -> None:
    """Of two that follow one revision the provider is asked for the first; the other gets 409 and Retry-After."""
    context = desk.told("one")
    with under_way(desk, context, "two"):
        before = asked(strict_simulator)
        answer = desk.ask("POST", path, said(context, "three"))
        assert asked(strict_simulator) == before
    assert answer.status == 409
    assert answer.json()["error"].get("code", "context_locked") == "context_locked"
    assert 0 < int(answer.headers["retry-after"]) <= 30
    until(lambda: len(desk.texts(context)) == 4, "the first writer's turns")
    assert desk.texts(context)[2] == "two"
    assert desk.ask("POST", path, said(context, "three")).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_key_makes_a_call_happen_once(desk: Desk, strict_simulator: SimulatorProcess, path: str) -> None:
    """The same key and request give the same bytes and ask nobody; with another request it is 422."""
    context = desk.made()
    key = {"idempotency-key": f"once-{path}"}
    first = desk.ask("POST", path, said(context, "one"), headers=key)
    before = asked(strict_simulator)
    again = desk.ask("POST", path, said(context, "one"), headers=key)
    assert (again.status, again.body) == (200, first.body)
    other = desk.ask("POST", path, said(context, "two"), headers=key)
    assert other.status == 422
    assert b"idempotency" in other.body
    assert asked(strict_simulator) == before
    assert len(desk.texts(context)) == 2


def test_a_call_that_comes_again_too_soon(desk: Desk, strict_simulator: SimulatorProcess) -> None:
    """While the first is under way the second gets 409 and no answer; another request with its key gets 422."""
    context = desk.made()
    key = {"idempotency-key": "soon"}
    with under_way(desk, context, "one", **key):
        before = asked(strict_simulator)
        body = said(context, "one", "openai/sim-stall-after-1", stream=True)
        answer = desk.ask("POST", "/chat/completions", body, headers=key)
        assert (answer.status, answer.json()["error"]["code"]) == (409, "idempotency_in_flight")
        # The vendors' SDKs come again by themselves, and then get the answer.
        assert answer.headers["x-should-retry"] == "true"
        other = desk.ask("POST", "/chat/completions", said(context, "two"), headers=key)
        assert (other.status, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert asked(strict_simulator) == before


@pytest.mark.parametrize("path", PATHS)
def test_a_revision_that_is_past(desk: Desk, strict_simulator: SimulatorProcess, path: str) -> None:
    """412 with the entity tag there is, and nobody is asked; with that tag the call goes through."""
    context = desk.told("one")
    past = desk.ask("GET", f"/contexts/{context}").headers["etag"]
    assert desk.say(context, "two").status == 200
    before = asked(strict_simulator)
    refused = desk.ask("POST", path, said(context, "three"), headers={"if-match": past})
    assert asked(strict_simulator) == before
    assert refused.status == 412
    there = refused.headers["etag"]
    assert there == desk.ask("GET", f"/contexts/{context}").headers["etag"]
    assert desk.ask("POST", path, said(context, "three"), headers={"if-match": there}).status == 200


def test_a_revision_that_the_store_does_not_have_yet(desk: Desk) -> None:
    """A caller who was told of a later one than there is learns that turns may be lost, and nothing is written."""
    context = desk.told("one")
    refused = desk.say(context, "two", headers={"if-match": '"4-0123456789abcdef"'})
    assert refused.status == 412
    assert "acknowledged turns may be lost" in refused.json()["error"]["message"]
    assert len(desk.texts(context)) == 2
    assert problem(desk.ask("GET", f"/contexts/{context}/report/2"))[:2] == (404, "not_found")
    assert "the store has at revision 1" in desk.gateway.log()


def test_any_revision_is_none_that_was_named(desk: Desk) -> None:
    """Where each call must name the revision it follows, `*` does not: 428 over calls and appended turns alike."""
    context = desk.made(policy={"require_if_match": True})
    assert desk.say(context, "one").status == 200
    refused = desk.say({"id": context, "if_match": "*"}, "two")
    assert (refused.status, refused.json()["error"]["code"]) == (428, "revision_required")
    turns = {"messages": [{"role": "user", "content": "two"}]}
    assert desk.ask("POST", f"/contexts/{context}/turns", turns, headers={"if-match": "*"}).status == 428
    tag = desk.ask("GET", f"/contexts/{context}").headers["etag"]
    assert desk.say({"id": context, "if_match": tag}, "two").status == 200


def test_whoever_names_no_revision_has_the_last_word(desk: Desk) -> None:
    """Twenty replace one state at once: each is taken, one after the other, and none is told 412."""
    context = desk.made()
    with ThreadPoolExecutor(20) as pool:
        put = [
            pool.submit(desk.ask, "PUT", f"/contexts/{context}/state", {"writer": number})
            for number in range(20)
        ]
        answers = [each.result() for each in put]
    assert [each.status for each in answers] == [200] * 20
    assert sorted(each.json()["rev"] for each in answers) == list(range(1, 21))
    last = max((each.json() for each in answers), key=lambda document: document["rev"])
    assert desk.ask("GET", f"/contexts/{context}/state").json() == last


def test_a_tag_that_a_proxy_weakened_still_spares_the_answer(desk: Desk) -> None:
    """If-None-Match is compared weakly, and may be a list; another tag gets the whole."""
    context = desk.told("one")
    tag = desk.ask("GET", f"/contexts/{context}").headers["etag"]
    for known in (f"W/{tag}", f'"other", {tag}', "*"):
        assert desk.ask("GET", f"/contexts/{context}", headers={"if-none-match": known}).status == 304
    assert desk.ask("GET", f"/contexts/{context}", headers={"if-none-match": '"other"'}).status == 200
