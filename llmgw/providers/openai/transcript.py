"""The messages of a request as they come about, each tool's result where hosts want it."""

from collections.abc import Mapping
from typing import Final

from llmgw.providers.stored import NO_RESULT
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.message import Details

_BRIDGE: Final = "Understood."
_INSTRUCTING: Final = frozenset({"system", "developer"})
_NO_CALLS: Final[Mapping[str, str]] = {}


class Transcript:
    """Messages in the order in which they are sent.

    In a `stored` conversation each call is followed by its one result, before anything else is said: one that is
    missing is made up, one that answers nothing is told in words, and instructions in between wait. Otherwise all
    is the caller's own business. With `bridged` an answer is put between a tool's result and a user's words.
    """

    def __init__(self, losses: Losses, *, stored: bool, bridged: bool) -> None:
        self.messages: list[Json] = []
        self._losses = losses
        self._stored = stored
        self._bridged = bridged
        self._open: dict[
            str, str
        ] = {}  # calls without a result: their ids as they are sent, and their places
        self._late: list[tuple[Details | bytes, str, str]] = []  # what is said while results are awaited

    def add(self, body: Details, place: str, calls: Mapping[str, str] = _NO_CALLS) -> None:
        """Add what somebody says; `calls` are the calls in it, by their ids, with their places."""
        if self._waits(body, body["role"], place):
            return
        if self._bridged and body["role"] == "user" and self.messages and self.messages[-1]["role"] == "tool":
            self.messages.append({"role": "assistant", "content": _BRIDGE})
            self._losses.note(LossCode.TURN_SYNTHESISED, place)
        self.messages.append(body)
        if self._stored and calls:
            self._open = dict(calls)

    def add_bytes(self, body: bytes, role: str, place: str) -> None:
        """Add what somebody says, encoded already; nothing is put before it, so not with `bridged`."""
        if not self._waits(body, role, place):
            self.messages.append(body)

    def add_result(self, body: Details, place: str) -> None:
        """Add the result of a tool."""
        if not self._stored:
            self.messages.append(body)
            return
        call_id = body["tool_call_id"]
        if self._open.pop(call_id, None) is not None:
            self.messages.append(body)
            if not self._open:
                self.settle()
            return
        # It answers no call of the last answer: hosts refuse such a message.
        self._losses.note(LossCode.TURN_SYNTHESISED, place)
        told = {"role": "user", "content": f"Result of the tool call {call_id}:\n{_text_of(body['content'])}"}
        if self._open:
            self._late.append((told, "user", place))
        else:
            self.add(told, place)

    def settle(self) -> None:
        """Make up the results that are missing, and say what waited for them."""
        for call_id, place in self._open.items():
            self._losses.note(LossCode.TURN_SYNTHESISED, place)
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": NO_RESULT})
        self._open = {}
        late, self._late = self._late, []
        for body, role, place in late:
            if isinstance(body, bytes):
                self.add_bytes(body, role, place)
            else:
                self.add(body, place)

    def _waits(self, body: Details | bytes, role: str, place: str) -> bool:
        """Whether something is said later: instructions wait for results that are awaited, others end the wait."""
        if not self._open:
            return False
        if role in _INSTRUCTING:
            self._late.append((body, role, place))
            return True
        self.settle()
        return False


def _text_of(content: Json) -> str:
    """The words of a result."""
    if isinstance(content, list):
        return "\n".join(item.get("text", "") for item in content if isinstance(item, dict))
    return content or ""
