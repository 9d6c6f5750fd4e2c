"""Prompts over stored conversations: told with them on each call, and no part of them."""

import itertools
import json
from typing import Any

import pytest
from tests.e2e.contexts.desk import MODELS, Desk
from tests.e2e.prompts.publisher import Publisher
from tests.faults.provider import FakeProvider, fresh
from tests.published_prompts import content
from tests.running import Answer

_numbers = itertools.count(1)
TUTOR = content(
    ("system", "You teach {{ subject }}."),
    ("user", "An example question."),
    ("assistant", "An example answer."),
    history=3,
)
CRITIC = content(("system", "You judge {{ subject }}."))


def context() -> str:
    """A name for a context."""
    return f"p-{next(_numbers)}"


def ask(desk: Desk, name: str, stored: Any, *texts: str, model: str = MODELS[0], **members: Any) -> Answer:
    """Say something in a context with a prompt."""
    body = {
        "model": model,
        "prompt": {"id": name, "variables": {"subject": texts[0] if texts else "nothing"}},
        "messages": [{"role": "user", "content": each} for each in texts],
        "llmgw": {"context": stored},
        **members,
    }
    answer = desk.ask("POST", "/chat/completions", body)
    assert answer.status == 200, answer.body
    return answer


def report(desk: Desk, answer: Answer) -> dict[str, Any]:
    """The report on the revision that a call made."""
    name, rev = answer.headers["x-llmgw-context"], answer.headers["etag"].strip('"').partition("-")[0]
    found: dict[str, Any] = desk.ask("GET", f"/contexts/{name}/report/{rev}").json()["report"]
    return found


def turns(desk: Desk, name: str) -> list[dict[str, Any]]:
    """What is stored."""
    found: list[dict[str, Any]] = desk.ask("GET", f"/contexts/{name}/turns?limit=1000").json()["turns"]
    return found


def test_several_prompts_over_one_conversation_across_three_vendors(desk: Desk, publisher: Publisher) -> None:
    """Whatever is said before it, and whoever is asked, the conversation is told whole: preserved."""
    publisher.publish("over/tutor", TUTOR)
    publisher.publish("over/critic", CRITIC)
    name = context()
    for number in range(9):
        model = MODELS[number % 3]
        prompt = "over/critic" if number % 4 == 3 else "over/tutor"
        answer = ask(desk, prompt, {"id": name, "create": True}, f"topic {number}", model=model)
        assert answer.headers["x-llmgw-preservation"] == "verdict=preserved;score=1.00;losses=0"
        found = report(desk, answer)
        assert (found["verdict"], found.get("violations", [])) == ("preserved", [])
        assert found["checks"]["c2"] == ("skip" if number < 3 else "pass")
    stored = turns(desk, name)
    assert {each.get("prompt") for each in stored if each["role"] == "assistant"} == {
        "over/tutor@1",
        "over/critic@1",
    }
    assert {each.get("prompt") for each in stored if each["role"] == "user"} == {None}
    said = [each["parts"][0]["text"] for each in stored if each["role"] != "assistant"]
    assert said == [f"topic {number}" for number in range(9)]


def test_what_stands_behind_the_place_is_said_now_and_stored(desk: Desk, publisher: Publisher) -> None:
    """Before the caller's own words; instructions among it are no change of the conversation's."""
    behind = (("system", "Remember {{ subject }}."), ("user", "Now {{ subject }}?"))
    publisher.publish("over/behind", content(("system", "Before."), *behind, history=1))
    name = context()
    for number in range(3):
        stored: dict[str, Any] = {"id": name, "create": True}
        if number == 0:
            stored["policy"] = {"rules": {"system.changed": "strict"}}
        body = {
            "model": MODELS[0],
            "prompt": {"id": "over/behind", "variables": {"subject": f"topic {number}"}},
            "llmgw": {"context": stored},
        }
        answer = desk.ask("POST", "/chat/completions", body)
        assert answer.status == 200, answer.body
        assert report(desk, answer)["verdict"] == "preserved"
    said = [
        (each["role"], each["parts"][0]["text"]) for each in turns(desk, name) if each["role"] != "assistant"
    ]
    assert said == [
        each
        for number in range(3)
        for each in (("system", f"Remember topic {number}."), ("user", f"Now topic {number}?"))
    ]


def test_a_call_without_a_prompt_goes_on_with_the_same_conversation(desk: Desk, publisher: Publisher) -> None:
    """And one with it again: what is told of the conversation stays at its place, as it was."""
    publisher.publish("over/tutor", TUTOR)
    name = context()
    for number in range(6):
        if number % 2:
            answer = desk.say(name, f"plain {number}")
        else:
            answer = ask(desk, "over/tutor", {"id": name, "create": True}, f"topic {number}")
        assert report(desk, answer)["verdict"] == "preserved"
    assert report(desk, answer)["checks"]["c2"] == "pass"
    assert [each.get("prompt") for each in turns(desk, name)][1::2] == ["over/tutor@1", None] * 3


