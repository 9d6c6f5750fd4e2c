"""A conversation over restarts, a new key, the command line and another gateway: kept encrypted, always proven."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.contexts.desk import MODELS, Desk, config_for, problem
from tests.running import RunningGateway

FIRST = {"first": "f" * 40}
BOTH = {**FIRST, "second": "s" * 40}
NDJSON = "application/x-ndjson"


def settings(simulator: SimulatorProcess, keys: dict[str, str], *trusted: str) -> dict[str, Any]:
    """Settings of a gateway that encrypts and trusts some others."""
    return {
        **config_for(simulator.base_url),
        "contexts": {"keys": keys, "encrypt": True, "trust": list(trusted)},
    }


def restarted(gateway: RunningGateway, config: dict[str, Any]) -> None:
    """Stop a gateway and start it on other settings, its store as it was."""
    assert gateway.stop() == 0
    gateway.write_config(config)
    gateway.start()


def llmgw(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `llmgw contexts` on a gateway's settings, as an operator on its machine."""
    command = [sys.executable, "-m", "llmgw", "contexts", arguments[0], "-c", str(gateway.config_path)]
    tenant = [] if arguments[0] == "key" else ["--tenant", "acme"]
    return subprocess.run(
        [*command, *tenant, *arguments[1:]], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def home(strict_simulator: SimulatorProcess, tmp_path: Path) -> Iterator[RunningGateway]:
    """The gateway where conversations begin."""
    with RunningGateway(tmp_path / "home", settings(strict_simulator, FIRST)) as gateway:
        yield gateway


@pytest.fixture
def away(strict_simulator: SimulatorProcess, tmp_path: Path) -> Iterator[RunningGateway]:
    """Another, with another store and other keys, that trusts nobody."""
    with RunningGateway(tmp_path / "away", settings(strict_simulator, {"away": "a" * 40})) as gateway:
        yield gateway


def answered(desk: Desk, context: str, model: str) -> str:
    """What a model knows of the conversation."""
    answer = desk.say(context, "What is my name?", model)
    assert answer.status == 200, answer.body
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_key_is_added_and_the_conversation_goes_on(
    home: RunningGateway, strict_simulator: SimulatorProcess
) -> None:
    """What the old key signed and encrypted is proven and told after the restart; without that key it is refused.

    It is refused as unproven and not as forged: with the key back, all is as it was.
    """
    desk = Desk.of(home, "acme")
    context = desk.told("My name is Ada.", state={"step": 1})
    restarted(home, settings(strict_simulator, BOTH))
    assert answered(desk, context, MODELS[1]) == "Your name is Ada."
    assert (
        desk.ask("PATCH", f"/contexts/{context}/state", [{"op": "add", "path": "/two", "value": 2}]).status
        == 200
    )
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"] is True
    assert "ok, 4 turns" in llmgw(home, "verify", context).stdout
    restarted(home, settings(strict_simulator, {"second": BOTH["second"]}))
    refused = desk.say(context, "What is my name?")
    assert (refused.status, refused.json()["error"]["code"]) == (500, "context_integrity_failed")
    assert "first" in refused.json()["error"]["message"]
    restarted(home, settings(strict_simulator, BOTH))
    assert answered(desk, context, MODELS[2]) == "Your name is Ada."
    assert desk.ask("GET", f"/contexts/{context}/state").json()["data"] == {"step": 1, "two": 2}


def test_the_command_line_says_the_same_with_the_gateway_stopped(home: RunningGateway) -> None:
    """Beside the running gateway and without it: the same list, turns, report, proof and bundle."""
    desk = Desk.of(home, "acme")
    context = desk.told("My name is Ada.", "What is my name?", subject="ada")
    asked = (
        ("list", "--subject", "ada", "--json"),
        ("show", context, "--json"),
        ("explain", context, "--rev", "2"),
        ("verify", "--all"),
    )
    beside = [llmgw(home, *each) for each in asked]
    assert home.stop() == 0
    without = [llmgw(home, *each) for each in asked]
    assert [each.returncode for each in (*beside, *without)] == [0] * 8
    assert [each.stdout for each in beside] == [each.stdout for each in without]
    assert "preserved, score 1.00" in beside[2].stdout
    erased = llmgw(home, "erase", "--subject", "ada", "--yes")
    assert f"{context}: erased" in erased.stdout
    home.start()
    assert problem(desk.ask("GET", f"/contexts/{context}"))[:2] == (410, "context_erased")


def test_a_conversation_moves_to_a_gateway_that_trusts_and_back(
    home: RunningGateway, away: RunningGateway, strict_simulator: SimulatorProcess
) -> None:
    """Refused from whom nobody trusts; then it goes on there, with its state, and comes back longer."""
    ours, theirs = Desk.of(home, "acme"), Desk.of(away, "acme")
    context = ours.told("My name is Ada.", state={"step": 1}, subject="ada")
    bundle = ours.ask("GET", f"/contexts/{context}/export").body
    refused = theirs.ask("POST", "/contexts/import", bundle, media_type=NDJSON)
    assert problem(refused)[:2] == (422, "bundle_rejected")
    key = llmgw(home, "key").stdout.strip()
    restarted(away, settings(strict_simulator, {"away": "a" * 40}, key))
    taken = theirs.ask("POST", "/contexts/import", bundle, media_type=NDJSON)
    assert (taken.status, taken.json()["imported_from"]) == (201, key)
    assert answered(theirs, context, MODELS[2]) == "Your name is Ada."
    assert theirs.ask("GET", f"/contexts/{context}/state").json()["data"] == {"step": 1}
    longer = theirs.ask("GET", f"/contexts/{context}/export").body
    assert problem(ours.ask("POST", "/contexts/import?id=back", longer, media_type=NDJSON))[0] == 422
    restarted(home, settings(strict_simulator, FIRST, llmgw(away, "key").stdout.strip()))
    there = ours.ask("POST", "/contexts/import", longer, media_type=NDJSON)
    assert problem(there)[:2] == (409, "context_exists")
    assert ours.ask("POST", "/contexts/import?id=back", longer, media_type=NDJSON).status == 201
    assert answered(ours, "back", MODELS[1]) == "Your name is Ada."
    assert ours.texts("back")[:4] == theirs.texts(context)
    assert ours.ask("POST", "/contexts/back/verify").json()["ok"] is True
    listed = ours.ask("GET", "/contexts?subject=ada").json()["contexts"]
    assert {each["id"] for each in listed} == {context, "back"}


def test_one_changed_letter_keeps_a_bundle_out(home: RunningGateway) -> None:
    """Whatever line it is in, and nothing of it is stored."""
    desk = Desk.of(home, "acme")
    context = desk.told("My name is Ada.", state={"step": 1})
    lines = desk.ask("GET", f"/contexts/{context}/export").body.splitlines(keepends=True)
    kinds = [json.loads(line)["line"] for line in lines]
    assert {"bundle", "state", "turn", "blob", "proof"} <= set(kinds)
    for number, kind in enumerate(kinds):
        spoilt = bytearray(lines[number])
        at = len(spoilt) * 2 // 3
        spoilt[at] = ord("b") if spoilt[at] != ord("b") else ord("c")
        bundle = b"".join((*lines[:number], bytes(spoilt), *lines[number + 1 :]))
        answer = desk.ask("POST", "/contexts/import?id=spoilt", bundle, media_type=NDJSON)
        assert problem(answer)[:2] == (422, "bundle_rejected"), kind
    assert problem(desk.ask("GET", "/contexts/spoilt"))[:2] == (404, "context_not_found")
