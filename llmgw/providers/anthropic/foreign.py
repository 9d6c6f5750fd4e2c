"""Writing a conversation that came over another protocol, or over several, within the grammar of Anthropic's.

System messages open the conversation or follow a user's turn; users and assistants take turns, the user first;
each call of an assistant's turn has its one result at the very beginning of the user's turn behind it; no text
is empty. https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from llmgw.providers.anthropic.blocks import BlockWriter
from llmgw.providers.details import member_at, note_details
from llmgw.providers.history import spoken_in_turns
from llmgw.providers.stored import NO_RESULT, Origins, plain_text
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.memo import Memo
from llmgw.types.message import (
    Details,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_PLAIN_ROLES: Final = frozenset({"user", "assistant"})
_BEGIN: Final = "Begin."
_CONTINUE: Final = "Continue."


class ForeignTurns:
    """Writes one conversation; `answered` tells that the answer may not continue an assistant's message.

    `origins` knows who writes the parts of a message; those that are of this protocol keep their order. With a
    `memo` turns of words alone may be bytes already; the last never is.
    """

    def __init__(
        self, origins: Origins[BlockWriter], losses: Losses, *, answered: bool, memo: Memo | None = None
    ) -> None:
        self._origins = origins
        self._memo = memo
        self._losses = losses
        self._writer: BlockWriter  # of the message at hand
        self._answered = answered
        self._system: list[Json] = []
        self._turns: list[Json] = []  # messages as they are sent
        self._amid: list[Json] = []  # system texts that wait for the end of the user's turn
        self._amid_at = ""  # where they stood
        self._open: dict[
            int, tuple[str, str]
        ] = {}  # sent id and pointer of calls without a result, by number
        self._waiting: dict[str, deque[int]] = {}  # their numbers, by the caller's id
        self._called = 0
        self._results = 0  # how many of these the user's turn begins with
        self._seen: dict[str, int] = {}  # how often an id was called by
        self._spoke = False  # whether the turn holds a user's own words, not just results of tools

    def conversation(self, messages: Sequence[Message]) -> tuple[Json, list[Json]]:
        """Write the top-level `system`, None without one, and `messages`.

        Raises:
            UnsupportedParameter: a part cannot be sent.
        """
        position = -1
        while (position := position + 1) < len(messages):
            said = messages[position]
            text = _plain_text(said)
            if text:
                told = self._say_in_turns(messages, position)
                if told:
                    position += told - 1
                else:
                    self._say_plainly(said.role, text, position)
                continue
            pointer = f"/messages/{position}"
            message = self._origins.as_asked(said, position)
            if message.name is not None:
                self._losses.note(LossCode.NAME_DROPPED, pointer)
            note_details(message.provider_details, pointer, self._losses)
            self._writer = self._origins.writer_of(message)
            match message.role:
                case "system" | "developer":
                    self._instruct(message, pointer)
                case "assistant":
                    self._answer(message, pointer)
                case _:
                    self._ask(message, pointer)
        # A last word of the user's that was left out, being blank, does not make an answer of the one before it.
        self._answered = self._answered or bool(messages and messages[-1].role != "assistant")
        self._finish(f"/messages/{max(len(messages) - 1, 0)}")
        return self._system or None, list(self._turns)

    def _say_in_turns(self, messages: Sequence[Message], position: int) -> int:
        """Write words alone that are said in turns, those of earlier calls as bytes; returns how many there are."""
        role = messages[position].role
        if self._memo is None or self._memo.passes(messages[position]) or self._open or self._amid:
            return 0
        if self._turns[-1]["role"] == role if self._turns else role != "user":
            return 0
        told = spoken_in_turns(self._memo, messages, position, _plain_body)
        if not told:
            return 0
        self._turns += told
        self._spoke = self._turns[-1]["role"] == "user"
        self._results = 0
        return len(told)

    def _say_plainly(self, role: str, text: str, position: int) -> None:
        """Write a message of words alone, which is told alike whoever wrote it."""
        by_user = role == "user"
        block = {"type": "text", "text": text}
        last = self._turns[-1] if self._turns else None
        if last is not None and last["role"] != role and not (self._open or self._amid):
            # The other one's turn, which nothing waits for: what `_turn` comes to, in a third of the time.
            self._turns.append({"role": role, "content": [block]})
            self._spoke = by_user
            self._results = 0
            return
        before = last if self._spoke or not by_user else None
        turn = self._turn(role)
        if turn is before:
            self._losses.note(LossCode.TURNS_MERGED, f"/messages/{position}")
        turn["content"].append(block)
        self._spoke = self._spoke or by_user

    def _instruct(self, message: Message, pointer: str) -> None:
        if message.role == "developer":
            self._losses.note(LossCode.DEVELOPER_AS_SYSTEM, pointer)
        for number, part in enumerate(message.parts):
            if not isinstance(part, TextPart):
                where = f"{pointer}/parts/{number}"
                place = member_at(where)
                raise UnsupportedParameter(
                    f"{place} is no text, which a system message must be", param=place, pointer=where
                )
        blocks = self._writer.blocks(message.parts, f"{pointer}/parts", assistant=False)
        if not self._turns:
            self._system += blocks
        elif blocks and self._writer.profile.system_amid:
            self._amid += blocks
            self._amid_at = pointer
        elif blocks:
            self._losses.note(LossCode.SYSTEM_MOVED, pointer)
            self._system += blocks

    def _ask(self, message: Message, pointer: str) -> None:
        others: list[tuple[str, Part]] = []
        for number, part in enumerate(message.parts):
            where = f"{pointer}/parts/{number}"
            if isinstance(part, ToolResultPart):
                self._result(part, where)
            else:
                others.append((where, part))
        spoken = self._turns[-1] if self._turns and self._spoke else None
        for where, part in others:
            block = self._writer.block(part, where, assistant=False)
            if block is None:
                continue
            turn = self._turn("user")
            if turn is spoken:
                self._losses.note(LossCode.TURNS_MERGED, pointer)
            turn["content"].append(block)
            self._spoke = True

    def _result(self, part: ToolResultPart, pointer: str) -> None:
        numbers = self._waiting.get(part.call_id)
        if numbers:
            call_id, _ = self._open.pop(numbers.popleft())
            block = self._writer.result(part, call_id, pointer)
            self._add_results(block)
            return
        # It answers no call of the last turn: told in words, as the vendor refuses such a block.
        self._losses.note(LossCode.TURN_SYNTHESISED, pointer)
        told: list[Json] = [{"type": "text", "text": f"Result of the tool call {part.call_id}:"}]
        told += self._writer.blocks(part.content, f"{pointer}/content", assistant=False)
        self._turn("user")["content"] += told

    def _answer(self, message: Message, pointer: str) -> None:
        before = self._turns[-1] if self._turns else None
        order: Iterable[tuple[int, Part]] = enumerate(message.parts)
        if not self._writer.native:
            # Reasoning stands at the beginning of its turn, or the vendor does not know it for its own.
            order = sorted(order, key=lambda item: not isinstance(item[1], ReasoningPart))
        for number, part in order:
            where = f"{pointer}/parts/{number}"
            if isinstance(part, ToolCallPart):
                turn = self._turn("assistant")
                block: Details | None = self._call(part, where)
            else:
                block = self._writer.block(part, where, assistant=True)
                if block is None:
                    continue
                turn = self._turn("assistant")
            if turn is before:
                self._losses.note(LossCode.TURNS_MERGED, pointer)
            turn["content"].append(block)

    def _call(self, part: ToolCallPart, pointer: str) -> Details:
        before = self._seen.get(part.id, 0)
        self._seen[part.id] = before + 1
        # Ids are unique within a conversation there; some hosts count anew in each turn.
        call_id = self._writer.ids.of(f"{part.id}#{before}" if before else part.id, pointer)
        self._open[self._called] = (call_id, pointer)
        self._waiting.setdefault(part.id, deque()).append(self._called)
        self._called += 1
        return self._writer.call(part, call_id, pointer)

    def _turn(self, role: str) -> Details:
        """The turn of `role` that goes on, or a new one."""
        if role == "assistant" and not (self._turns and self._turns[-1]["role"] == role):
            self._close_results()
            if not self._turns:
                self._say(_BEGIN, "/messages/0")
        if role == "assistant":
            self._settle_amid()
        elif self._amid:
            self._losses.note(LossCode.SYSTEM_MOVED, self._amid_at)
        last: Details | None = self._turns[-1] if self._turns else None
        if last is not None and last["role"] == role:
            return last
        self._spoke = False
        self._results = 0
        turn: Details = {"role": role, "content": []}
        self._turns.append(turn)
        return turn

    def _close_results(self) -> None:
        """Give each call of the last assistant's turn that has no result one that says so."""
        if not self._open:
            return
        for _, pointer in self._open.values():
            self._losses.note(LossCode.TURN_SYNTHESISED, pointer)
        self._add_results(
            *(
                {"type": "tool_result", "tool_use_id": call_id, "content": NO_RESULT, "is_error": True}
                for call_id, _ in self._open.values()
            )
        )
        self._open.clear()
        self._waiting.clear()

    def _add_results(self, *blocks: Details) -> None:
        """Put results behind those that the user's turn begins with."""
        turn = self._turn("user")
        turn["content"][self._results : self._results] = blocks
        self._results += len(blocks)

    def _settle_amid(self) -> None:
        """Put waiting system texts behind the user's turn, or at the beginning where there is none."""
        if not self._amid:
            return
        if self._turns[-1]["role"] == "user":
            self._turns.append({"role": "system", "content": self._amid})
        else:
            self._losses.note(LossCode.SYSTEM_MOVED, self._amid_at)
            self._system += self._amid
        self._amid = []

    def _finish(self, pointer: str) -> None:
        self._close_results()
        if not self._turns:
            self._say(_BEGIN, pointer)
        last = self._turns[-1]
        if last["role"] == "assistant":
            if self._answered or self._amid:
                self._say(_CONTINUE, pointer)
            else:
                self._trim(last, pointer)
        self._settle_amid()

    def _trim(self, last: Details, pointer: str) -> None:
        """Take the white space off the end of a message that the answer continues."""
        block = last["content"][-1]
        if block.get("type") == "text" and block["text"] != block["text"].rstrip():
            self._losses.note(LossCode.WHITESPACE_TRIMMED, pointer)
            block["text"] = block["text"].rstrip()

    def _say(self, words: str, pointer: str) -> None:
        self._losses.note(LossCode.TURN_SYNTHESISED, pointer)
        self._turns.append({"role": "user", "content": [{"type": "text", "text": words}]})


def _plain_text(message: Message) -> str:
    """The words of a message of a user's or an assistant's that says nothing else; empty for any other."""
    text = plain_text(message) if message.role in _PLAIN_ROLES else ""
    return "" if text.isspace() else text


def _plain_body(message: Message) -> Details | None:
    text = _plain_text(message)
    return {"role": message.role, "content": [{"type": "text", "text": text}]} if text else None


def lacks_thinking(turns: Sequence[Json]) -> bool:
    """Whether the last assistant's turn calls tools without the thinking that led there.

    With a budget for thinking the vendor refuses such a conversation.
    """
    last: list[Details] = next(
        (turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), []
    )
    return any(block["type"] == "tool_use" for block in last) and last[0]["type"] not in {
        "thinking",
        "redacted_thinking",
    }
