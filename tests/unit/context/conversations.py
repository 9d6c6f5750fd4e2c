"""Conversations at random, as they come to be stored: calls with their results, pins, summaries, redactions."""

from typing import Final

from hypothesis import strategies as st
from llmgw.context.kept import Kept
from llmgw.context.views.course import Course
from llmgw.types.message import Part, ReasoningPart, Role, Seal
from llmgw.types.turn import Binding, Compaction
from tests.unit.context.turns import call, held, result, text

MAKER: Final = Binding(provider="p", kind="anthropic", protocol="anthropic", model="claude-opus-5-5")
SEALED: Final = ReasoningPart(text="hm", seal=Seal(protocol="anthropic", value="c2lnbmVk"))


class Writer:
    """Writes turns one after another."""

    def __init__(self) -> None:
        self.turns: list[Kept] = []
        self._calls = 0

    def add(self, role: Role, *parts: Part, pinned: bool = False, sealed: bool = False) -> None:
        """Add a turn."""
        made = {"protocol": "anthropic", "produced_by": MAKER} if sealed else {}
        self.turns.append(held(len(self.turns), role, *parts, pinned=pinned, **made))

    def round_of_tools(self, calls: int, *, pinned: bool, apart: bool, answered: bool) -> None:
        """An answer that calls tools, with the results of all of them in one turn, or in one each."""
        names = [f"call_{self._calls + number}" for number in range(calls)]
        self._calls += calls
        self.add("assistant", text("let me look"), *map(call, names))
        if not answered:
            return
        if apart:
            for name in names:
                self.add("tool", result(name, "x" * 80), pinned=pinned)
        else:
            self.add("user", *(result(name, "x" * 80) for name in names), pinned=pinned)

    def summarise(self, first: int) -> None:
        """Sum up from a turn on to the last unit but one, as somebody asked."""
        if len(self.turns) < 4:
            return
        last = len(self.turns) - 2
        while last > first and self.turns[last + 1].turn.role == "tool":
            last -= 1
        compaction = Compaction(first=min(first, last), last=last, digest=f"sha256:{'0' * 64}")
        self.turns.append(
            held(len(self.turns), "user", text("in short"), compaction=compaction, source="caller")
        )

    def redact(self) -> None:
        """A turn whose content was taken out."""
        self.turns.append(held(len(self.turns), "user", status="redacted"))


@st.composite
def conversations(draw: st.DrawFn, *, most: int = 14, summaries: bool = True) -> list[Kept]:
    """A conversation that ends in somebody's words to the model."""
    writer = Writer()
    if draw(st.booleans()):
        writer.add("system", text("be brief"))
    kinds = ["say", "say", "tools", "seal", "redact", *(["summarise"] if summaries else [])]
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=most)):
        pinned = draw(st.integers(0, 5)) == 0
        match kind:
            case "say":
                writer.add("user", text("x" * draw(st.integers(1, 120))), pinned=pinned)
                writer.add("assistant", text("y" * draw(st.integers(1, 120))))
            case "tools":
                writer.add("user", text("look it up"))
                writer.round_of_tools(
                    draw(st.integers(1, 3)), pinned=pinned, apart=draw(st.booleans()), answered=True
                )
                writer.add("assistant", text("found it"))
            case "seal":
                writer.add("user", text("think"))
                writer.add("assistant", SEALED, text("thought"), sealed=True)
            case "summarise":
                writer.summarise(draw(st.integers(0, 3)))
            case _:
                writer.redact()
    writer.add("user", text("and now?"))
    return writer.turns


def course_of(turns: list[Kept]) -> Course:
    """What a conversation has come to."""
    course = Course()
    for each in turns:
        course.add(each)
    return course
