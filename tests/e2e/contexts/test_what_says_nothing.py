"""Turns that say nothing: empty messages, answers that broke off before a word, summaries whose content is gone."""

from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS, Desk, problem

EMPTY = "a complete turn, and one that sums up others, has at least one part"


def report(desk: Desk, context: str) -> Any:
    """The report on the last call."""
    answer = desk.ask("GET", f"/contexts/{context}/report/latest")
    assert answer.status == 200, answer.body
    return answer.json()["report"]


@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_a_message_without_content_is_refused_with_its_place(desk: Desk, role: str) -> None:
    """It is told where it stands and what it lacks, and nothing of the request is stored."""
    context = desk.made()
    turns = [{"role": "user", "parts": [{"type": "text", "text": "hello"}]}, {"role": role, "parts": []}]
    answer = desk.ask("POST", f"/contexts/{context}/turns", {"turns": turns})
    assert problem(answer) == (422, "schema_violation", [("schema.turn", "/turns/1")])
    assert answer.json()["violations"][0]["message"] == EMPTY
    assert desk.texts(context) == []


def test_a_question_without_content_is_refused_in_each_dialect(desk: Desk) -> None:
    """A call is told so in its own dialect, before anybody is asked."""
    context = desk.made()
    body = {"model": MODELS[0], "messages": [{"role": "user", "content": []}], "llmgw": {"context": context}}
    chat = desk.ask("POST", "/chat/completions", body)
    assert chat.status == 422
    assert [each["pointer"] for each in chat.json()["error"]["violations"]] == ["/messages/0"]
    messages = desk.ask("POST", "/messages", {**body, "model": MODELS[1], "max_tokens": 50})
    assert messages.status == 422
    details = messages.json()["error"]["details"]
    assert [(each["pointer"], each["message"]) for each in details["violations"]] == [("/messages/0", EMPTY)]
    assert desk.texts(context) == []


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_without_content_in_a_history_is_one_that_broke_off(desk: Desk, model: str) -> None:
    """Clients bring such answers back: they are stored as incomplete, told to nobody, and stand in nobody's way."""
    context = desk.made()
    history = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "are you there"},
    ]
    body = {"model": model, "messages": history, "llmgw": {"context": context}}
    assert desk.ask("POST", "/chat/completions", body).status == 200
    turns = desk.ask("GET", f"/contexts/{context}/turns").json()["turns"]
    assert [(turn["role"], turn.get("status", "complete"), len(turn.get("parts", ()))) for turn in turns] == [
        ("user", "complete", 1), ("assistant", "incomplete", 0), ("user", "complete", 1),
        ("assistant", "complete", 1),
    ]  # fmt: skip
    assert desk.say(context, "and now", model).status == 200
    found = report(desk, context)
    assert (found["counts"]["turns"], found["counts"]["turns_sent"]) == (5, 4)
    # Two questions in a row become one message where the protocol wants them to.
    assert found["counts"]["parts"] == found["counts"]["carried"] + found["counts"]["transformed"] == 4


def test_a_redacted_summary_is_missed_by_nobody(desk: Desk) -> None:
    """What it summed up is told itself again, no loss is reported, and it is no turn of the conversation."""
    context = desk.told("one", "two", "three")
    assert (
        desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 1}).status == 200
    )
    assert desk.say(context, "four").status == 200
    summed = report(desk, context)
    assert summed["fit"] == "summarise"
    assert {loss["code"] for loss in summed["losses"]} == {"window.summarised"}
    turns = desk.ask("GET", f"/contexts/{context}/turns?limit=100").json()["turns"]
    (summary,) = [turn["seq"] for turn in turns if "compaction" in turn]
    assert desk.ask("POST", f"/contexts/{context}/redact", {"turns": [summary]}).status == 200
    redacted = desk.ask("GET", f"/contexts/{context}/turns?limit=100").json()["turns"][summary]
    assert redacted["status"] == "redacted"
    assert "compaction" not in redacted
    assert desk.say(context, "five").status == 200
    found = report(desk, context)
    assert found.get("losses", []) == []
    assert found["counts"]["turns"] == found["counts"]["turns_sent"] == 9
    assert found["counts"]["parts"] == found["counts"]["carried"] == 9
    assert desk.ask("POST", f"/contexts/{context}/verify").json()["ok"]


def test_a_summary_goes_with_what_it_sums_up(desk: Desk) -> None:
    """Whoever redacts a turn redacts the summaries that may tell of it, and the report says what is missed."""
    context = desk.told("the code is 4711", "two", "three")
    assert (
        desk.ask("POST", f"/contexts/{context}/compact", {"alias": "summary", "keep_last": 1}).status == 200
    )
    assert desk.ask("POST", f"/contexts/{context}/redact", {"turns": [0, 1]}).status == 200
    turns = desk.ask("GET", f"/contexts/{context}/turns?limit=100").json()["turns"]
    assert [turn["seq"] for turn in turns if turn.get("status") == "redacted"] == [0, 1, 6]
    assert "code is 4711" not in str(turns)
    assert desk.say(context, "four").status == 200
    found = report(desk, context)
    assert [(loss["code"], loss["pointer"]) for loss in found["losses"]] == [
        ("turn.redacted", "/turns/0"), ("turn.redacted", "/turns/1"),
    ]  # fmt: skip
    assert (found["counts"]["turns"], found["counts"]["turns_sent"]) == (7, 5)
