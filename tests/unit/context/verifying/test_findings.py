"""Each kind of finding by construction: one thing is done to a history, and exactly that is found."""

from hypothesis import assume, given
from hypothesis import strategies as st
from llmgw.context.verifying.findings import adopted, judge, strangers
from llmgw.types.message import Message
from tests.unit.context.verifying.histories import (
    assistant,
    brief,
    conversations,
    found,
    history,
    user,
)

NEXT = user("and now?")


def _answers(messages: list[Message]) -> list[int]:
    return [at for at, message in enumerate(messages) if message.role == "assistant"]


@given(before=conversations(), more=st.integers(1, 3))
def test_a_history_that_goes_on_is_as_it_was(before: list[Message], more: int) -> None:
    """Whatever is asked next, nothing is found of a history that is the same."""
    assert found(before, [*before, *(user(f"more {n}") for n in range(more))]) == []


@given(before=st.lists(st.sampled_from(["yes", "go on", "no"]), min_size=2, max_size=30))
def test_what_is_said_again_and_again_is_no_finding(before: list[str]) -> None:
    """Turns that are all alike are not taken for each other's moved or lost ones."""
    messages = [user(text) if n % 2 == 0 else assistant(text) for n, text in enumerate(before)]
    assume(messages[-1].role == "assistant")
    assert found(messages, [*messages, user("go on")]) == []


@given(before=conversations(), data=st.data())
def test_a_turn_that_is_gone_from_the_middle_is_lost(before: list[Message], data: st.DataObject) -> None:
    """One finding, with the turn's number and where it should have stood."""
    gone = data.draw(st.integers(0, len(before) - 2))
    now = [*before[:gone], *before[gone + 1 :], NEXT]
    findings = found(before, now)
    assert brief(findings) == [("lost", gone, None)]
    assert findings[0].pointer == f"/messages/{gone}"
    assert judge(findings, len(before))[0] == "lost"


@given(before=conversations(), data=st.data())
def test_a_run_of_turns_that_is_gone_is_one_finding(before: list[Message], data: st.DataObject) -> None:
    """It names the first and the last of them."""
    first = data.draw(st.integers(0, len(before) - 3))
    last = data.draw(st.integers(first + 1, len(before) - 2))
    now = [*before[:first], *before[last + 1 :], NEXT]
    assert brief(found(before, now)) == [("lost", first, last)]


@given(before=conversations())
def test_an_answer_that_the_caller_leaves_out_is_lost(before: list[Message]) -> None:
    """The last answer is not there, and the caller goes on as if it had not been given."""
    assert brief(found(before, [*before[:-1], NEXT])) == [("lost", len(before) - 1, None)]


@given(before=conversations(), data=st.data())
def test_a_turn_that_differs_is_edited(before: list[Message], data: st.DataObject) -> None:
    """Whoever said it: one finding, with its number and its place."""
    at = data.draw(st.integers(0, len(before) - 1))
    other = Message(role=before[at].role, parts=assistant("something else").parts)
    assume(before[at].role != "tool")
    findings = found(before, [*before[:at], other, *before[at + 1 :], NEXT])
    assert brief(findings) == [("edited", at, None)]
    assert findings[0].pointer == f"/messages/{at}"
    assert judge(findings, len(before))[0] == "degraded"


@given(before=conversations(), data=st.data())
def test_neighbours_that_changed_places_are_reordered(before: list[Message], data: st.DataObject) -> None:
    """One finding: one of the two moved past the other."""
    at = data.draw(st.integers(0, len(before) - 2))
    now = [*before[:at], before[at + 1], before[at], *before[at + 2 :], NEXT]
    findings = found(before, now)
    assert [each.code for each in findings] == ["reordered"]
    assert findings[0].index in {at, at + 1}


@given(before=conversations(least=3), data=st.data())
def test_an_exchange_that_moved_is_one_finding(before: list[Message], data: st.DataObject) -> None:
    """The first exchange goes to another place between exchanges, in one piece."""
    begins = [at for at, message in enumerate(before) if message.role == "user"]
    size = begins[1]
    to = data.draw(st.sampled_from([*begins[2:], len(before)]))
    now = [*before[size:to], *before[:size], *before[to:], NEXT]
    assert {each.code for each in found(before, now)} == {"reordered"}


@given(before=conversations(), data=st.data())
def test_an_answer_that_was_never_given_is_foreign(before: list[Message], data: st.DataObject) -> None:
    """It is told by its own number, wherever it is put in."""
    at = data.draw(st.integers(0, len(before)))
    now = [*before[:at], assistant("never said"), *before[at:], NEXT]
    findings = found(before, now)
    assert brief(findings) == [("foreign", at, None)]
    assert findings[0].pointer == f"/messages/{at}"


