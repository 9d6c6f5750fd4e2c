"""What must be refused in words: bodies, names, numbers and addresses that are none."""

from http.client import HTTPConnection
from typing import Any

import pytest
from tests.e2e.prompt_admin.office import ROOT, Office, case, echo, fresh
from tests.waiting import until

TOKEN = "ghp_" + "aB3dE5gH7jK9mN2pQ4sT6vW8xY" * 2


@pytest.fixture(scope="module")
def name(offices: dict[str, Office]) -> str:
    """A prompt with one version."""
    made = fresh()
    offices["publisher"].published(made, echo())
    return made


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {}),
        ("POST", "", {"name": "a"}),
        ("POST", "", {"name": "A b", "content": echo()}),
        ("POST", "", {"name": "a/versions/b", "content": echo()}),
        ("POST", "", {"name": "a/b/c/d/e", "content": echo()}),
        ("POST", "", {"name": "a", "content": {**echo(), "mesages": []}}),
        ("POST", "", {"name": "a", "content": {"messages": [{"role": "tool", "text": "x"}]}}),
        ("POST", "", {"name": "a", "content": echo(), "parent": 0}),
        ("POST", "", {"name": "a", "content": echo(), "owner": "me"}),
        ("POST", "", {"file": "x", "name": "a", "content": echo()}),
        ("PUT", "/{name}/labels/try", {}),
        ("PUT", "/{name}/labels/try", {"version": "1"}),
        ("PUT", "/{name}/labels/try", {"version": 0}),
        ("PUT", "/{name}/labels/try", {"version": 1, "force": True}),
        ("POST", "/{name}/labels/try/rollback", {"to": -1}),
        ("POST", "/{name}/labels/try/rollout", {"candidate": 1, "weight": 10_001}),
        ("POST", "/{name}/labels/try/rollout", {"candidate": 1, "sticky_by": "mood"}),
        ("POST", "/{name}/versions/1/evaluate", {"cases": [], "concurrency": 17}),
        ("POST", "/{name}/versions/1/evaluate", {"cases": []}),
        ("POST", "/{name}/versions/1/evaluate", {}),
        ("POST", "/{name}/deprecate", {"sunset": "next year"}),
        ("POST", "/{name}/retire", {"version": 1.5}),
        ("POST", "/{name}/versions/1/render", {"variables": [1]}),
        ("GET", "/{name}/history?limit=0", None),
        ("GET", "/{name}/history?limit=x", None),
    ],
)
def test_a_body_that_is_none_is_refused_with_the_place(
    office: Office, name: str, method: str, path: str, body: Any
) -> None:
    """400 as a problem document; unknown members are no exception."""
    problem = office.refused(400, "invalid_request", method, path.format(name=name), body)
    assert problem["detail"]


@pytest.mark.parametrize(
    ("case_", "words"),
    [
        ({"assert": [{"type": "similar", "value": "x"}]}, "is no type of assertion"),
        ({"assert": [{"type": "regex", "value": r"(a)\1"}]}, "linear time"),
        ({"vars": "text"}, "case 1"),
        ({"expected": "x"}, "unknown field"),
    ],
)
def test_a_dataset_is_refused_before_anything_runs(
    office: Office, name: str, case_: dict[str, Any], words: str
) -> None:
    """400, with the case and why."""
    path = f"/{name}/versions/1/evaluate"
    problem = office.refused(400, "invalid_prompt", "POST", path, {"cases": [case_]})
    assert words in problem["detail"]
    assert problem["violations"][0]["pointer"].startswith("/cases/0")


