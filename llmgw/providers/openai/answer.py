"""Reading whole answers of OpenAI-like hosts, as the same events that a stream of them would give."""

from collections.abc import Sequence

from llmgw.providers.base import Frame
from llmgw.providers.openai.messages import PROTOCOL
from llmgw.providers.openai.pieces import (
    ANSWER_MEMBERS,
    CHOICE_MEMBERS,
    CONTENT_PARTS,
    MESSAGE_MEMBERS,
    content_list,
    finish_reason,
    leftover,
    odd_members,
    reasoning_events,
    tool_call,
)
from llmgw.providers.openai.plain_answer import plain_answer
from llmgw.providers.openai.usage import usage_from
from llmgw.providers.whole_answer import decode_answer, owed
from llmgw.types.errors import ProviderBadResponse
from llmgw.types.event import (
    ChoiceEnd,
    Extra,
    Finish,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReport,
    Vector,
    Vectors,
)
from llmgw.types.json import Json
from llmgw.types.message import Details


class AnswerParser:
    """Reads a chat completion that came in one piece."""

    def __init__(self) -> None:
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        plain = plain_answer(frame.data)
        if plain is not None:
            self._whole = True
            return plain
        answer = decode_answer(frame.data)
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices:
            raise ProviderBadResponse("the provider's answer has no choices")
        events: list[StreamEvent] = [start_of(answer)]
        for position, choice in enumerate(choices):
            if not isinstance(choice, dict):
                raise ProviderBadResponse("the provider's answer has a choice that is not an object")
            events += _choice_events(choice, position)
        usage = _usage_of(answer)
        if usage is not None:
            events.append(UsageReport(usage=usage))
        events.append(Finish(usage=usage))
        self._whole = True
        return events

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)


class EmbeddingsParser:
    """Reads the answer to an embeddings request."""

    def __init__(self) -> None:
        self._whole = False

    def feed(self, frame: Frame) -> Sequence[StreamEvent]:
        """See `EventParser.feed`."""
        answer = decode_answer(frame.data)
        items = answer.get("data")
        if not isinstance(items, list) or not items:
            raise ProviderBadResponse("the provider's answer has no embeddings")
        vectors = tuple(_vector(item, position) for position, item in enumerate(items))
        usage = _usage_of(answer)
        self._whole = True
        return (start_of(answer, "data"), Vectors(items=vectors), Finish(usage=usage))

    def end(self) -> Sequence[StreamEvent]:
        """See `EventParser.end`."""
        return owed(whole=self._whole)


def start_of(answer: Details, *known: str) -> Start:
    """Read the members about the whole answer; those without a field ride along."""
    unknown = leftover(answer, ANSWER_MEMBERS.union(known))
    created = answer.get("created")
    return Start(
        protocol=PROTOCOL,
        id=text_of(answer.get("id")),
        model=text_of(answer.get("model")),
        created=int(created) if isinstance(created, int | float) else 0,
        extra=Extra(chunk=unknown) if unknown else None,
    )


def text_of(value: Json) -> str:
    """A text, or none; numbers as ids are written out."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def _usage_of(answer: Details) -> Usage | None:
    usage = answer.get("usage")
    return usage_from(usage) if isinstance(usage, dict) else None


def _choice_events(choice: Details, position: int) -> list[StreamEvent]:
    index = choice.get("index")
    index = index if isinstance(index, int) else position
    message = choice.get("message")
    if message is None and choice.get("finish_reason"):
        message = {}  # Azure leaves it out where its filter took all of it
    if not isinstance(message, dict):
        raise ProviderBadResponse("the provider's answer has a choice without a message")
    unknown = leftover(message, MESSAGE_MEMBERS) | odd_members(message)
    events = reasoning_events(message, index, empty=True)
    content = message.get("content")
    if isinstance(content, str):
        events.append(TextDelta(text=content, choice=index))
    elif isinstance(content, list):
        parts, rest = content_list(content, index)
        events += parts
        if rest:
            unknown[CONTENT_PARTS] = rest
    if isinstance(message.get("refusal"), str):
        events.append(RefusalDelta(text=message["refusal"], choice=index))
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        if not isinstance(call, dict):
            raise ProviderBadResponse("the provider's answer has a tool call that is not an object")
        events.append(tool_call(call, number, index, keep_index=True))
    events.append(_end_of(choice, index, unknown))
    return events


def _end_of(choice: Details, index: int, unknown: Details) -> ChoiceEnd:
    of_choice = leftover(choice, CHOICE_MEMBERS)
    logprobs = choice.get("logprobs")
    native = choice.get("finish_reason") or _finish_details(choice)
    # A body that arrived whole is an answer that ended, also where the host does not say why (seen at OpenAI's
    # vision preview, which had `finish_details` instead, and at OpenRouter).
    native = native if isinstance(native, str) else ""
    return ChoiceEnd(
        reason=finish_reason(native) if native else "other",
        native_reason=native,
        choice=index,
        logprobs=logprobs if isinstance(logprobs, dict) else None,
        extra=Extra(choice=of_choice, delta=unknown) if of_choice or unknown else None,
    )


def _finish_details(choice: Details) -> Json:
    details = choice.get("finish_details")
    return details.get("type") if isinstance(details, dict) else None


def _vector(item: Json, position: int) -> Vector:
    embedding = item.get("embedding") if isinstance(item, dict) else None
    if not isinstance(embedding, list | str):
        raise ProviderBadResponse("the provider's answer has an item without an embedding")
    index = item.get("index")
    return Vector(
        index=index if isinstance(index, int) else position,
        embedding=embedding,
        provider_details=leftover(item, ("object", "index", "embedding")),
    )
