"""Two branches of one long conversation, and what becomes of branches whose parent is erased."""

import json
from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS, Desk, problem

LONG = "A word that is kept apart. " * 400


def lines(desk: Desk, context: str, kind: str) -> list[Any]:
    """The lines of one kind of a context's bundle."""
    bundle = desk.ask("GET", f"/contexts/{context}/export").body.splitlines()
    return [each for each in map(json.loads, bundle) if each["line"] == kind]


def hundred(desk: Desk, **members: Any) -> str:
    """A context of a hundred turns."""
    context = desk.made(**members)
    messages = [
        {"role": ("user", "assistant")[number % 2], "content": f"turn {number}"} for number in range(100)
    ]
    assert desk.ask("POST", f"/contexts/{context}/turns", {"messages": messages}).status == 201
    return context


def test_a_fork_at_turn_40_of_100_and_edits_on_both_sides(desk: Desk) -> None:
    """The heads differ, the first forty turns are the same chain in both, and each chain holds to its end."""
    trunk = hundred(desk)
    fork = desk.ask("POST", f"/contexts/{trunk}/fork", {"at_seq": 40}).json()
    branch = fork["id"]
    assert desk.say(trunk, "on the trunk", MODELS[1]).status == 200
    assert desk.say(branch, "on the branch", MODELS[2]).status == 200
    heads = {desk.ask("GET", f"/contexts/{each}").json()["head"] for each in (trunk, branch)}
    assert len(heads) == 2
    assert (len(desk.texts(trunk)), len(desk.texts(branch))) == (102, 42)
    ours, theirs = (lines(desk, each, "turn") for each in (trunk, branch))
    assert [each["link"] for each in ours[:40]] == [each["link"] for each in theirs[:40]]
    assert [each["body"] for each in ours[:40]] == [each["body"] for each in theirs[:40]]
    assert fork["parent"] == {"id": trunk, "at_seq": 40, "head": ours[39]["link"]}
    assert ours[40]["link"] != theirs[40]["link"]
    for each in (trunk, branch):
        assert desk.ask("POST", f"/contexts/{each}/verify").json()["ok"] is True
    assert desk.ask("POST", f"/contexts/{trunk}/merge", {"source": branch}).status == 200
    assert desk.texts(trunk)[100:103:2] == ["on the trunk", "on the branch"]
    assert desk.ask("POST", f"/contexts/{trunk}/verify").json()["ok"] is True


def test_states_that_both_sides_changed_do_not_merge(desk: Desk) -> None:
    """409 with a pointer to each place that both changed; nothing is merged until one side gives way."""
    trunk = hundred(desk, state={"cart": {"a/b": 1, "rest": 0}, "name": "Ada"})
    branch = desk.ask("POST", f"/contexts/{trunk}/fork", {"at_seq": 40}).json()["id"]
    for context, value in ((trunk, 2), (branch, 3)):
        patch = [
            {"op": "replace", "path": "/cart/a~1b", "value": value},
            {"op": "replace", "path": "/name", "value": f"name {value}"},
            {"op": "add", "path": f"/only-{value}", "value": True},
        ]
        assert desk.ask("PATCH", f"/contexts/{context}/state", patch).status == 200
        assert desk.say(context, f"said {value}").status == 200
    before = [desk.ask("GET", f"/contexts/{trunk}{path}").body for path in ("", "/state", "/turns")]
    refused = problem(desk.ask("POST", f"/contexts/{trunk}/merge", {"source": branch}))
    assert refused[:2] == (409, "merge_conflict")
    assert sorted(refused[2]) == [("merge.state", "/cart/a~1b"), ("merge.state", "/name")]
    assert [desk.ask("GET", f"/contexts/{trunk}{path}").body for path in ("", "/state", "/turns")] == before
    given_way = [
        {"op": "replace", "path": "/cart/a~1b", "value": 2},
        {"op": "replace", "path": "/name", "value": "name 2"},
    ]
    assert desk.ask("PATCH", f"/contexts/{branch}/state", given_way).status == 200
    assert desk.ask("POST", f"/contexts/{trunk}/merge", {"source": branch}).status == 200
    merged = desk.ask("GET", f"/contexts/{trunk}/state").json()["data"]
    assert merged == {"cart": {"a/b": 2, "rest": 0}, "name": "name 2", "only-2": True, "only-3": True}


