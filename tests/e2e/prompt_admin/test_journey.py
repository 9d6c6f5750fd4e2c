"""From a draft with errors to retirement: what an engineer does with a prompt, step by step."""

import json
import urllib.request
from http.client import HTTPConnection
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.e2e.prompt_admin.office import GOOD, ROOT, Office, case, echo, fresh
from tests.waiting import until


def served(office: Office, name: str) -> Any:
    """Which version a call gets now."""
    answer = office.gateway.request(
        f"/v1/prompts/{name}/render", {"variables": {"text": "x"}}, key=office.key
    )
    return answer.json().get("prompt") if answer.status == 200 else answer.status


def heard(simulator: SimulatorProcess) -> bytes:
    """All that the provider was asked."""
    root = simulator.base_url.removesuffix("/v1")
    with urllib.request.urlopen(f"{root}/_sim/log") as answer:
        log: bytes = answer.read()
    return log


def serves(office: Office, name: str, version: int | None) -> None:
    """Wait until calls get this version: workers hear of changes, they are not asked."""
    expected = f"{name}@{version}" if version is not None else 404
    until(lambda: served(office, name) == expected, f"{expected} to be served")


def test_a_push_tells_what_the_lint_finds_and_errors_keep_it_from_being_published(office: Office) -> None:
    """A draft with an unknown variable is kept, with a finding that points into it; publishing refuses it."""
    name = fresh()
    wrong = echo(messages=[{"role": "user", "text": "say: {{ words }}"}])
    pushed = office.done("POST", "", {"name": name, "content": wrong})
    found = [(each["severity"], each["rule"]) for each in pushed["findings"]]
    assert found == [("error", "variable"), ("warning", "variable")]
    problem = office.refused(422, "prompt_rejected", "POST", f"/{name}/versions/1/publish")
    assert problem["violations"][0]["pointer"] == "/input_schema/properties"
    assert office.done("GET", f"/{name}/versions/1")["info"].get("state", "draft") == "draft"


def test_the_same_content_is_the_same_version(office: Office) -> None:
    """A second push of it makes none; a third content is version 2, and the first is version 1 for ever."""
    name = fresh()
    first = office.ask("POST", "", {"name": name, "content": echo()})
    again = office.ask("POST", "", {"name": name, "content": echo()})
    assert (first.status, again.status) == (201, 200)
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert office.pushed(name, echo("another")) == 2
    assert office.pushed(name, echo()) == 1


def test_a_secret_is_not_stored_and_not_repeated(office: Office) -> None:
    """422 with the place and the kind; the prompt does not come to be."""
    name = fresh()
    token = "AKIA" + "QWERTYUIOPASDF23"
    body = {"name": name, "content": echo(messages=[{"role": "system", "text": f"Use {token} to log in."}])}
    problem = office.refused(422, "prompt_rejected", "POST", "", body)
    assert problem["violations"][0]["rule"] == "secret"
    assert problem["violations"][0]["pointer"] == "/messages/0/text"
    assert token not in json.dumps(problem)
    assert token not in office.gateway.log()
    office.refused(404, "prompt_not_found", "GET", f"/{name}")


def test_cases_beside_the_prompt_must_render_before_it_is_published(office: Office) -> None:
    """The lint holds their variables against the schema; without a schema the rendering itself tells."""
    name = fresh()
    free = {k: v for k, v in echo().items() if k != "input_schema"}
    office.pushed(name, {**free, "tests": {"cases": [case("fine"), {"vars": {"txt": "typo"}}]}})
    problem = office.refused(422, "prompt_rejected", "POST", f"/{name}/versions/1/publish")
    assert problem["violations"][0]["pointer"] == "/tests/cases/1/vars"


