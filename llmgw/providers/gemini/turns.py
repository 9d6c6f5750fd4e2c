"""Writing a conversation within the grammar of Gemini's `contents`.

Users and models take turns, the user first; a content with function calls is followed by one with exactly one
response to each, in the order of the calls, and with nothing else. https://ai.google.dev/api/caching#Content and
https://ai.google.dev/gemini-api/docs/function-calling
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from llmgw.providers.details import member_at, note_details
from llmgw.providers.gemini.models import Profile
from llmgw.providers.gemini.parts import PartWriter
from llmgw.providers.history import spoken_in_turns
from llmgw.providers.stored import NO_RESULT, Origins, plain_text
from llmgw.types.errors import UnsupportedParameter
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.memo import Memo
from llmgw.types.message import Details, Message, Part, TextPart, ToolCallPart, ToolResultPart

DUMMY_SIGNATURE: Final = "skip_thought_signature_validator"
"""What the vendor takes in place of a signature: https://ai.google.dev/gemini-api/docs/thought-signatures."""

_PLAIN_ROLES: Final = {"user": "user", "assistant": "model"}
_BEGIN: Final = "Begin."
_CONTINUE: Final = "Continue."


class _Call:
    """A call of the model's last content, and the response to it as soon as there is one."""

    __slots__ = ("call_id", "name", "pointer", "response")

    def __init__(self, call_id: str, name: str, pointer: str) -> None:
        self.call_id = call_id
        self.name = name
        self.pointer = pointer
        self.response: Details | None = None


