"""What is said now, held against what was said before: each rule at each level, and where it is broken."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.context.intake import Intake, examine
from llmgw.context.views.course import Course
from llmgw.context.views.pairing import Pairs, only_results, units
from llmgw.types.context import Policy, Rule
from llmgw.types.message import Message, ToolCallPart, ToolResultPart
from llmgw.types.violation import Level, pointer_to
from tests.unit.context.conversations import conversations, course_of
from tests.unit.context.turns import call, held, result, said, text

LEVELS = get_args(Level)


def place(number: int, part: int | None) -> str:
    """Where a message or part stands in a body like Anthropic's."""
    steps = ("messages", number) if part is None else ("messages", number, "content", part)
    return pointer_to(*steps)


def examined(*messages: Message, course: Course | None = None, asks: bool = True, **rules: Level) -> Intake:
    """Hold messages against a conversation under a policy."""
    named: dict[Rule, Level] = {name.replace("_", "."): level for name, level in rules.items()}  # type: ignore[misc]
    return examine(messages, course or Course(), Policy(rules=named), place, asks=asks)


def told(intake: Intake) -> list[tuple[str, str | None, str, str | None]]:
    """Rule, level, pointer and repair of each violation."""
    return [(each.rule, each.level, each.pointer, each.repaired) for each in intake.violations]


INSTRUCTED = course_of(
    [held(0, "system", text("be brief")), held(1, "user", text()), held(2, "assistant", text())]
)
WAITING = course_of([held(0, "user", text()), held(1, "assistant", call("a"), call("b"))])


@settings(max_examples=60, deadline=None)
@given(conversations(summaries=False))
def test_what_follows_is_let_through(turns: list[object]) -> None:
    """A question after any conversation breaks no rule, and is passed on as it is."""
    message = said("user", text("and now?"))
    found = examined(message, course=course_of(turns))  # type: ignore[arg-type]
    assert found.violations == found.refused == ()
    assert found.said == (("/messages/0", message),)
    assert found.messages == (message,)


def test_what_a_prompt_version_instructs_is_compared_with_nothing() -> None:
    """It is said anew with each call and passed on; what the caller instructs behind it is compared as ever."""
    rendered = said("system", text("remind them"))
    again = examine(
        (rendered, said("system", text("be brief")), said("user", text())),
        INSTRUCTED,
        Policy(rules={"system.changed": "strict"}),
        place,
        rendered=1,
    )
    assert (again.messages, again.violations) == ((rendered, said("user", text())), ())
    changed = examine(
        (rendered, said("system", text("be long")), said("user", text())),
        INSTRUCTED,
        Policy(),
        place,
        rendered=1,
    )
    assert told(changed) == [("system.changed", "observe", "/messages/1", None)]


def test_instructions_said_again_are_no_change() -> None:
    """The same words are left out, whatever the dialect; other words are noted and passed on."""
    again = examined(said("developer", text("be brief")), said("user", text()), course=INSTRUCTED)
    assert (again.said, again.violations) == ((("/messages/1", said("user", text())),), ())
    changed = examined(said("system", text("be long")), said("user", text()), course=INSTRUCTED)
    assert told(changed) == [("system.changed", "observe", "/messages/0", None)]
    assert len(changed.said) == 2
    assert changed.refused == ()


@pytest.mark.parametrize("level", LEVELS)
def test_changed_instructions_at_each_level(level: Level) -> None:
    """Off says nothing; observe and warn note it; what cannot be mended is refused at repair and at strict."""
    found = examined(
        said("system", text("be long")), said("user", text()), course=INSTRUCTED, system_changed=level
    )
    assert told(found) == ([] if level == "off" else [("system.changed", level, "/messages/0", None)])
    assert bool(found.refused) == (level in {"repair", "strict"})
    assert len(found.said) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_a_result_that_nobody_waits_for_at_each_level(level: Level) -> None:
    """Repair leaves it out and says so; strict refuses the call; the others let it pass."""
    message = said("user", result("x"), text("hello"))
    found = examined(message, tool_pairing=level)
    mended = "left out" if level == "repair" else None
    expected = [] if level == "off" else [("tool.pairing", level, "/messages/0/content/0", mended)]
    assert told(found) == expected
    assert bool(found.refused) == (level == "strict")
    assert found.messages == ((said("user", text("hello")),) if level == "repair" else (message,))


def test_a_message_that_is_nothing_but_wrong_results_is_left_out() -> None:
    """Where nothing is left of a message, the message goes; the pointers of the others stay those of the body."""
    found = examined(
        said("tool", result("x")), said("user", text()), said("tool", result("y")), tool_pairing="repair"
    )
    assert found.said == (("/messages/1", said("user", text())),)
    assert [each.pointer for each in found.violations] == ["/messages/0/content/0", "/messages/2/content/0"]


def test_results_settle_the_calls_that_wait() -> None:
    """All results, in any order and in one message or several, break no rule."""
    for messages in (
        (said("user", result("b"), result("a")),),
        (said("tool", result("a")), said("tool", result("b"))),
        (said("user", result("a"), result("b"), text("and?")),),
        (said("tool", result("a")), said("tool", result("b")), said("user", text("and?"))),
    ):
        found = examined(*messages, course=WAITING)
        assert (found.messages, found.violations) == (messages, ())