def test_from_gate_to_production_and_back(office: Office) -> None:
    """Without an evaluation 409; with one that passed the label moves; a stale If-Match is told the present one."""
    name = fresh()
    office.published(name, echo())
    path = f"/{name}/labels/production"
    office.refused(409, "gate_missing", "PUT", path, {"version": 1})
    found = office.done("POST", f"/{name}/versions/1/evaluate", {"cases": GOOD, "dataset": "greetings"})
    assert (found["verdict"], found["cases"], found["passed"]) == ("pass", 3, 3)
    moved = office.ask("PUT", path, {"version": 1})
    assert moved.status == 200
    serves(office, name, 1)
    office.passed(name, echo("second"))
    etag = moved.headers["etag"]
    assert office.ask("PUT", path, {"version": 2}, headers={"if-match": etag}).status == 200
    serves(office, name, 2)
    stale = office.ask("PUT", path, {"version": 1}, headers={"if-match": etag})
    assert (stale.status, stale.json()["code"]) == (412, "prompt_changed")
    assert stale.headers["etag"] == f'"{office.label(name)["rev"]}"'
    office.done("POST", f"{path}/rollback", {"reason": "it was worse"})
    serves(office, name, 1)
    assert [each["op"] for each in office.events(name)][:2] == ["label.rollback", "label.move"]


def test_a_gate_that_failed_keeps_every_label_away(office: Office) -> None:
    """Protected or not; and the reason and each failure are told."""
    name = fresh()
    office.published(name, echo())
    found = office.done(
        "POST", f"/{name}/versions/1/evaluate", {"cases": [*GOOD, case("hi", type="equals", value="ho")]}
    )
    assert found["verdict"] == "fail"
    assert "3 of 4 cases passed" in found["reasons"][0]
    assert found["results"][3] | {"latency_ms": 0} == {
        "name": "case 4", "ok": False, "failures": ['is not "ho"'], "output": "hi", "latency_ms": 0,
        "input_tokens": found["results"][3]["input_tokens"],
        "output_tokens": found["results"][3]["output_tokens"],
    }  # fmt: skip
    for label in ("production", "try"):
        office.refused(409, "gate_missing", "PUT", f"/{name}/labels/{label}", {"version": 1})


def test_too_few_cases_are_enough_for_labels_that_are_not_protected(office: Office) -> None:
    """`insufficient_data` is no pass for production, and no failure for the others."""
    name = fresh()
    office.published(name, echo())
    found = office.done("POST", f"/{name}/versions/1/evaluate", {"cases": GOOD[:1]})
    assert found["verdict"] == "insufficient_data"
    office.refused(409, "gate_missing", "PUT", f"/{name}/labels/production", {"version": 1})
    office.done("PUT", f"/{name}/labels/try", {"version": 1})


def test_the_glass_breaks_only_with_a_reason_and_is_written_down(office: Office) -> None:
    """The audit says who, why, and that the glass was broken, under the request id of the answer."""
    name = fresh()
    office.published(name, echo())
    path = f"/{name}/labels/production"
    office.refused(400, "invalid_request", "PUT", path, {"version": 1, "break_glass": True})
    moved = office.ask("PUT", path, {"version": 1, "break_glass": True, "reason": "the old one is broken"})
    assert moved.status == 200
    newest = office.events(name)[0]
    assert (newest["op"], newest["who"], newest["reason"]) == (
        "label.move", office.key_id, "the old one is broken",
    )  # fmt: skip
    assert "break glass" in newest["detail"]
    assert newest["call"] == moved.headers["x-request-id"]


def test_a_worse_version_is_told_apart_from_the_one_in_production(office: Office) -> None:
    """Pairs are counted, and a drop beyond what the gate allows fails although enough cases pass."""
    name = fresh()
    office.live(name, echo())
    worse: dict[str, Any] = {
        "messages": [
            {"role": "user", "text": "say: {% if text == 'bye' %}no{% else %}{{ text }}{% endif %}"}
        ],
        "tests": {"gate": {"min_pass": 0.5}},
    }
    office.published(name, echo(**worse))
    found = office.done("POST", f"/{name}/versions/2/evaluate", {"cases": GOOD})
    compared = found["comparison"]
    assert (compared["against"], compared["against_version"]) == ("production", 1)
    assert (compared["wins"], compared["losses"], compared["ties"]) == (0, 1, 2)
    assert compared["p_value"] == 1.0
    assert found["verdict"] == "fail"
    assert "fewer cases passed" in found["reasons"][0]
    assert [each["verdict"] for each in (g["details"] for g in office.done("GET", f"/{name}/gates")["gates"])] == [
        "fail", "pass",
    ]  # fmt: skip