class Turns:
    """Writes one conversation; `origins` knows who writes the parts of a message.

    With a `memo` contents of words alone may be bytes already; the last never is.
    """

    def __init__(
        self, origins: Origins[PartWriter], profile: Profile, losses: Losses, memo: Memo | None = None
    ) -> None:
        self._origins = origins
        self._memo = memo
        self._writer: PartWriter  # of the message at hand
        self._profile = profile
        self._losses = losses
        self._system: list[Details] = []
        self._contents: list[Json] = []
        self._calls: list[_Call] = []  # of the model's last content
        self._waiting: dict[str, deque[_Call]] = {}  # those without a response, by their ids
        self._responses: list[Details] | None = None  # the parts that answer them, where their content stands
        self._pointers: dict[int, str] = {}  # where a call was said, by the identity of its part

    def conversation(self, messages: Sequence[Message]) -> tuple[list[Details], list[Json]]:
        """Write the parts of `systemInstruction`, none without one, and `contents`.

        Raises:
            UnsupportedParameter: a part cannot be sent.
        """
        position = -1
        while (position := position + 1) < len(messages):
            said = messages[position]
            text = plain_text(said)
            if text and said.role in _PLAIN_ROLES:
                told = self._say_in_turns(messages, position)
                if told:
                    position += told - 1
                else:
                    self._say_plainly(_PLAIN_ROLES[said.role], text, position)
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
        self._finish(f"/messages/{max(len(messages) - 1, 0)}")
        return self._system, self._contents

    def _say_in_turns(self, messages: Sequence[Message], position: int) -> int:
        """Write words alone that are said in turns, those of earlier calls as bytes; returns how many there are."""
        role = _PLAIN_ROLES[messages[position].role]
        if self._memo is None or self._memo.passes(messages[position]) or self._calls:
            return 0
        if self._contents[-1]["role"] == role if self._contents else role != "user":
            return 0
        told = spoken_in_turns(self._memo, messages, position, _plain_body)
        self._contents += told
        return len(told)

    def _say_plainly(self, role: str, text: str, position: int) -> None:
        """Write a message of words alone, which is told alike whoever wrote it."""
        before = self._contents[-1] if self._contents else None
        content = self._model_content() if role == "model" else self._user_content()
        if content is before:
            self._losses.note(LossCode.TURNS_MERGED, f"/messages/{position}")
        content["parts"].append({"text": text})

    def _instruct(self, message: Message, pointer: str) -> None:
        if message.role == "developer":
            self._losses.note(LossCode.DEVELOPER_AS_SYSTEM, pointer)
        for number, part in enumerate(message.parts):
            where = f"{pointer}/parts/{number}"
            if not isinstance(part, TextPart):
                place = member_at(where)
                raise UnsupportedParameter(
                    f"{place} is no text, which a system message must be", param=place, pointer=where
                )
            written = self._writer.part(part, where, assistant=False)
            if written is None:
                continue
            if self._contents:
                self._losses.note(LossCode.SYSTEM_MOVED, pointer)
            self._system.append(written)

    def _answer(self, message: Message, pointer: str) -> None:
        before = self._contents[-1] if self._contents else None
        for number, part in enumerate(message.parts):
            where = f"{pointer}/parts/{number}"
            written = self._writer.part(part, where, assistant=True)
            if written is None:
                continue
            content = self._model_content()
            if content is before:
                self._losses.note(LossCode.TURNS_MERGED, pointer)
            content["parts"].append(written)
            if isinstance(part, ToolCallPart):
                call = _Call(part.id, part.name, where)
                self._calls.append(call)
                self._waiting.setdefault(part.id, deque()).append(call)
                self._pointers[id(written)] = where

    def _ask(self, message: Message, pointer: str) -> None:
        others: list[tuple[str, Part]] = []
        media: list[Details] = []
        for number, part in enumerate(message.parts):
            where = f"{pointer}/parts/{number}"
            if isinstance(part, ToolResultPart):
                media += self._result(part, where)
            else:
                others.append((where, part))
        before = self._contents[-1] if self._contents else None
        if media:
            self._user_content()["parts"].extend(media)
        for where, part in others:
            written = self._writer.part(part, where, assistant=False)
            if written is None:
                continue
            content = self._user_content()
            if content is before:
                self._losses.note(LossCode.TURNS_MERGED, pointer)
            content["parts"].append(written)

    def _result(self, part: ToolResultPart, pointer: str) -> list[Details]:
        """Write a result; return what of it goes beside the responses."""
        waiting = self._waiting.get(part.call_id)
        if waiting:
            call = waiting.popleft()
            self._begin_responses()
            response = self._writer.response(part, call.name, pointer)
            call.response = response.part
            if not response.media:
                return []
            return [{"text": f"What the tool call {call.name} returned:"}, *response.media]
        # It answers no call of the last turn: told in words, as the vendor refuses such a response.
        self._losses.note(LossCode.TURN_SYNTHESISED, pointer)
        told: list[Details] = [{"text": f"Result of the tool call {part.call_id}:"}]
        for number, item in enumerate(part.content):
            written = self._writer.part(item, f"{pointer}/content/{number}", assistant=False)
            if written is not None:
                told.append(written)
        return told

    def _model_content(self) -> Details:
        last: Details | None = self._contents[-1] if self._contents else None
        if last is not None and last["role"] == "model":
            return last
        self._settle()
        if last is None:
            self._say(_BEGIN, "/messages/0")
        content: Details = {"role": "model", "parts": []}
        self._contents.append(content)
        return content

    def _user_content(self) -> Details:
        """The user's content that goes on; responses stand in one of their own."""
        self._begin_responses()
        last: Details | None = self._contents[-1] if self._contents else None
        if last is not None and last["role"] == "user" and last["parts"] is not self._responses:
            return last
        content: Details = {"role": "user", "parts": []}
        self._contents.append(content)
        return content

    def _begin_responses(self) -> None:
        """Put the content of the responses behind that of their calls."""
        if self._calls and self._responses is None:
            self._responses = []
            self._contents.append({"role": "user", "parts": self._responses})

    def _settle(self) -> None:
        """Write the responses to the calls of the model's last content, each of which must have one."""
        self._begin_responses()
        if self._responses is None:
            return
        for call in self._calls:
            if call.response is None:
                self._losses.note(LossCode.TURN_SYNTHESISED, call.pointer)
                call.response = self._writer.plain_response(call.call_id, call.name, NO_RESULT, failed=True)
            self._responses.append(call.response)
        self._calls = []
        self._waiting = {}
        self._responses = None

    def _finish(self, pointer: str) -> None:
        self._settle()
        if not self._contents:
            self._say(_BEGIN, pointer)
        if self._contents[-1]["role"] == "model" and not self._profile.continues:
            self._say(_CONTINUE, pointer)
        if self._profile.needs_signatures:
            self._add_signatures()

    def _say(self, words: str, pointer: str) -> None:
        self._losses.note(LossCode.TURN_SYNTHESISED, pointer)
        self._contents.append({"role": "user", "parts": [{"text": words}]})

    def _add_signatures(self) -> None:
        """Sign the first call of each step, where that is missing, with the stand-in.

        Only those since the user last spoke are verified. But what was written for one turn stays as it was for
        all that follow, or the vendor's cache would not know the beginning of the conversation again.
        """
        for content in self._contents:
            if content.__class__ is bytes:
                continue
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is not None and id(first) in self._pointers and "thoughtSignature" not in first:
                first["thoughtSignature"] = DUMMY_SIGNATURE
                self._losses.note(LossCode.REASONING_DUMMY_SIGNATURE, self._pointers[id(first)])


def _plain_body(message: Message) -> Details | None:
    text = plain_text(message) if message.role in _PLAIN_ROLES else ""
    return {"role": _PLAIN_ROLES[message.role], "parts": [{"text": text}]} if text else None