@pytest.mark.parametrize(
    ("messages", "pointer"),
    [
        ((said("user", text("never mind")),), "/messages/0"),
        ((said("tool", result("a")),), "/messages/0"),
        ((said("tool", result("a")), said("user", text("and?"))), "/messages/1"),
        ((said("user", result("a"), text("and?")),), "/messages/0"),
    ],
)
@pytest.mark.parametrize("level", LEVELS)
def test_a_call_without_result_at_each_level(
    messages: tuple[Message, ...], pointer: str, level: Level
) -> None:
    """It is noted once, where the results should have been; strict refuses."""
    found = examined(*messages, course=WAITING, tool_pairing=level)
    mended = "the model is told that there is no result" if level == "repair" else None
    assert told(found) == ([] if level == "off" else [("tool.pairing", level, pointer, mended)])
    assert bool(found.refused) == (level == "strict")
    assert found.messages == messages


def test_a_second_result_of_the_same_call_is_one_too_many() -> None:
    """Within one message and in a later one."""
    within = examined(said("user", result("a"), result("a"), result("b")), course=WAITING)
    assert told(within) == [("tool.pairing", "repair", "/messages/0/content/1", "left out")]
    later = examined(
        said("tool", result("a")), said("tool", result("b")), said("tool", result("a")), course=WAITING
    )
    assert told(later) == [("tool.pairing", "repair", "/messages/2/content/0", "left out")]
    assert len(later.said) == 2


def test_a_whole_history_may_be_brought() -> None:
    """Calls and their results among the messages themselves pair up."""
    history = (
        said("user", text()), said("assistant", call("a")), said("tool", result("a")), said("assistant", text()),
        said("user", text("and?")),
    )  # fmt: skip
    assert examined(*history).violations == ()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("messages", "pointer"),
    [
        ((), "/messages/0"),
        ((said("user", text()), said("assistant", text())), "/messages/1"),
        ((said("system", text("be brief")),), "/messages/0"),
    ],
    ids=["nothing", "the assistant's last word", "instructions alone"],
)
def test_what_asks_nothing_at_each_level(messages: tuple[Message, ...], pointer: str, level: Level) -> None:
    """There must be something to answer; what cannot be mended is refused at repair, too."""
    found = examined(*messages, role_order=level)
    assert told(found) == ([] if level == "off" else [("role.order", level, pointer, None)])
    assert bool(found.refused) == (level in {"repair", "strict"})


def test_what_is_only_stored_may_end_as_it_will() -> None:
    """An imported history may end with an answer, or with a call that still waits."""
    for last in (said("assistant", text()), said("assistant", call("a"))):
        assert examined(said("user", text()), last, asks=False).violations == ()


def test_enforcement_is_the_level_of_what_is_not_named() -> None:
    """A policy's one word sets all rules that it does not name; without it each rule has its own."""
    message = said("user", result("x"), text())
    for enforcement, refused in (("off", 0), ("observe", 0), ("strict", 1), (None, 0)):
        policy = Policy(enforcement=enforcement)  # type: ignore[arg-type]
        assert len(examine((message,), Course(), policy, place).refused) == refused
    named = Policy(enforcement="strict", rules={"tool.pairing": "off"})
    assert examine((message,), Course(), named, place).violations == ()


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_a_conversation_read_turn_by_turn_leaves_no_call_waiting(turns: list[object]) -> None:
    """After somebody's words nothing waits, and the units of what was said have each call beside its results."""
    course = course_of(turns)  # type: ignore[arg-type]
    assert course.pairs.open == ()
    cut = units(turns)  # type: ignore[arg-type]
    assert [each for unit in cut for each in unit] == turns
    for unit in cut:
        calls = {part.id for part in unit[0].message.parts if isinstance(part, ToolCallPart)}
        results = {
            part.call_id for each in unit for part in each.message.parts if isinstance(part, ToolResultPart)
        }
        assert results == calls


def test_open_calls_are_told_with_their_places() -> None:
    """The last answer's calls wait in their order until they are settled or something else is said."""
    pairs = Pairs()
    pairs.add(held(0, "user", text()))
    pairs.add(held(1, "assistant", text(), call("a"), call("b")))
    assert [(each.call_id, each.seq, each.part) for each in pairs.open] == [("a", 1, 1), ("b", 1, 2)]
    pairs.add(held(2, "tool", result("a")))
    assert [each.call_id for each in pairs.open] == ["b"]
    pairs.add(held(3, "user", text("never mind")))
    assert pairs.open == ()


def test_an_answer_begins_anew_even_when_it_was_redacted() -> None:
    """What a redacted answer called is not known, and nobody is asked for its results."""
    pairs = Pairs()
    pairs.add(held(0, "assistant", call("a")))
    pairs.add(held(1, "assistant", status="redacted"))
    assert pairs.open == ()


def test_only_results_is_about_each_part() -> None:
    """A message that says anything besides results ends the wait for them."""
    assert only_results((result("a"), result("b")))
    assert not only_results((result("a"), text()))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["ask", "call", "result", "answer", "instruct"]), max_size=6),
    st.sampled_from(LEVELS),
)
def test_what_is_repaired_is_well_formed(kinds: list[str], level: Level) -> None:
    """Whatever is said: at repair, what is left has no result without its call; at off nothing is touched."""
    makers = {
        "ask": said("user", text()),
        "call": said("assistant", call("a")),
        "result": said("tool", result("a")),
        "answer": said("assistant", text()),
        "instruct": said("system", text("x")),
    }
    messages = tuple(makers[kind] for kind in kinds)
    found = examined(*messages, asks=False, tool_pairing=level, system_changed="off")
    if level == "off":
        assert (found.messages, found.violations) == (messages, ())
    if level == "repair":
        again = examine(found.messages, Course(), Policy(), place, asks=False)
        assert not [each for each in again.violations if each.repaired == "left out"]
        assert not found.refused
    assert all(each.level == level for each in found.violations)