@pytest.mark.parametrize("dialect", ["/chat/completions", "/messages"])
def test_what_the_provider_is_told_is_the_preamble_then_the_conversation(
    desk: Desk, publisher: Publisher, provider: FakeProvider, dialect: str
) -> None:
    """Each call's own preamble, rendered for it; neither is ever told twice."""
    publisher.publish("over/tutor", TUTOR)
    model, name = fresh("good"), context()
    for number in range(3):
        body = {
            "model": f"fake/{model}",
            "max_tokens": 50,
            "prompt": {"id": "over/tutor", "variables": {"subject": f"topic {number}"}},
            "messages": [{"role": "user", "content": f"question {number}"}],
            "llmgw": {"context": {"id": name, "create": True}},
        }
        assert desk.ask("POST", dialect, body).status == 200
    told = json.loads(provider.requests(model)[2].request.partition(b"\r\n\r\n")[2])["messages"]
    said = [(each["role"], each["content"]) for each in told]
    assert said == [
        ("system", "You teach topic 2."),
        ("user", "An example question."),
        ("assistant", "An example answer."),
        ("user", "question 0"),
        ("assistant", "Hello"),
        ("user", "question 1"),
        ("assistant", "Hello"),
        ("user", "question 2"),
    ]


def test_the_preamble_takes_its_room(desk: Desk, publisher: Publisher) -> None:
    """What fits alone no longer does behind a long one, and is cut as the policy says."""
    publisher.publish("over/long", content(("system", "{{ subject }}"), history=1))
    policy = {"fit": "drop_oldest"}
    cut = []
    for words in (1, 900):
        name = context()
        for number in range(6):
            body: dict[str, Any] = {"id": name, "create": True}
            if number == 0:
                body["policy"] = policy
            answer = desk.ask(
                "POST",
                "/chat/completions",
                {
                    "model": "narrow/small",
                    "prompt": {"id": "over/long", "variables": {"subject": "word " * words}},
                    "messages": [{"role": "user", "content": f"question {number} " * 10}],
                    "llmgw": {"context": body},
                },
            )
            assert answer.status == 200, answer.body
        found = report(desk, answer)
        cut.append(found.get("fit"))
        assert found["tokens"]["estimated"] <= 1200
    assert cut == [None, "drop_oldest"]


def test_a_summary_is_written_without_the_prompts_tools_and_form(
    desk: Desk, publisher: Publisher, provider: FakeProvider
) -> None:
    """The alias that sums up is asked for words."""
    version = content(
        ("system", "Sort."),
        history=1,
        tools=[{"name": "find", "parameters": {"type": "object", "properties": {}}}],
        output_schema={"type": "object", "properties": {}, "additionalProperties": False, "required": []},
    )
    publisher.publish("over/summed", version)
    name, summary = context(), fresh("good")
    policy = {"fit": "summarise", "summary_alias": f"fake/{summary}"}
    for number in range(9):
        stored: dict[str, Any] = {"id": name, "create": True}
        if number == 0:
            stored["policy"] = policy
        ask(desk, "over/summed", stored, f"question {number} " + "about words " * 120, model="narrow/small")
    asked = [json.loads(each.request.partition(b"\r\n\r\n")[2]) for each in provider.requests(summary)]
    assert asked
    for each in asked:
        assert not each.keys() & {"tools", "tool_choice", "response_format"}
        assert "Sort." not in json.dumps(each["messages"])


def test_a_call_that_comes_again_gets_its_answer_again(desk: Desk, publisher: Publisher) -> None:
    """Byte for byte, also after the label has moved on to what would refuse it; that answer names no version."""
    publisher.publish("over/again", content(("system", "One."), history=1, model=MODELS[0]))
    body = {
        "prompt": {"id": "over/again"},
        "messages": [{"role": "user", "content": "hello"}],
        "llmgw": {"context": {"create": True}},
    }
    headers = {"idempotency-key": context()}
    first = desk.ask("POST", "/chat/completions", body, headers=headers)
    two = content(("system", "Two {{ words }}."), history=1, model=MODELS[0])
    publisher.publish("over/again", two)
    assert desk.ask("POST", "/chat/completions", body).status == 400
    again = desk.ask("POST", "/chat/completions", body, headers=headers)
    assert (first.status, again.status, again.headers["x-llmgw-replayed"]) == (200, 200, "true")
    assert again.body == first.body
    assert again.headers["x-llmgw-context"] == first.headers["x-llmgw-context"]
    assert (first.headers["x-llmgw-prompt"], again.headers.get("x-llmgw-prompt")) == ("over/again@1", None)


def test_of_a_history_that_its_caller_keeps_only_that_is_compared(desk: Desk, publisher: Publisher) -> None:
    """What a version says is not the caller's to keep: another version is no change of its history."""
    publisher.publish("over/kept", content(("system", "You teach {{ subject }}."), model=MODELS[0]))
    session = context()
    messages: list[dict[str, Any]] = []
    for number in range(3):
        messages.append({"role": "user", "content": f"question {number}"})
        body = {
            "prompt": {"id": "over/kept", "variables": {"subject": f"topic {number}"}},
            "messages": messages,
            "llmgw": {"verify": session},
        }
        answer = desk.ask("POST", "/chat/completions", body)
        assert answer.status == 200
        messages.append({"role": "assistant", "content": answer.json()["choices"][0]["message"]["content"]})
    assert answer.headers["x-llmgw-preservation"].startswith("verdict=preserved;score=1.00;losses=0")
    silent = {"prompt": body["prompt"], "llmgw": {"verify": context()}}
    plain = desk.ask("POST", "/chat/completions", {**silent, "prompt": {"id": "over/words"}})
    assert plain.status == 404
    publisher.publish("over/words", content(("user", "repeat"), model=MODELS[0]))
    plain = desk.ask("POST", "/chat/completions", {**silent, "prompt": {"id": "over/words"}})
    assert (plain.status, plain.headers.get("x-llmgw-preservation")) == (200, None)
