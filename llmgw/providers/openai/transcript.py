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
        self._late: list[tuple[Details, str]] = []  # what is said while results are awaited

    @property
    def waits(self) -> bool:
        """Whether calls have no result yet."""
        return bool(self._open)

    def add(self, body: Details, place: str, calls: Mapping[str, str] = _NO_CALLS) -> None:
        """Add what somebody says; `calls` are the calls in it, by their ids, with their places."""
        if self._open:
            if body["role"] in _INSTRUCTING:
                self._late.append((body, place))
                return
            self.settle()
        if self._bridged and body["role"] == "user" and self.messages and self.messages[-1]["role"] == "tool":
            self.messages.append({"role": "assistant", "content": _BRIDGE})
            self._losses.note(LossCode.TURN_SYNTHESISED, place)
        self.messages.append(body)
        if self._stored and calls:
            self._open = dict(calls)

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
            self._late.append((told, place))
        else:
            self.add(told, place)

    def settle(self) -> None:
        """Make up the results that are missing, and say what waited for them."""
        for call_id, place in self._open.items():
            self._losses.note(LossCode.TURN_SYNTHESISED, place)
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": NO_RESULT})
        self._open = {}
        late, self._late = self._late, []
        for body, place in late:
            self.add(body, place)


def _text_of(content: Json) -> str:
    """The words of a result."""
    if isinstance(content, list):
        return "\n".join(item.get("text", "") for item in content if isinstance(item, dict))
    return content or ""
