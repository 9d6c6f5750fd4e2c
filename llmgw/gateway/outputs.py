"""Answers held against the output schema of the prompt version they were asked with.

Of an ordinary call it is only noted whether its answer fits. An API answers with what fits, or not at all: where
its version says so, the model is once shown its answer and what is wrong with it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from llmgw.gateway.summaries import Ask
from llmgw.prompts.rendering.compiled import CompiledPrompt
from llmgw.types import json
from llmgw.types.call import Call
from llmgw.types.completion import Choice, Completion
from llmgw.types.errors import DeadlineExceeded
from llmgw.types.event import Finish, StreamEvent, TextDelta
from llmgw.types.invocation import CallOptions, ChatInvocation
from llmgw.types.json import Json
from llmgw.types.message import Message, TextPart
from llmgw.types.prompt_errors import OutputViolation
from llmgw.types.target import Target
from llmgw.types.violation import Violation

_SHOWN: Final = 20
"""Violations that a model is shown."""
_MEND: Final = (
    "Your answer does not fit the schema it must fit. Answer again, with the corrected JSON alone. "
    "What is wrong, as data: "
)


def is_judged(asked: ChatInvocation, compiled: CompiledPrompt) -> bool:
    """Whether `judged` has anything to do: the version has a schema, or what was called is an API."""
    prompt = asked.options.prompt
    return compiled.content.output_schema is not None or (prompt is not None and bool(prompt.slug))


async def judged(
    completion: Completion, asked: ChatInvocation, compiled: CompiledPrompt, call: Call, ask: Ask
) -> Completion:
    """Hold a whole answer against its schema; of an API the text of what is returned is the JSON to be sent.

    Raises:
        OutputViolation: the answer of an API does not fit.
        GatewayError: it could not be mended, as the model failed.
    """
    prompt = asked.options.prompt
    is_api = prompt is not None and bool(prompt.slug)
    text = completion.text
    if compiled.content.output_schema is None:
        return _saying(completion, {"text": text}) if is_api else completion
    value, violations = compiled.check_output(text)
    if call.prompt is not None:
        call.prompt.output = "invalid" if violations else "valid"
    if is_api and violations and compiled.content.api is not None and compiled.content.api.repair:
        mended = await ask(_mending(asked, text, violations))
        value, violations = compiled.check_output(mended.text)
        if call.prompt is not None and not violations:
            call.prompt.output = "repaired"
    if not is_api:
        return completion
    if violations:
        raise OutputViolation(f"the answer of {call.id} does not fit the output schema", violations)
    return _saying(completion, value)


class InTime:
    """Asks on behalf of a call in the time that the call has left: what it may take is one bound for all of it.

    `ends_ns` is when that is over, on the clock that `now_ns` reads.
    """

    def __init__(self, ask: Ask, now_ns: Callable[[], int], ends_ns: int) -> None:
        self._ask = ask
        self._now_ns = now_ns
        self._ends_ns = ends_ns

    async def __call__(self, invocation: ChatInvocation) -> Completion:
        """See `Ask`.

        Raises:
            DeadlineExceeded: no time is left.
        """
        left_ms = (self._ends_ns - self._now_ns()) // 1_000_000
        if left_ms < 1:
            raise DeadlineExceeded(
                "the answer does not fit the output schema, and no time is left to mend it"
            )
        return await self._ask(replace(invocation, options=replace(invocation.options, timeout_ms=left_ms)))


def ends_at(began_ns: int, invocation: ChatInvocation, target: Target) -> int:
    """When the time of a call is over that began then: the caller's bound, if it is less than the target's."""
    total_s = target.timeouts.total_s
    if invocation.options.timeout_ms is not None:
        total_s = min(total_s, invocation.options.timeout_ms / 1000)
    return began_ns + int(total_s * 1e9)


class Watch:
    """Notes of a streamed answer whether it fits, as its end goes by; one that breaks off is not judged."""

    def __init__(self, compiled: CompiledPrompt, call: Call) -> None:
        self._compiled = compiled
        self._call = call
        self._text: list[str] = []

    def __call__(self, events: Iterable[StreamEvent]) -> None:
        """Take in what the provider says."""
        for event in events:
            if isinstance(event, TextDelta) and event.choice == 0:
                self._text.append(event.text)
            elif isinstance(event, Finish) and self._call.prompt is not None:
                _, violations = self._compiled.check_output("".join(self._text))
                self._call.prompt.output = "invalid" if violations else "valid"


def _saying(completion: Completion, value: Json) -> Completion:
    """The answer of an API: one JSON text, without what the model said or thought beside it."""
    words = TextPart(text=json.encode(value).decode())
    message = Message(role="assistant", parts=(words,))
    return replace(completion, choices=(Choice(index=0, message=message, reason="stop"),))


def _mending(asked: ChatInvocation, text: str, violations: Sequence[Violation]) -> ChatInvocation:
    """Ask again, behind the answer that did not fit and what is wrong with it; neither is rendered."""
    wrong = [{"pointer": each.pointer, "message": each.message} for each in violations[:_SHOWN]]
    return replace(
        asked,
        messages=(
            *asked.messages,
            Message(role="assistant", parts=(TextPart(text=text or "(nothing)"),)),
            Message(role="user", parts=(TextPart(text=f"{_MEND}{json.encode(wrong).decode()}"),)),
        ),
        options=CallOptions(tags=asked.options.tags),
        stream=False,
    )
