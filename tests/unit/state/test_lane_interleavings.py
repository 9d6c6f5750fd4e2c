"""Any interleaving of calls, cancellations, answers and losses gives each caller its own answer, or none."""

import asyncio
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from redis import exceptions
from tests.unit.state.other_end import OtherEnd, Switchboard, leap, play, settled

Step: TypeAlias = tuple[str, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "call",
                "call",
                "call",
                "tick",
                "answer",
                "answer",
                "cancel",
                "leap",
                "hang up",
                "stop",
                "go",
                "away",
            ]
        ),
        st.integers(0, 60),
    ),
    max_size=60,
)


class Story:
    """What happens to the calls of a lane; each asks for its own number."""

    def __init__(self, board: Switchboard) -> None:
        self.board = board
        self.calls: list[asyncio.Future[Any]] = []
        self.unwritten: set[bytes] = set()
        """Calls that were cancelled before they were written."""
        self.given: dict[int, bytes] = {}
        """What each connection has been promised as answers and not been told yet."""
        self.counted: dict[int, int] = {}

    async def happen(self, what: str, number: int) -> None:
        """Let one thing happen."""
        board = self.board
        match what:
            case "call":
                self.calls.append(board.send("ECHO", len(self.calls), asking=number % 7 == 0))
            case "tick":
                await settled()
            case "answer":
                self.answer(number)
            case "cancel" if self.calls:
                self.cancel(number % len(self.calls))
            case "leap":
                await leap(number / 50)
            case "hang up" if board.ends:
                board.ends[-1].hang_up(None)
            case "stop" if board.ends and not board.ends[-1].is_closing():
                board.ends[-1].protocol.pause_writing()
            case "go" if board.ends and not board.ends[-1].is_closing():
                board.ends[-1].protocol.resume_writing()
            case "away":
                board.failure = exceptions.ConnectionError("away") if number % 2 else None

    def answer(self, number: int) -> None:
        """Have each connection say so many bytes of what it owes."""
        for place, end in enumerate(self.board.ends):
            owed = self.given.get(place, b"") + b"".join(
                said(command) for command in end.commands[self.counted.get(place, 0) :]
            )
            self.counted[place] = len(end.commands)
            self.given[place] = owed[number:]
            end.say(owed[:number])

    def cancel(self, which: int) -> None:
        """Have a caller leave."""
        name = b"%d" % which
        if self.calls[which].cancel() and name not in self.board.written:
            self.unwritten.add(name)

    async def end(self) -> None:
        """Let the store be there and answer all, and hold what came of the calls against what was promised."""
        board = self.board
        board.failure = None
        for _ in range(4):
            await settled()
            for end in board.ends:
                if not end.is_closing():
                    end.protocol.resume_writing()
            await settled()
            self.answer(1_000_000)
        written = board.written
        assert len(written) == len(set(written)), "written twice"
        assert not self.unwritten & set(written), "written after its caller had left"
        for number, call in enumerate(self.calls):
            assert call.done(), "a call that never ends"
            if call.cancelled():
                continue
            error = call.exception()
            if error is None:
                assert call.result() == b"%d" % number
            elif isinstance(error, exceptions.ResponseError):
                assert str(error) == f"it is {number}"
            else:
                assert isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | TimeoutError)


def said(command: list[bytes]) -> bytes:
    """The answer to a command; of every fifth, an error."""
    if command == [b"ASKING"]:
        return b"+OK\r\n"
    number = command[1]
    if int(number) % 5 == 4:
        return b"-ERR it is %s\r\n" % number
    return b"$%d\r\n%s\r\n" % (len(number), number)


def open_ends(board: Switchboard) -> list[OtherEnd]:
    """The connections that are open."""
    return [end for end in board.ends if not end.is_closing()]


@given(STEPS)
def test_each_caller_has_its_own_answer_or_none(steps: list[Step]) -> None:
    """No call has another's answer, none is written twice, none after its caller left, and each one ends."""

    async def scene(board: Switchboard) -> None:
        story = Story(board)
        for what, number in steps:
            await story.happen(what, number)
        await story.end()
        assert len(open_ends(board)) <= 1

    play(scene)


@given(
    st.lists(
        st.tuples(st.sampled_from(["call", "tick", "answer", "cancel"]), st.integers(0, 60)), max_size=60
    )
)
def test_a_store_that_is_there_answers_all_who_stay(steps: list[Step]) -> None:
    """Where nothing is lost and nobody is slow, leaving callers cost the others nothing."""

    async def scene(board: Switchboard) -> None:
        story = Story(board)
        for what, number in steps:
            await story.happen(what, number)
        await story.end()
        stayed = [call for call in story.calls if not call.cancelled()]
        assert not [call for call in stayed if isinstance(call.exception(), exceptions.ConnectionError)]
        assert len(board.ends) <= 1

    play(scene)
