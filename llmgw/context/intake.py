"""What a caller says now, examined before it is sent or stored: does it follow from what is there?

`repair` mends what can be mended, and says so; nothing else alters what was said. Saying the same instructions
again is no change: clients of Anthropic's dialect send theirs with every call.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.views.course import Course, is_instruction, words
from llmgw.context.views.pairing import only_results, says_only
from llmgw.types.context import Policy, Rule
from llmgw.types.message import Message, Part, ToolCallPart, ToolResultPart
from llmgw.types.violation import Violation, Weight

_REFUSING: Final = frozenset({"repair", "strict"})

Said: TypeAlias = tuple[int, Message]
"""A message and its number among those that were sent."""
Place: TypeAlias = Callable[[int, int | None], str]
"""The pointer to a message, or a part of it, in the caller's own body."""


class Intake(Struct, frozen=True, kw_only=True):
    """What is left to be told and stored, and what was wrong; `refused` is what the policy does not let pass."""

    said: tuple[tuple[str, Message], ...]
    """The messages, each with the pointer to it."""
    violations: tuple[Violation, ...]

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages alone."""
        return tuple(message for _, message in self.said)

    @property
    def refused(self) -> tuple[Violation, ...]:
        """The violations for which the call is refused."""
        return tuple(each for each in self.violations if each.level in _REFUSING and each.repaired is None)


def examine(
    messages: Sequence[Message],
    course: Course,
    policy: Policy,
    place: Place,
    *,
    asks: bool = True,
    rendered: int = 0,
) -> Intake:
    """Hold what is said now against what was said before; `place` tells where it stands.

    What asks for no answer, as it is only stored, may end with one. Of the first messages so many are `rendered`:
    what they instruct is a prompt version's, and compared with nothing.
    """
    if len(messages) == 1 and _is_plain(messages[0]) and not course.pairs.waiting:
        # A user's words where nothing waits for a result: most calls, and no rule is about them.
        return Intake(said=((place(0, None), messages[0]),), violations=())
    return _Examination(course, policy, place).of(messages, asks=asks, rendered=rendered)


def _is_plain(message: Message) -> bool:
    """Whether a user says one text and nothing else."""
    return message.role == "user" and says_only(message.parts)


class _Examination:
    def __init__(self, course: Course, policy: Policy, place: Place) -> None:
        self._course = course
        self._policy = policy
        self._place = place
        self._found: list[Violation] = []

    def of(self, messages: Sequence[Message], *, asks: bool, rendered: int) -> Intake:
        said = list(enumerate(messages))
        said = [*said[:rendered], *self._after_instructions(said[rendered:])]
        said = self._paired(said)
        if asks:
            self._check_order(said)
        return Intake(
            said=tuple((self._place(number, None), message) for number, message in said),
            violations=tuple(self._found),
        )

    def _after_instructions(self, said: list[Said]) -> list[Said]:
        """Leave out instructions that were given before; note those that are others than before."""
        count = next((n for n, (_, message) in enumerate(said) if not is_instruction(message)), len(said))
        given = words(message for _, message in said[:count])
        if not given or not self._course.instructions:
            return said
        if given == self._course.instructions:
            return said[count:]
        self._note("system.changed", "minor", "the instructions differ from those given before", said[0][0])
        return said

    def _paired(self, said: list[Said]) -> list[Said]:
        """Check that each result answers a call that waits for it, and that no call is left alone."""
        waiting = {call.call_id for call in self._course.pairs.open}
        kept: list[Said] = []
        for number, sent in said:
            message = self._answering(number, sent, waiting)
            if message is None:
                continue
            waiting -= {part.call_id for part in sent.parts if isinstance(part, ToolResultPart)}
            if waiting and message.role in {"user", "assistant"} and not only_results(message.parts):
                self._note_alone(number, waiting)
                waiting = set()
            calls = {part.id for part in message.parts if isinstance(part, ToolCallPart)}
            waiting = calls or waiting
            kept.append((number, message))
        if waiting and not any(isinstance(p, ToolCallPart) for _, m in kept[-1:] for p in m.parts):
            self._note_alone(max(0, len(said) - 1), waiting)
        return kept

    def _answering(self, number: int, message: Message, waiting: set[str]) -> Message | None:
        """Check the results in one message; returns it without those that answer nothing, None for nothing left."""
        left: list[Part] = []
        seen: set[str] = set()
        for place, part in enumerate(message.parts):
            if isinstance(part, ToolResultPart) and (part.call_id not in waiting or part.call_id in seen):
                again = " again" if part.call_id in seen else ""
                repaired = self._note(
                    "tool.pairing",
                    "major",
                    f"this result answers{again} a call that does not wait for one",
                    number,
                    place,
                    repair="left out",
                )
                if repaired:
                    continue
            elif isinstance(part, ToolResultPart):
                seen.add(part.call_id)
            left.append(part)
        if not left and message.parts:
            return None
        return message if len(left) == len(message.parts) else replace(message, parts=tuple(left))

    def _note_alone(self, number: int, waiting: set[str]) -> None:
        """Note calls that have no result; those who are told the conversation are told so in the result's place."""
        self._note(
            "tool.pairing",
            "major",
            f"{len(waiting)} of the last answer's calls of tools have no result",
            number,
            repair="the model is told that there is no result",
        )

    def _check_order(self, said: Sequence[Said]) -> None:
        if not said:
            self._note("role.order", "major", "there is nothing to answer", 0)
            return
        number, last = said[-1]
        if last.role == "assistant":
            self._note("role.order", "minor", "the last word must not be the assistant's", number)
        elif all(is_instruction(message) for _, message in said) and not self._course.parts:
            self._note("role.order", "minor", "instructions alone are nothing to answer", number)

    def _note(
        self,
        rule: Rule,
        severity: Weight,
        message: str,
        number: int,
        part: int | None = None,
        *,
        repair: str | None = None,
    ) -> bool:
        """Note a violation; says whether it is to be repaired."""
        level = self._policy.level(rule)
        if level == "off":
            return False
        repaired = repair if level == "repair" else None
        self._found.append(
            Violation(
                rule=rule,
                level=level,
                severity=severity,
                pointer=self._place(number, part),
                message=message,
                repairable=repair is not None,
                repaired=repaired,
            )
        )
        return repaired is not None
