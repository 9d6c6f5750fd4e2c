"""The canonical form of what is said, of which digests are made: what it means, not how it is written.

One turn is: an answer, or one thing said between answers, a text, a picture or a tool's result, however many of
them share a message. An answer that comes back in several messages is one turn where it is known as one. The
instructions are apart from the turns.

What callers may change without changing what is said does not count: the order of members and blanks in JSON, and
in a tool call's arguments; how text is cut into parts of an answer; reasoning, which providers want back only for
a while; marks for caches, and all other members without a field of ours; names of files; empty messages. Nor do
texts that Claude Code puts in anew with each call: those that are a `<system-reminder>`, and its billing header.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.context.verifying.remembered import Remembered, Turns, fingerprint
from llmgw.types import json
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json
from llmgw.types.message import (
    MediaPart,
    Message,
    OpaquePart,
    Part,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

SIZE: Final = 16
"""Bytes of a digest."""

ANSWER: Final = ord("a")
"""Kind of an answer that was given here."""
ADOPTED: Final = ord("h")
"""Kind of an answer that the caller brought along."""
BROKEN: Final = ord("x")
"""Kind of an answer that broke off: how much of it the caller has is not known."""
USER: Final = ord("u")
SYSTEM: Final = ord("s")
RESULT: Final = ord("t")
SUMMARY: Final = ord("m")
"""Kind, while it is read, of what a user says that sums up what was said before; else it is as `USER`."""

ANSWERS: Final = frozenset({ANSWER, ADOPTED, BROKEN})

_REMINDER: Final = "<system-reminder>"
_REMINDER_END: Final = "</system-reminder>"
_REMINDERS: Final = re.compile(rf"\s*(?:{_REMINDER}(?:(?!{_REMINDER_END}).)*{_REMINDER_END}\s*)+", re.DOTALL)
_BILLING: Final = "x-anthropic-billing-header:"
_SUMMARIES: Final = (
    "This session is being continued from a previous conversation",
    "Another language model started to solve this problem and produced a summary",
    "<conversation_summary>",
    "<summary>",
)
"""How the summaries begin that Claude Code, Codex and SDKs put in place of a history."""

_ANTHROPIC: Final = "anthropic"
_CALL_KIND: Final = "tool_call"
_MARKS: Final = frozenset({"cache_control"})
_SAFE_INTEGER: Final = 2**53


Place: TypeAlias = tuple[int, int | None]
"""Where a turn stands: the number of its message, and of its part where the message has several."""


class History(Struct, kw_only=True):
    """A request's history, turn by turn.

    `ending` are the parts of an answer with which it ends, which the model is to continue, and `said` is the number
    of turns before it; `summary` is the first turn that is a summary of others. `runs` are answers that stand side
    by side: the numbers of the first and of the one behind the last, and the digest of them as one answer.
    """

    instructions: bytes
    kinds: bytearray
    digests: list[bytes]
    places: list[Place]
    ending: tuple[Part, ...] = ()
    said: int = 0
    summary: int | None = None
    runs: list[tuple[int, int, bytes]] = []

    def joined(self, known: Collection[bytes]) -> "History":
        """This history with answers side by side made one turn where they are known as one."""
        runs = {first: (end, digest) for first, end, digest in self.runs if digest in known}
        if not runs:
            return self
        joined = History(instructions=self.instructions, kinds=bytearray(), digests=[], places=[])
        number = 0
        while number < len(self):
            if number == self.summary:
                joined.summary = len(joined)
            if number == self.said:
                joined.said = len(joined)
            end, digest = runs.get(number, (number + 1, self.digests[number]))
            joined.kinds.append(self.kinds[number])
            joined.digests.append(digest)
            joined.places.append(self.places[number])
            number = end
        joined.ending = self.ending
        joined.said = joined.said if self.ending else len(joined)
        return joined

    def __len__(self) -> int:
        return len(self.digests)

    def is_answer(self, number: int) -> bool:
        """Whether a turn is an answer."""
        return self.kinds[number] in ANSWERS


class Canon:
    """Makes digests under one key; keyed BLAKE2b (RFC 7693), as it costs little more than half of HMAC-SHA-256.

    `remembered` may be shared by the canons of all keys.
    """

    def __init__(self, key: bytes, remembered: Remembered | None = None) -> None:
        self._base = hashlib.blake2b(key=key[:64], digest_size=SIZE)
        self.remembered = remembered or Remembered()
        self.salt = hash(key)

    def digest(self, data: bytes) -> bytes:
        """Digest some bytes."""
        hashing = self._base.copy()
        hashing.update(data)
        return hashing.digest()

    def tip(self, digests: Sequence[bytes]) -> bytes:
        """Digest a run of turns as a whole."""
        return self.digest(b"#" + b"".join(digests))

    def history(self, messages: Sequence[Message], wire: str) -> History:
        """Read a request's messages, which came in the dialect `wire`."""
        reading = self.reading(wire)
        reading.add(messages)
        return reading.end()

    def reading(self, wire: str) -> "Reading":
        """Begin to read a request's messages piece by piece."""
        return Reading(self, wire)

    def answer(self, message: Message, wire: str, ending: Sequence[Part] = ()) -> bytes | None:
        """Digest an answer as a caller of `wire` can send it back; None if that is nothing.

        `ending` are the parts that it goes on from.
        """
        data = _answer([*ending, *message.parts, *_legacy_call(message)], wire)
        return None if data is None else self.digest(data)