@given(before=conversations())
def test_an_exchange_that_never_was_is_foreign(before: list[Message]) -> None:
    """A question and an answer at the end: the answer was never given here."""
    now = [*before, user("what they say they asked"), assistant("never said"), NEXT]
    assert brief(found(before, now)) == [("foreign", len(before) + 1, None)]


@given(before=conversations(), data=st.data())
def test_words_put_into_the_middle_are_foreign(before: list[Message], data: st.DataObject) -> None:
    """What a user never said there is found where it stands."""
    at = data.draw(st.integers(0, len(before) - 1))
    findings = found(before, [*before[:at], user("slipped in"), *before[at:], NEXT])
    assert brief(findings) == [("foreign", at, None)]


@given(before=conversations(), data=st.data())
def test_an_end_that_is_asked_for_again_is_regenerated(before: list[Message], data: st.DataObject) -> None:
    """The history ends before one of its answers: the verdict is that nothing is wrong."""
    at = data.draw(st.sampled_from(_answers(before)))
    findings = found(before, before[:at])
    assert brief(findings) == [("regenerated", at, len(before) - 1 if at < len(before) - 1 else None)]
    assert judge(findings, len(before)) == ("preserved", 1.0)


@given(before=conversations(), data=st.data())
def test_going_back_to_ask_something_else_is_regenerated(before: list[Message], data: st.DataObject) -> None:
    """What followed the question that was taken back is gone with it, by the caller's own choice."""
    at = data.draw(st.sampled_from([at for at, each in enumerate(before) if each.role == "user" and at]))
    findings = found(before, [*before[:at], NEXT])
    assert [each.code for each in findings] == ["regenerated"]
    assert findings[0].index == at
    assert findings[0].pointer == f"/messages/{at}"


@given(before=conversations(least=3), kept=st.integers(0, 2))
def test_a_history_that_gave_way_to_a_summary_is_told_as_such(before: list[Message], kept: int) -> None:
    """Some of the end is kept, or nothing: the turns are lost, and it is said that a summary came instead."""
    begins = [at for at, message in enumerate(before) if message.role == "user"]
    cut = [*begins, len(before)][-1 - kept] if kept else len(before)
    assume(cut >= 3)
    summary = user("This session is being continued from a previous conversation. The conversation: ...")
    findings = found(before, [summary, *before[cut:], NEXT])
    assert brief(findings) == [("lost", 0, cut - 1)]
    assert findings[0].detail == "history.compacted"
    assert judge(findings, len(before))[0] == "degraded"


@given(before=conversations(least=3))
def test_a_summary_without_a_known_beginning_is_known_by_what_it_stands_for(before: list[Message]) -> None:
    """Several turns of both sides gave way to one thing said, and what follows is as it was."""
    begins = [at for at, message in enumerate(before) if message.role == "user"]
    cut = begins[-1]
    assume(cut >= 3)
    findings = found(before, [user("so far they talked"), *before[cut:], NEXT])
    assert brief(findings) == [("lost", 0, cut - 1)]
    assert findings[0].detail == "history.compacted"


@given(before=conversations(least=3))
def test_questions_that_are_kept_beside_a_summary_are_no_finding(before: list[Message]) -> None:
    """Codex keeps what its user said and adds a summary: lost are the answers and results alone."""
    questions = [message for message in before if message.role == "user"]
    summary = user("Another language model started to solve this problem and produced a summary of it")
    findings = found(before, [*questions, summary])
    assert {(each.code, each.detail) for each in findings} == {("lost", "history.compacted")}
    assert sum(each.turns for each in findings) == len(before) - len(questions)


def test_an_answer_that_is_begun_for_the_model_is_no_finding() -> None:
    """A history may end in the beginning of the answer that is wanted."""
    before = [user("q1"), assistant("a1")]
    assert found(before, [*before, user("q2"), assistant("{")]) == []
    assert brief(found(before, [user("q1"), assistant("{")])) == [("regenerated", 1, None)]


def test_answers_that_came_along_are_one_finding() -> None:
    """Of a session of which nothing is known the answers are named once, the first and the last."""
    now = history([user("q1"), assistant("a1"), user("q2"), assistant("a2"), user("q3")])
    findings = adopted(now, str)
    assert [(each.code, each.index, each.through, each.detail) for each in findings] == [
        ("foreign", 1, 3, "session.unknown")
    ]
    assert adopted(history([user("q1")]), str) == []
    assert brief(strangers(now, {now.digests[1]}, str)) == [("foreign", 3, None)]