def test_a_dataset_has_a_thousand_cases_at_most(office: Office, name: str) -> None:
    """One more is refused."""
    path = f"/{name}/versions/1/evaluate"
    problem = office.refused(400, "invalid_prompt", "POST", path, {"cases": [case()] * 1001})
    assert "1000" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nothing/here", "prompt_not_found"),
        ("/Upper", "prompt_not_found"),
        ("/a/b/c/d/e", "not_found"),
        ("/{name}/versions/9", "prompt_version_not_found"),
        ("/{name}/versions/x", "prompt_version_not_found"),
        ("/{name}/versions/99999999999", "prompt_version_not_found"),
        ("/{name}/labels/nothing/rollout", "prompt_version_not_found"),
        ("/{name}/labels/UPPER/rollout", "prompt_version_not_found"),
        ("/versions/versions/1", "prompt_not_found"),
    ],
)
def test_what_is_not_there_is_404(office: Office, name: str, path: str, code: str) -> None:
    """As a problem, and versions that there are are listed."""
    problem = office.refused(404, code, "GET", path.format(name=name))
    if path.endswith("/9"):
        assert "versions: 1" in problem["detail"]


def test_names_of_one_to_four_words_have_addresses(office: Office) -> None:
    """Each length, and the version below it."""
    base = fresh().split("/")[1]
    for name in (base, f"a/{base}", f"a/b/{base}", f"a/b/c/{base}"):
        office.pushed(name, echo())
        assert office.done("GET", f"/{name}")["name"] == name
        assert office.done("GET", f"/{name}/versions/1")["info"]["number"] == 1
        assert office.done("GET", f"/{name}/history")["events"][0]["prompt"] == name


def test_a_parent_that_is_not_the_newest_is_told(office: Office) -> None:
    """412 for whoever edits what others have changed since."""
    name = fresh()
    office.pushed(name, echo())
    office.pushed(name, echo("two"))
    late = {"name": name, "content": echo("three"), "parent": 1}
    office.refused(412, "prompt_changed", "POST", "", late)
    office.done("POST", "", {**late, "parent": 2})


def test_templates_and_schemas_that_are_none_are_refused_with_all_that_is_wrong(office: Office) -> None:
    """Two templates and a schema, each told by its place; nothing is stored."""
    name = fresh()
    content = {
        "messages": [{"role": "system", "text": "{{ a"}, {"role": "user", "text": "{% if %}"}],
        "output_schema": {"type": "objekt"},
    }
    problem = office.refused(422, "prompt_rejected", "POST", "", {"name": name, "content": content})
    pointers = {each["pointer"] for each in problem["violations"]}
    assert {"/messages/0/text", "/messages/1/text"} <= pointers
    assert any(each.startswith("/output_schema") for each in pointers)
    office.refused(404, "prompt_not_found", "GET", f"/{name}")


def test_a_body_that_does_not_say_it_is_json_is_refused(office: Office) -> None:
    """A page in a browser may send others to any address, unasked."""
    answer = office.gateway.request(
        ROOT, b"{}", method="POST", headers={"content-type": "text/plain"}, key=office.key
    )
    assert answer.status == 415