@pytest.mark.parametrize("against", [None, 1, "production"])
def test_a_version_is_compared_with_what_is_asked_for(office: Office, against: Any) -> None:
    """Null is no comparison; a number or a label is that version."""
    name = fresh()
    office.live(name, echo())
    office.published(name, echo("new"))
    found = office.done("POST", f"/{name}/versions/2/evaluate", {"cases": GOOD, "against": against})
    assert found["verdict"] == "pass"
    assert ("comparison" in found) == (against is not None)


def test_cases_that_cannot_be_rendered_are_told_all_at_once_and_cost_nothing(office: Office) -> None:
    """422 with a violation for each, and no call was made."""
    name = fresh()
    office.published(name, echo())
    body = {"cases": [case(), {"vars": {}}, {"vars": {"text": 7}}]}
    problem = office.refused(422, "prompt_rejected", "POST", f"/{name}/versions/1/evaluate", body)
    pointers = [each["pointer"] for each in problem["violations"]]
    assert any(each.startswith("/cases/1/vars") for each in pointers)
    assert "/cases/2/vars/text" in pointers
    assert "gate" not in office.done("GET", f"/{name}/versions/1")["info"]


def test_calls_that_fail_are_cases_that_fail(office: Office) -> None:
    """A provider that answers 500 fails its cases, and the evaluation goes on to the end."""
    name = fresh()
    office.pushed(name, echo(model="broken"))
    found = office.done("POST", f"/{name}/versions/1/evaluate", {"cases": GOOD})
    assert (found["verdict"], found["passed"]) == ("fail", 0)
    assert all("no answer" in each["failures"][0] for each in found["results"])


def test_whoever_leaves_an_evaluation_stops_it(office: Office, simulator: SimulatorProcess) -> None:
    """The calls it waits for are ended, and nothing is noted."""
    name = fresh()
    office.pushed(name, echo(model="hangs"))
    path = f"{ROOT}/{name}/versions/1/evaluate"
    body = json.dumps({"cases": GOOD})
    headers = {"authorization": f"Bearer {office.key}", "content-type": "application/json"}
    connection = HTTPConnection("127.0.0.1", office.gateway.port)
    connection.request("POST", path, body, {**headers, "x-request-id": "req-leaving"})

    def logged() -> list[dict[str, Any]]:
        lines = [line for line in office.gateway.log().splitlines() if '"req-leaving"' in line]
        return [json.loads(line) for line in lines]

    until(lambda: b'"sim-hang"' in heard(simulator), "the provider to be asked")
    connection.close()
    until(lambda: any(each.get("error") == "client_gone" for each in logged()), "the call to end")
    assert "gate" not in office.done("GET", f"/{name}/versions/1")["info"]


def test_a_judge_that_is_against_an_answer_fails_it(office: Office) -> None:
    """The simulator's verdicts are all `false`: none may pass."""
    name = fresh()
    office.pushed(name, echo())
    rubric = case("hello", type="llm-rubric", value="is polite", model="demo")
    found = office.done("POST", f"/{name}/versions/1/evaluate", {"cases": [rubric]})
    assert found["passed"] == 0
    assert found["results"][0]["failures"][0].startswith("judged: ")


def test_a_rollout_from_its_start_to_promotion(office: Office, offices: dict[str, Office]) -> None:
    """Steps rise; paused it takes none; arms are counted; promoted, the label leads to the candidate."""
    name = fresh()
    office.live(name, echo())
    office.passed(name, echo("candidate"))
    path = f"/{name}/labels/production/rollout"
    started = office.ask("POST", path, {"candidate": 2, "steps": [2000, 5000], "sticky_by": "call"})
    assert started.status == 201
    assert started.json()["rollout"]["weight"] == 2000
    assert office.done("POST", f"{path}/step")["rollout"]["weight"] == 5000
    offices["operator"].done("POST", f"{path}/pause", {"reason": "looking"})
    office.refused(409, "prompt_conflict", "POST", f"{path}/step", {"weight": 6000})
    office.done("POST", f"{path}/resume")
    assert office.done("POST", f"{path}/step", {"weight": 10_000})["rollout"]["weight"] == 10_000
    assert set(office.done("GET", path)["arms"]) <= {"stable", "candidate"}
    assert office.done("POST", f"{path}/promote")["version"] == 2
    serves(office, name, 2)
    assert office.done("GET", path)["rollout"] is None
    office.refused(409, "prompt_conflict", "POST", f"{path}/abort")


