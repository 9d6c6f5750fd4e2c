"""The usual whole answer, read by its type in one step: one choice that says one text.

What the type accepts must mean what `AnswerParser` reads in it; whatever it does not accept, broken bytes and
reports of errors too, takes the long way, which judges it.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Struct

from llmgw.providers.openai.messages import PROTOCOL
from llmgw.providers.openai.pieces import finish_reason
from llmgw.providers.openai.usage import usage_from
from llmgw.types.event import ChoiceEnd, Extra, Finish, Start, StreamEvent, TextDelta, UsageReport
from llmgw.types.message import Details


class PlainMessage(Struct, gc=False, forbid_unknown_fields=True):
    """Text, and members that say nothing."""

    content: str
    role: Literal["assistant", ""] | None = None
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    annotations: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None


class PlainChoice(Struct, gc=False, forbid_unknown_fields=True):
    """A choice that ended."""

    message: PlainMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None
    native_finish_reason: None = None


class PlainAnswer(Struct, gc=False, forbid_unknown_fields=True):
    """One choice, what was used, and what hosts say beside it."""

    choices: tuple[PlainChoice]
    usage: dict[str, int | dict[str, int | None] | None]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


_decode: Final = msgspec.json.Decoder(PlainAnswer).decode


def plain_answer(data: bytes) -> list[StreamEvent] | None:
    """Read a usual answer; None where it is anything else.

    Raises:
        ProviderFailed: the host gave it up.
    """
    try:
        answer = _decode(data)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return None
    choice = answer.choices[0]
    native, message = choice.finish_reason, choice.message
    if not native or answer.object == "error":
        return None
    beside: Details = {}
    if answer.provider is not None:
        beside["provider"] = answer.provider
    if answer.service_tier is not None:
        beside["service_tier"] = answer.service_tier
    if answer.system_fingerprint is not None:
        beside["system_fingerprint"] = answer.system_fingerprint
    usage = usage_from(answer.usage)
    return [
        Start(
            protocol=PROTOCOL,
            id=answer.id or "",
            model=answer.model or "",
            created=answer.created or 0,
            extra=Extra(chunk=beside) if beside else None,
        ),
        TextDelta(text=message.content, choice=choice.index),
        ChoiceEnd(
            reason=finish_reason(native),
            native_reason=native,
            choice=choice.index,
            extra=None if message.annotations is None else Extra(delta={"annotations": message.annotations}),
        ),
        UsageReport(usage=usage),
        Finish(usage=usage),
    ]