def test_too_large_a_push_is_refused(office: Office) -> None:
    """413 by its length, while no byte of it was sent; 400 by the bounds of a content."""
    connection = HTTPConnection("127.0.0.1", office.gateway.port, timeout=30)
    connection.putrequest("POST", ROOT)
    for name, value in (
        ("authorization", f"Bearer {office.key}"),
        ("content-type", "application/json"),
        ("content-length", "3000000"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    office.refused(400, "invalid_request", "POST", "", {"name": "a", "content": echo("x" * 5000)})
    long = [{"role": "user", "text": "{{" * 30_000}] * 10
    office.refused(400, "invalid_prompt", "POST", "", {"name": "a", "content": echo(messages=long)})


def test_a_model_that_is_not_there_and_one_that_is_too_small(office: Office) -> None:
    """Both are errors of the lint, and keep the version from being published."""
    name = fresh()
    office.pushed(name, echo(model="nobody"))
    problem = office.refused(422, "prompt_rejected", "POST", f"/{name}/versions/1/publish")
    assert problem["violations"][0]["pointer"] == "/model"
    long = [{"role": "user", "text": "word and word again " * 100 + "{{ text }}"}]
    office.pushed(name, echo(model="small", messages=long))
    problem = office.refused(422, "prompt_rejected", "POST", f"/{name}/versions/2/publish")
    assert problem["violations"][0]["rule"] == "tokens"


@pytest.mark.parametrize(
    "members",
    [
        {"metadata": {TOKEN: "x"}},
        {"metadata": {"a": {TOKEN: {"b": TOKEN}}}},
        {"input_schema": {"type": "object", "properties": {TOKEN: {"type": "objekt"}}}},
        {"messages": [{"role": "user", "text": f"{{% {TOKEN} %}}{{{{ x | {TOKEN} }}}}"}]},
    ],
)
def test_a_refused_secret_is_repeated_nowhere(office: Office, members: dict[str, Any]) -> None:
    """Neither where it is a member's name, nor by what else is wrong with it."""
    answer = office.ask("POST", "", {"name": fresh(), "content": echo(**members)})
    assert (answer.status, answer.json()["violations"][0]["rule"]) == (422, "secret")
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize(
    ("header", "written", "status"),
    [
        ("if-match", "{there}", 200),
        ("if-match", '"99", {there}', 200),
        ("if-match", '"99",{there}', 200),
        ("if-match", "*", 200),
        ("if-match", "", 200),
        ("if-match", "W/{there}", 412),
        ("if-match", '"99", "98"', 412),
        ("if-match", "7", 412),
        ("if-match", '"', 412),
        ("if-match", "é", 412),
        ("if-match", "x" * 2000, 400),
        ("if-none-match", "*", 412),
    ],
)
def test_a_precondition_is_taken_as_it_is_written(
    office: Office, header: str, written: str, status: int
) -> None:
    """A list holds where one of its tags does, a weak tag never; a refusal brings the tag that holds."""
    name = fresh()
    office.published(name, echo())
    free = {"version": 1, "break_glass": True, "reason": "a test"}
    office.done("PUT", f"/{name}/labels/try", free, headers={"if-none-match": "*"})
    there = f'"{office.label(name, "try")["rev"]}"'
    sent = written.replace("{there}", there)
    answer = office.ask("PUT", f"/{name}/labels/try", free, headers={header: sent})
    assert answer.status == status, answer.body
    if status == 412:
        assert answer.headers["etag"] == there


def test_refusals_say_what_to_do_next(office: Office, offices: dict[str, Office]) -> None:
    """A person who reads but the detail knows the place, and the way on."""
    name = fresh()
    office.published(name, echo())

    def told(status: int, method: str, path: str, body: Any = None) -> str:
        answer = office.ask(method, f"/{name}{path}", body)
        assert answer.status == status, answer.body
        detail: str = answer.json()["detail"]
        return detail

    assert told(400, "PUT", "/labels/try", {"version": "1"}).startswith("/version: ")
    assert "a-z" in told(404, "GET", "/labels/UPPER/rollout")
    few = {"cases": [case()], "against": None}
    assert office.done("POST", f"/{name}/versions/1/evaluate", few)["verdict"] == "insufficient_data"
    assert "3 cases or more" in told(409, "PUT", "/labels/production", {"version": 1})
    bad = {"cases": [case(type="equals", value="never")] * 3, "against": None}
    assert office.done("POST", f"/{name}/versions/1/evaluate", bad)["verdict"] == "fail"
    assert "evaluate it anew, or break the glass" in told(409, "PUT", "/labels/production", {"version": 1})
    assert "evaluate another version" in told(409, "PUT", "/labels/try", {"version": 1})
    office.done("PUT", f"/{name}/labels/try", {"version": 1, "break_glass": True, "reason": "a test"})
    office.done("POST", f"/{name}/versions/1/publish")
    office.pushed(name, echo("two"))
    office.done("POST", f"/{name}/retire", {"version": 2})
    caller = offices["caller"]

    def retired() -> bool:
        answer = caller.gateway.request(
            f"/v1/prompts/{name}/render", {"version": 2, "variables": {"text": "x"}}, key=caller.key
        )
        return answer.status == 410 and "labels: latest, try" in answer.json()["detail"]

    until(retired, "the retired version to be refused with what there is instead")