def two_forks(desk: Desk) -> tuple[str, list[str]]:
    """A context with content kept apart, and two that begin in it: before its end, and at its end."""
    parent = desk.told("My name is Ada.", LONG, subject="two-forks")
    forks = [desk.ask("POST", f"/contexts/{parent}/fork", at).json()["id"] for at in ({"at_seq": 2}, {})]
    for fork in forks:
        assert desk.say(fork, f"only in {fork}").status == 200
    return parent, forks


def test_forks_stand_in_the_way_of_erasing(desk: Desk) -> None:
    """409 that names them, and nothing is gone: not of the parent, nor of them."""
    parent, forks = two_forks(desk)
    before = [desk.texts(each) for each in (parent, *forks)]
    refused = desk.ask("DELETE", f"/contexts/{parent}?forks=refuse")
    assert problem(refused)[:2] == (409, "context_has_forks")
    assert all(each in refused.json()["detail"] for each in forks)
    assert [desk.texts(each) for each in (parent, *forks)] == before
    assert desk.say(parent, "still here").status == 200


def test_forks_keep_what_they_had_of_an_erased_parent(desk: Desk) -> None:
    """The receipt says so; each stands alone, proves to its end, is told as before, and names their origin."""
    parent, forks = two_forks(desk)
    before = [desk.texts(each) for each in forks]
    receipt = desk.ask("DELETE", f"/contexts/{parent}?forks=keep").json()
    assert (receipt["turns"], receipt["forks"]) == (4, dict.fromkeys(forks, "kept"))
    assert problem(desk.ask("GET", f"/contexts/{parent}"))[:2] == (410, "context_erased")
    assert [desk.texts(each) for each in forks] == before
    for fork in forks:
        assert "parent" not in desk.ask("GET", f"/contexts/{fork}").json()
        assert desk.ask("POST", f"/contexts/{fork}/verify").json()["ok"] is True
        said = desk.say(fork, "What is my name?", MODELS[1])
        assert said.json()["choices"][0]["message"]["content"] == "Your name is Ada."
        first = desk.ask("GET", f"/contexts/{fork}/turns?limit=1").json()["turns"][0]
        assert first["origin"] == {"context": parent, "seq": 0}


def test_forks_go_with_an_erased_parent(desk: Desk) -> None:
    """The receipt names each; all three are gone for readers, callers and lists alike."""
    parent, forks = two_forks(desk)
    receipt = desk.ask("DELETE", f"/contexts/{parent}?forks=erase").json()
    assert receipt["forks"] == dict.fromkeys(forks, "erased")
    for each in (parent, *forks):
        assert problem(desk.ask("GET", f"/contexts/{each}/turns"))[:2] == (410, "context_erased")
        assert desk.say(each, "What is my name?").status == 410
        log = desk.ask("GET", f"/contexts/{each}/access-log").json()["entries"]
        assert "erase" in [entry["op"] for entry in log]
    listed = desk.ask("GET", "/contexts?subject=two-forks&limit=1000").json()["contexts"]
    assert {each["id"] for each in listed}.isdisjoint({parent, *forks})


@pytest.mark.parametrize("forks", ["refuse", "keep", "erase"])
def test_a_fork_of_a_fork_shares_its_fate(desk: Desk, forks: str) -> None:
    """Two generations on, nobody is left behind half erased: refused together, kept whole, or gone."""
    parent = desk.told("My name is Ada.")
    child = desk.ask("POST", f"/contexts/{parent}/fork").json()["id"]
    grandchild = desk.ask("POST", f"/contexts/{child}/fork").json()["id"]
    answer = desk.ask("DELETE", f"/contexts/{parent}?forks={forks}")
    assert answer.status == (409 if forks == "refuse" else 200)
    for each in (child, grandchild):
        if forks == "erase":
            assert answer.json()["forks"][each] == "erased"
            assert desk.ask("GET", f"/contexts/{each}").status == 410
        else:
            assert desk.texts(each)[0] == "My name is Ada."
            assert desk.ask("POST", f"/contexts/{each}/verify").json()["ok"] is True
