"""A redacted turn: the chain goes over it, no model or reader gets it, and its digest does not tell what it was."""

import base64
import hashlib
import itertools
import json
import urllib.request
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.contexts.desk import MODELS, Desk

SECRET = "The code word is tangerine."


def received(simulator: SimulatorProcess) -> str:
    """All that the provider has in its log."""
    with urllib.request.urlopen(f"{simulator.base_url.removesuffix('/v1')}/_sim/log") as response:
        return str(response.read().decode())


def forget(simulator: SimulatorProcess) -> None:
    """Empty the provider's log."""
    request = urllib.request.Request(f"{simulator.base_url.removesuffix('/v1')}/_sim/log", method="DELETE")
    urllib.request.urlopen(request).close()


def turn_lines(desk: Desk, context: str) -> list[Any]:
    """The turns of a context's bundle."""
    bundle = desk.ask("GET", f"/contexts/{context}/export").body.splitlines()
    return [each for each in map(json.loads, bundle) if each["line"] == "turn"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_no_provider_gets_it_again(
    desk: Desk, strict_simulator: SimulatorProcess, model: str, *, stream: bool
) -> None:
    """Neither whole nor streamed, nor in a fork, nor to be summed up; the report says that a turn was left out."""
    context = desk.told(SECRET, "Remember it.", "say fine")
    assert "tangerine" in received(strict_simulator)
    assert desk.ask("POST", f"/contexts/{context}/redact", {"turns": [0, 1]}).status == 200
    fork = desk.ask("POST", f"/contexts/{context}/fork").json()["id"]
    forget(strict_simulator)
    for each in (context, fork):
        answer = desk.say(each, "What is the code word?", model, stream=stream)
        assert answer.status == 200
        assert b"tangerine" not in answer.body
        report = desk.ask("GET", f"/contexts/{each}/report/latest").json()["report"]
        assert "turn.redacted" in [loss["code"] for loss in report["losses"]]
    assert (
        desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 1}).status == 200
    )
    told = received(strict_simulator)
    assert "What is the code word?" in told
    assert "tangerine" not in told


def test_the_chain_goes_over_it_and_a_bundle_marks_it(desk: Desk) -> None:
    """Link and digest are those of before, the proof holds and counts it, and an import keeps it redacted."""
    context = desk.told(SECRET, "Remember it.")
    before = turn_lines(desk, context)
    head = desk.ask("GET", f"/contexts/{context}").json()["head"]
    assert desk.ask("POST", f"/contexts/{context}/redact", {"turns": [0, 1]}).status == 200
    proof = desk.ask("POST", f"/contexts/{context}/verify").json()
    assert (proof["ok"], proof["redacted"], proof["head"]) == (True, 2, head)
    after = turn_lines(desk, context)
    for old, new in zip(before[:2], after[:2], strict=True):
        assert (new["digest"], new["link"]) == (old["digest"], old["link"])
        assert {"salt", "body"}.isdisjoint(new)
    assert after[2:] == before[2:]
    bundle = desk.ask("GET", f"/contexts/{context}/export").body
    copy = f"{context}-copy"
    taken = desk.ask("POST", f"/contexts/import?id={copy}", bundle, media_type="application/x-ndjson")
    assert taken.status == 201
    turns = desk.ask("GET", f"/contexts/{copy}/turns").json()["turns"]
    assert [turn.get("status", "complete") for turn in turns] == ["redacted"] * 2 + ["complete"] * 2
    assert desk.ask("POST", f"/contexts/{copy}/verify").json()["ok"] is True


def test_what_it_was_cannot_be_found_by_guessing(desk: Desk) -> None:
    """With its salt a guess can be proven, so that goes, too: then not even the right words fit the digest."""
    context = desk.told(SECRET)
    (line, _) = turn_lines(desk, context)
    salt, body = base64.b64decode(line["salt"]), line["body"].encode()
    assert hashlib.sha256(salt + body).hexdigest() == line["digest"]
    assert desk.ask("POST", f"/contexts/{context}/redact", {"turns": [0]}).status == 200
    everything = desk.ask("GET", f"/contexts/{context}/export").body
    assert line["salt"].encode() not in everything
    assert line["digest"].encode() in everything
    salts = (b"", bytes(16), context.encode(), bytes.fromhex(line["link"]))
    for known, guess in itertools.product(salts, (body, SECRET.encode())):
        assert hashlib.sha256(known + guess).hexdigest() != line["digest"]
    # The same words said elsewhere have another digest.
    (again, _) = turn_lines(desk, desk.told(SECRET))
    assert again["digest"] != line["digest"]