class Reading:
    """A request's history while its messages come in."""

    def __init__(self, canon: Canon, wire: str) -> None:
        self._canon = canon
        self._wire = wire
        self._history = History(instructions=b"", kinds=bytearray(), digests=[], places=[], runs=[])
        self._answer: list[Part] = []
        self._answer_from = 0
        self._instructions: list[bytes] = []
        self._begun = False
        self._number = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Take in the next messages."""
        canon, history = self._canon, self._history
        for number, message in enumerate(messages, self._number):
            role = message.role
            if not self._begun and role in {"system", "developer"}:
                self._instructions += (data for part in message.parts if (data := _part(part)) is not None)
                continue
            self._begun = True
            known = fingerprint(canon.salt, message)
            turns = None if known is None else canon.remembered.get(known)
            if turns is None:
                turns = self._answered(message) if role == "assistant" else self._said(message)
                if known is not None:
                    canon.remembered.put(known, turns)
            if role == "assistant":
                if turns:
                    self._go_on_answering(message)
            elif self._answer:
                self._end_answer()
            for kind, digest, part in turns:
                if kind == SUMMARY:
                    history.summary = len(history.digests) if history.summary is None else history.summary
                    history.kinds.append(USER)
                else:
                    history.kinds.append(kind)
                history.digests.append(digest)
                history.places.append((number, part))
        self._number += len(messages)

    def end(self) -> History:
        """Return what was read."""
        history = self._history
        history.ending = tuple(self._answer)
        history.said = self._answer_from if self._answer else len(history)
        self._end_answer()
        history.instructions = self._canon.digest(b"i" + b"".join(self._instructions))
        return history

    def _said(self, message: Message) -> Turns:
        """Digest what others than the model say in a message."""
        several = len(message.parts) > 1
        named = b"" if message.name is None else _net(b"N", _text(message.name))
        role = _KINDS.get(message.role, USER)
        turns: list[tuple[int, bytes, int | None]] = []
        for place, part in enumerate(message.parts):
            data = _part(part)
            if data is None:
                continue
            kind = RESULT if type(part) is ToolResultPart else role
            digest = self._canon.digest(b"%c%b%b" % (kind, named, data))
            if kind == USER and type(part) is TextPart and part.text.startswith(_SUMMARIES):
                kind = SUMMARY
            turns.append((kind, digest, place if several else None))
        return tuple(turns)

    def _answered(self, message: Message) -> Turns:
        """Digest an answer, which may be nothing."""
        data = _answer([*message.parts, *_legacy_call(message)], self._wire)
        return () if data is None else ((ADOPTED, self._canon.digest(data), None),)

    def _go_on_answering(self, message: Message) -> None:
        if not self._answer:
            self._answer_from = len(self._history)
        self._answer += message.parts
        if message.provider_details:
            self._answer += _legacy_call(message)

    def _end_answer(self) -> None:
        if not self._answer:
            return
        history, first = self._history, self._answer_from
        if len(history) > first + 1:
            data = _answer(self._answer, self._wire)
            if data is not None:
                history.runs.append((first, len(history), self._canon.digest(data)))
        self._answer = []


_KINDS: Final = {"user": USER, "system": SYSTEM, "developer": SYSTEM, "tool": RESULT, "function": RESULT}


def _net(tag: bytes, data: bytes) -> bytes:
    """Frame some bytes by their length, so that no two sequences of them look alike."""
    return b"%b%d:%b" % (tag, len(data), data)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _part(part: Part) -> bytes | None:
    """Write one thing said by others than the model; None for what does not count."""
    match part:
        case TextPart(text=text) | RefusalPart(text=text):
            return None if not text or _is_passing(text) else _net(b"T", _text(text))
        case ToolResultPart():
            content = b"".join(data for each in part.content if (data := _part(each)) is not None)
            return _net(b"E" if part.is_error else b"R", _text(part.call_id)) + _net(b"c", content)
        case MediaPart():
            return _media(part)
        case OpaquePart(value=value):
            return _net(b"O", canonical_json(_without_marks(value)))
        case _:
            return None


def _media(part: MediaPart) -> bytes:
    if part.base64 is not None:
        return _net(b"B", _text(part.base64))
    if part.text is not None:
        return _net(b"D", _text(part.text))
    if part.url is not None:
        return _net(b"U", _text(part.url))
    return _net(b"F", _text(part.file_id or ""))


def _answer(parts: Iterable[Part], wire: str) -> bytes | None:
    texts: list[str] = []
    others: list[bytes] = []
    for part in parts:
        match part:
            case TextPart(text=text) | RefusalPart(text=text):
                texts.append(text)
            case ToolCallPart(name=name) if name:
                others += (
                    _net(b"C", _text(part.id)),
                    _net(b"n", _text(name)),
                    _net(b"j", canonical_arguments(part)),
                )
            case OpaquePart(protocol=protocol, kind=kind, value=value):
                # Only what its own dialect carries there and back.
                if protocol == wire and (wire == _ANTHROPIC or kind == _CALL_KIND):
                    others.append(_net(b"O", canonical_json(_without_marks(value))))
            case _:
                pass
    said = "".join(texts)
    if not said and not others:
        return None
    return b"a" + _net(b"T", _text(said)) + b"".join(others)


def canonical_arguments(call: ToolCallPart) -> bytes:
    """Write a call's arguments: clients parse and write them anew, and one dialect has objects only.

    What is no object is the one member of one, as Anthropic's dialect tells it.
    """
    text = call.arguments
    if call.kind == "function":
        if not text.strip(" \t\r\n"):
            return b"{}"
        try:
            value = json.decode(_text(text))
        except InvalidJson:
            value = None
        if isinstance(value, dict):
            return canonical_json(value)
    return canonical_json({"input": text})


def canonical_json(value: Json) -> bytes:
    """Write JSON with members in order, and numbers as all readers of JSON would."""
    return msgspec.json.encode(_plain(value), order="sorted")


def _plain(value: Json) -> Json:
    if type(value) is dict:
        return {name: _plain(child) for name, child in value.items()}
    if type(value) is list:
        return [_plain(child) for child in value]
    if type(value) is float and value.is_integer() and abs(value) < _SAFE_INTEGER:
        return int(value)
    return value


def _without_marks(value: Json) -> Json:
    """Leave out what clients add and take away: marks, and members that say nothing."""
    if not isinstance(value, dict):
        return value
    return {name: child for name, child in value.items() if child is not None and name not in _MARKS}


def _legacy_call(message: Message) -> list[Part]:
    """The call of the time before there were several, which has no field of ours."""
    match message.provider_details.get("function_call"):
        case {"name": str(name), "arguments": str(arguments)}:
            return [ToolCallPart(id="", name=name, arguments=arguments)]
        case _:
            return []


def _is_passing(text: str) -> bool:
    """Whether a text is put in anew with each call."""
    begin = text[:1]
    if begin == "x":
        return text.startswith(_BILLING)
    return (
        (begin == "<" or begin.isspace())
        and text.rstrip().endswith(_REMINDER_END)
        and _REMINDERS.fullmatch(text) is not None
    )
