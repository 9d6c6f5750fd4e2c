"""Two calls with one context at the same time: the second is refused, waits, or goes on in a fork."""

import threading
from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS
from tests.e2e.contexts.scene import Scene
from tests.running import Answer


def test_a_fork_goes_on_beside_it(scene: Scene) -> None:
    """With `fork` the second call is answered at once, in a context that has what was there, state included."""
    desk = scene.desk
    context = desk.told("one", state={"n": 1})
    with scene.under_way(context) as (response, heard):
        beside = desk.say(context, "beside", headers={"x-llmgw-on-conflict": "fork"})
        heard.go_on()
        response.read()
    assert beside.status == 200
    fork = beside.headers["x-llmgw-context"]
    assert (fork != context, beside.headers["x-llmgw-forked-from"]) == (True, context)
    assert [desk.texts(fork)[0], *desk.texts(fork)[2:3]] == ["one", "beside"]
    assert desk.texts(context)[2:] == ["go on", "HelloHello"]
    parent = desk.ask("GET", f"/contexts/{fork}").json()["parent"]
    assert (parent["id"], parent["at_seq"]) == (context, 2)
    assert desk.ask("GET", f"/contexts/{fork}/state").json()["data"] == {"n": 1}
    for name in (context, fork):
        assert desk.ask("POST", f"/contexts/{name}/verify").json()["ok"]
    merged = desk.ask("POST", f"/contexts/{context}/merge", {"source": fork})
    assert merged.json()["turns"] == 6


def test_a_call_that_may_come_again_never_forks(scene: Scene) -> None:
    """With an idempotency key the second call is refused: its repetition must find the answer where it looks."""
    context = scene.desk.made(policy={"on_conflict": "fork"})
    with scene.under_way(context) as (response, heard):
        refused = scene.desk.say(context, "beside", headers={"idempotency-key": "once"})
        heard.go_on()
        response.read()
    assert (refused.status, refused.json()["error"]["code"]) == (409, "context_locked")


@pytest.mark.parametrize("members", [{}, {"stream": True}], ids=["whole", "stream"])
def test_who_queues_comes_next(scene: Scene, members: dict[str, Any]) -> None:
    """With `queue` the second call waits for the first to end, and continues what that one left."""
    desk = scene.desk
    context = desk.made(policy={"on_conflict": "queue"})
    answers: list[Answer] = []
    with scene.under_way(context) as (response, heard):
        waiting = threading.Thread(
            target=lambda: answers.append(desk.say(context, "what did I say?", MODELS[1], **members))
        )
        waiting.start()
        heard.go_on()
        response.read()
        waiting.join()
    (answer,) = answers
    assert answer.status == 200
    assert desk.texts(context)[:3] == ["go on", "HelloHello", "what did I say?"]
    assert desk.ask("GET", f"/contexts/{context}").json()["rev"] == 2


def test_leaving_frees_the_context(scene: Scene) -> None:
    """A caller who leaves in the middle of a stream keeps nobody out; what was said by then is kept."""
    desk = scene.desk
    context = desk.made(policy={"on_conflict": "queue"})
    with scene.under_way(context) as (response, _):
        while b"Hello" not in response.readline():
            pass
    answer = desk.say(context, "next")
    assert answer.status == 200
    turns = desk.ask("GET", f"/contexts/{context}/turns").json()["turns"]
    assert [turn.get("status", "complete") for turn in turns] == [
        "complete",
        "incomplete",
        "complete",
        "complete",
    ]
    assert desk.texts(context)[:3] == ["go on", "Hello", "next"]