def test_whoever_is_on_call_ends_a_rollout(office: Office, offices: dict[str, Office]) -> None:
    """Aborted, all calls get the stable version again."""
    name = fresh()
    office.live(name, echo())
    office.passed(name, echo("candidate"))
    path = f"/{name}/labels/production/rollout"
    office.done("POST", path, {"candidate": 2, "weight": 10_000})
    serves(office, name, 2)
    offices["operator"].done("POST", f"{path}/abort", {"reason": "answers are late"})
    serves(office, name, 1)


def test_the_end_of_a_prompt(office: Office) -> None:
    """Deprecated, calls are warned; called lately, retirement is refused with who calls; forced, 410."""
    name = fresh()
    office.live(name, echo())
    serves(office, name, 1)
    call = office.gateway.request(
        f"/v1/prompts/{name}/completions", {"variables": {"text": "hi"}}, key=office.key
    )
    assert call.status == 200
    office.done("POST", f"/{name}/deprecate", {"sunset": "2030-01-31", "successor": "team/other"})
    info = office.done("GET", f"/{name}/versions/1")["info"]
    assert (info["state"], info["sunset_ms"]) == ("deprecated", 1_896_048_000_000)
    used = until(lambda: office.done("GET", f"/{name}/callers")["callers"], "the call to be counted")
    assert (used[0]["version"], used[0]["key_id"], used[0]["calls"]) == (1, office.key_id, 1)
    problem = office.refused(409, "prompt_conflict", "POST", f"/{name}/retire")
    assert "publisher" in problem["detail"]
    office.done("POST", f"/{name}/retire", {"force": True})
    until(lambda: served(office, name) == 410, "the prompt to be gone")
    assert [each["op"] for each in office.events(name)][:2] == ["retire", "deprecate"]


def test_versions_are_compared_as_their_files(office: Office) -> None:
    """A unified diff, the members that differ, and what breaks those who call."""
    name = fresh()
    office.pushed(name, echo())
    narrower = {**echo()["input_schema"], "properties": {"text": {"type": "string", "maxLength": 5}}}
    office.pushed(name, echo("two", input_schema=narrower))
    found = office.done("GET", f"/{name}/diff?from=1&to=2")
    assert (found["from"], found["to"]) == (1, 2)
    assert found["changed"] == ["input_schema", "description"]
    assert found["text"].startswith(f"--- {name}@1\n+++ {name}@2\n")
    assert [each["pointer"] for each in found["breaking"]] == ["/input_schema/properties/text/maxLength"]
    assert office.done("GET", f"/{name}/diff?from=2&to=1")["breaking"] == []
    office.refused(404, "prompt_version_not_found", "GET", f"/{name}/diff?from=1&to=production")
    office.refused(400, "invalid_request", "GET", f"/{name}/diff?from=1")


def test_an_archive_takes_everything_to_another_tenant(office: Office, stranger: Office) -> None:
    """Versions keep numbers and hashes, labels lead where they led; a second time nothing changes."""
    name = fresh()
    office.live(name, echo())
    archive = office.gateway.request("/admin/v1/prompt-archive", key=office.key)
    assert archive.headers["content-type"] == "application/x-ndjson"
    headers = {"content-type": "application/x-ndjson"}

    def taken() -> Any:
        path = "/admin/v1/prompt-archive"
        return office.gateway.request(path, archive.body, method="POST", headers=headers, key=stranger.key)

    first = taken()
    assert first.status == 200, first.body
    there, here = (each.done("GET", f"/{name}") for each in (stranger, office))
    assert {n: v["hash"] for n, v in there["versions"].items()} == {
        n: v["hash"] for n, v in here["versions"].items()
    }
    assert there["labels"]["production"]["version"] == 1
    assert taken().json()["versions"] == 0
