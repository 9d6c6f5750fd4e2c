"""Stored conversations: messages of several protocols in one, some of them answers as they were folded.

A client that keeps its history itself hears an answer in its dialect and says it again, without what only answers
have, and with each seal where requests have it. The same is done here for answers that were stored without that.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from operator import attrgetter
from typing import Final, Generic, TypeVar

from msgspec import structs

from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json
from llmgw.types.loss import LossCode, Losses
from llmgw.types.merging import merge
from llmgw.types.message import Details, Message, Part, ReasoningPart, TextPart, ToolCallPart
from llmgw.types.openai_seals import REASONING_DETAILS, call_seal, reasoning_parts, with_seals

_parts_of: Final = attrgetter("parts")

Writer = TypeVar("Writer")

NO_RESULT: Final = "There is no result of this call."
"""What stands in the place of a tool's result that is missing, as no vendor takes a call alone."""

_OPENAI: Final = "openai"
_AUDIO: Final = "audio"

_ABOUT_ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    _OPENAI: frozenset({"channel", "role", "token_id"}),  # Groq, those with words of their own, Together
    "anthropic": frozenset({"container"}),
}
"""Members of answers' messages that say nothing which a request could say again."""

_OF_ANSWERS: Final[Mapping[str, LossCode]] = {
    "content_parts": LossCode.DETAILS_DROPPED,
    "executed_tools": LossCode.BUILTIN_UNTRANSLATABLE,  # Groq
}
"""Members of OpenAI-like answers that do say something, but that hosts do not take back."""

_NOTHING: Final[tuple[Json, ...]] = (None, "", [], {})
"""Values of members that hold nothing."""

_OF_CALLS: Final = "index"
"""The number of a call in its answer, which hosts write into whole answers too (DeepSeek, Mistral)."""


class Origins(Generic[Writer]):
    """Tells of each message of an invocation whose it is, and so which of two writers is to write it.

    `native` is for messages of `protocol`, `foreign` for all others. Only in stored conversations there are both.
    """

    def __init__(
        self, invocation: ChatInvocation, protocol: str, losses: Losses, *, native: Writer, foreign: Writer
    ) -> None:
        self._stored = invocation.stored
        self._wire = invocation.wire
        self._protocol = protocol
        self._losses = losses
        self._native = native
        self._foreign = foreign

    def writer_of(self, message: Message) -> Writer:
        """The writer for a message."""
        return self._native if self._of(message) == self._protocol else self._foreign

    def as_asked(self, message: Message, position: int) -> Message:
        """A stored answer as a request has it; any other message as it is.

        Parts keep their places, so that pointers still lead to them; what has none is put behind them.
        """
        if not self._stored or message.role != "assistant" or not _has_details(message):
            return message
        return _as_asked(
            message, self._of(message), f"/messages/{position}", self._losses, target=self._protocol
        )

    def _of(self, message: Message) -> str:
        return (message.protocol or self._wire) if self._stored else self._wire


def plain_text(message: Message) -> str:
    """The words of a message that says nothing else, as most do; empty for any other."""
    parts = message.parts
    if len(parts) != 1 or message.name is not None or message.provider_details:
        return ""
    only = parts[0]
    if only.__class__ is not TextPart or only.provider_details or only.seal is not None:
        return ""
    return only.text


def kinds_of_parts(messages: Iterable[Message]) -> set[type]:
    """The classes of all parts of messages, of which there may be thousands: found without a step for each."""
    return set(map(type, chain.from_iterable(map(_parts_of, messages))))


def words_of(message: Message) -> str:
    """The words of a message of a stored conversation that says nothing else; empty for any other.

    Members of an answer that hold nothing are passed over, as they are in `Origins.as_asked`.
    """
    parts = message.parts
    if len(parts) != 1 or message.name is not None:
        return ""
    only = parts[0]
    if only.__class__ is not TextPart or only.provider_details or only.seal is not None:
        return ""
    if (details := message.provider_details) and (
        message.role != "assistant" or any(value not in _NOTHING for value in details.values())
    ):
        return ""
    return only.text


def _has_details(message: Message) -> bool:
    return bool(message.provider_details) or any(
        isinstance(part, ToolCallPart) and part.provider_details for part in message.parts
    )


def _as_asked(message: Message, protocol: str, pointer: str, losses: Losses, *, target: str) -> Message:
    about = _ABOUT_ANSWERS.get(protocol, frozenset())
    details = {
        name: value
        for name, value in message.provider_details.items()
        if name not in about and value not in _NOTHING
    }
    parts = list(message.parts)
    if protocol == _OPENAI:
        for name, code in _OF_ANSWERS.items():
            if details.pop(name, None) is not None:
                losses.note(code, pointer)
        if isinstance(details.get(_AUDIO), dict):
            _take_audio(details, parts, pointer, losses, native=protocol == target)
        parts = [_call(part) if isinstance(part, ToolCallPart) else part for part in parts]
        items = details.get(REASONING_DETAILS)
        if isinstance(items, list) and not any(map(_is_sealed, parts)):
            details[REASONING_DETAILS] = items = _joined(items)
            parts = list(with_seals(_with_reasoning(parts, items), items))
    return structs.replace(message, parts=tuple(parts), provider_details=details)


def _take_audio(details: Details, parts: list[Part], pointer: str, losses: Losses, *, native: bool) -> None:
    """Name a spoken answer by its id, as requests do; to those who never spoke it its words are told."""
    audio = details.pop(_AUDIO)
    if native and isinstance(audio.get("id"), str):
        details[_AUDIO] = {"id": audio["id"]}
        return
    losses.note(LossCode.MEDIA_DROPPED, pointer)
    if isinstance(audio.get("transcript"), str):
        parts.append(TextPart(text=audio["transcript"]))


def _call(part: ToolCallPart) -> ToolCallPart:
    details = {name: value for name, value in part.provider_details.items() if name != _OF_CALLS}
    seal = part.seal or call_seal(details)
    return structs.replace(part, seal=seal, provider_details=details)


def _is_sealed(part: Part) -> bool:
    """Whether a part shows that `reasoning_details` were read before."""
    match part:
        case ReasoningPart(member=member, seal=seal):
            return seal is not None or member == REASONING_DETAILS
        case TextPart(seal=seal):
            return seal is not None
        case _:
            return False


def _joined(items: list[Json]) -> list[Json]:
    """Join the pieces in which a stream told an item: those of one type and number, one after the other."""
    joined: list[Json] = []
    for item in items:
        before = joined[-1] if joined else None
        if (
            isinstance(item, dict)
            and isinstance(before, dict)
            and isinstance(item.get("index"), int)
            and (item["index"], item.get("type")) == (before.get("index"), before.get("type"))
        ):
            whole: Details = {}
            merge(whole, before)
            merge(whole, item)
            joined[-1] = whole
        else:
            joined.append(item)
    return joined


def _with_reasoning(parts: list[Part], items: list[Json]) -> list[Part]:
    """Put reasoning under its seals in the places of the same without them."""
    sealed = reasoning_parts(items)
    if not sealed:
        return parts
    left = iter(sealed)
    placed: list[Part] = [
        next(left, ReasoningPart(text="")) if isinstance(part, ReasoningPart) else part for part in parts
    ]
    return [*placed, *left]
