"""Finished calls and operations written down as spans.

    POST {route}                    SERVER    the request, from first byte to last
    ├── llmgw.prompt.resolve        INTERNAL  the prompt version found and rendered
    ├── llmgw.admission.admit       INTERNAL  room in the caller's limits and budgets taken
    ├── llmgw.context.begin         INTERNAL  the context's lease taken, what was said before at hand
    ├── llmgw.context.fit           INTERNAL  the request for the target asked last, as much as it can be told
    ├── chat {model}                CLIENT    the logical call, over all attempts
    │   ├── attempt {provider}      CLIENT    one per attempt, in order
    │   └── …
    ├── chat {model}                CLIENT    a call made for this one, a summary say, with attempts of its own
    └── llmgw.context.commit        INTERNAL  what was said and answered stored

    llmgw.context.{operation}       INTERNAL  what was done with a context without asking a model; `read_back` is
                                              a child of the request whose turns it looks at
    llmgw.feedback                  INTERNAL  what somebody thinks of an answer; it links to the call's request

A call without a context has no `llmgw.context` spans, one without a prompt no `llmgw.prompt` span, one that nothing
limits no `llmgw.admission` span: an ordinary trace has three spans, and none of one attempt more than eight. Names
hold no ids.
Spans carry no error message of a provider, and no words of a conversation unless its tenant's level of capture
says so.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import MAX_NAME_BYTES, Facts, bounded_span
from llmgw.telemetry.call_attributes import (
    admission_attributes,
    attempt_attributes,
    chat_attributes,
    operation_of,
    prompt_attributes,
    server_attributes,
)
from llmgw.telemetry.content_attributes import content_attributes
from llmgw.telemetry.context_attributes import REFUSED_BY_CONTEXT, context_attributes, context_events
from llmgw.telemetry.feedback_attributes import GivenFeedback, feedback_attributes, feedback_events
from llmgw.telemetry.links import span_links
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.telemetry.trace_context import new_span_id, new_trace_id
from llmgw.types.call import AdmissionFacts, Call, ContextFacts
from llmgw.types.context_errors import (
    ContextErased,
    ContextExpired,
    ContextFenced,
    ContextNotPreserved,
    ContextTooLarge,
    ContextTooLong,
    MediaMissing,
)
from llmgw.types.errors import ClientGone, StoreUnavailable
from llmgw.types.operation import ContextOperation
from llmgw.types.prompt import PromptFacts
from llmgw.types.prompt_errors import InputViolation, TemplateError, TemplateTooComplex
from llmgw.types.text import cut

_ERROR: Final = Status(StatusCode.ERROR)
_UNSET: Final = Status(StatusCode.UNSET)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)

_FIT_ERRORS: Final = frozenset({ContextNotPreserved.code, ContextTooLong.code, MediaMissing.code})
_RENDER_ERRORS: Final = frozenset({InputViolation.code, TemplateError.code, TemplateTooComplex.code})
_COMMIT_ERRORS: Final = frozenset(
    {ContextErased.code, ContextExpired.code, ContextFenced.code, ContextTooLarge.code, StoreUnavailable.code}
)


class _Part(Struct, frozen=True, kw_only=True):
    """One span to be: its moments are unix nanoseconds."""

    name: str
    context: SpanContext
    parent: SpanContext | None
    kind: SpanKind
    facts: Facts
    status: Status
    start: int
    end: int
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()


class TraceBuilder:
    """Writes finished calls down as spans of the SDK.

    They are made as `ReadableSpan`s, not by a tracer: ids, times and the decision to keep them exist already,
    and a tracer takes almost three times as long to arrive at the same values, and 30 µs for a call nobody keeps.
    """

    def __init__(self, version: str, resource: Mapping[str, str]) -> None:
        self._scope = scope_of(version)
        self._resource = resource_of(version, resource)

    def trace(self, call: Call) -> list[ReadableSpan]:
        """Return the call's spans, those of calls made for it included, children first."""
        if not call.trace_id:
            call = _in_trace(call, new_trace_id())
        context = _context(call, call.span_id)
        parent = _context(call, call.parent_span_id, remote=True) if call.parent_span_id else None
        end = _end(call)
        stored = context_attributes(call.context) if call.context is not None else {}
        parts: list[_Part] = []
        for inner in call.inner:
            if inner.attempts:
                parts += _chat(inner, context, _end(inner), {semconv.LLMGW_CALL_ID: inner.id or None})
        prompt = prompt_attributes(call.prompt) if call.prompt is not None else {}
        if call.prompt is not None:
            parts.append(_resolve(call, call.prompt, context))
        admission = admission_attributes(call.admission) if call.admission is not None else {}
        if call.admission is not None:
            parts.append(_admit(call, call.admission, context))
        if call.context is not None:
            parts += _steps(call, call.context, context)
        events: Sequence[Event] = ()
        if call.attempts:
            parts += _chat(call, context, end, stored)
        elif call.context is not None:
            events = context_events(call.context, call.started_unix_ns, _unix(call, end))
        parts.append(
            _Part(
                name=f"POST {call.endpoint}",
                context=context,
                parent=parent,
                kind=SpanKind.SERVER,
                facts={**server_attributes(call), **admission, **prompt, **stored},
                status=_ERROR if _is_red(call, call.error) else _UNSET,
                start=call.started_unix_ns,
                end=_unix(call, end),
                events=events,
            )
        )
        return [self._span(part) for part in parts]

    def operation(self, operation: ContextOperation) -> list[ReadableSpan]:
        """Return the one span of an operation."""
        if not operation.trace_id:
            operation = replace(operation, trace_id=new_trace_id())
        parent = operation.parent_span_id
        end = max(operation.started_ns, operation.ended_ns or operation.started_ns)
        red = operation.failed or operation.broken or operation.error in REFUSED_BY_CONTEXT
        # What a call's own spans said of its turn was said before that was read back.
        lost = operation.name == "read_back" and operation.broken
        part = _Part(
            name=f"llmgw.context.{operation.name}",
            context=_context(operation, operation.span_id),
            parent=_context(operation, parent, remote=True) if parent else None,
            kind=SpanKind.INTERNAL,
            facts={
                semconv.GEN_AI_CONVERSATION_ID: operation.context or None,
                semconv.ERROR_TYPE: operation.error,
                semconv.LLMGW_CALL_ID: operation.call,
                semconv.LLMGW_CONTEXT_PRESERVATION_VERDICT: "lost" if lost else None,
                semconv.LLMGW_CONTEXT_CONTEXTS: operation.contexts,
                semconv.LLMGW_CONTEXT_FORKED_FROM: operation.forked_from,
                semconv.LLMGW_CONTEXT_OPERATION: operation.name,
                semconv.LLMGW_CONTEXT_REV: operation.rev,
                semconv.LLMGW_CONTEXT_TURNS: operation.turns,
                semconv.LLMGW_KEY_ID: operation.key_id,
                semconv.LLMGW_TENANT: operation.tenant,
                **{semconv.check_name(check): result for check, result in operation.checks.items()},
            },
            status=_ERROR if red else _UNSET,
            start=operation.started_unix_ns,
            end=_unix(operation, end),
            links=span_links(operation.links),
        )
        return [self._span(part)]

    def feedback(self, given: GivenFeedback) -> list[ReadableSpan]:
        """Return the one span of a judgement, which links to the call it is about."""
        parent = given.parent_span_id
        part = _Part(
            name=semconv.LLMGW_FEEDBACK,
            context=_context(given, given.span_id),
            parent=_context(given, parent, remote=True) if parent else None,
            kind=SpanKind.INTERNAL,
            facts=feedback_attributes(given.event),
            status=_UNSET,
            start=given.started_unix_ns,
            end=max(given.started_unix_ns, given.ended_unix_ns),
            events=feedback_events(given.event),
            links=span_links(given.about),
        )
        return [self._span(part)]

    def _span(self, part: _Part) -> ReadableSpan:
        attributes, events = bounded_span(part.facts, part.events)
        return ReadableSpan(
            name=cut(part.name, MAX_NAME_BYTES),
            context=part.context,
            parent=part.parent,
            resource=self._resource,
            attributes=attributes,
            events=events,
            links=part.links,
            kind=part.kind,
            status=part.status,
            start_time=part.start,
            end_time=part.end,
            instrumentation_scope=self._scope,
        )


def _chat(call: Call, parent: SpanContext, end: int, more: Facts) -> list[_Part]:
    """The logical call and its attempts; `more` is said of it besides."""
    context = _context(call, call.chat_span_id, state=parent.trace_state)
    last = call.attempts[-1]
    start = _unix(call, call.attempts[0].started_ns)
    ended = _unix(call, end if last.ended_ns is None else last.ended_ns)
    parts = [
        _Part(
            name=f"attempt {attempt.provider}",
            context=_context(call, attempt.span_id, state=parent.trace_state),
            parent=context,
            kind=SpanKind.CLIENT,
            facts=attempt_attributes(attempt, index, call.attempts[:index]),
            status=_status(attempt.error),
            start=_unix(call, attempt.started_ns),
            end=_unix(call, end if attempt.ended_ns is None else attempt.ended_ns),
        )
        for index, attempt in enumerate(call.attempts)
    ]
    parts.append(
        _Part(
            name=f"{operation_of(call)} {last.model}",
            context=context,
            parent=parent,
            kind=SpanKind.CLIENT,
            facts={**chat_attributes(call, last), **content_attributes(call), **more},
            status=_status(last.error),
            start=start,
            end=ended,
            events=() if call.context is None else context_events(call.context, start, ended),
        )
    )
    return parts


def _admit(call: Call, facts: AdmissionFacts, parent: SpanContext) -> _Part:
    """The step in which the store was asked for room."""
    return _Part(
        name=semconv.LLMGW_ADMISSION_ADMIT,
        context=_context(call, new_span_id(), state=parent.trace_state),
        parent=parent,
        kind=SpanKind.INTERNAL,
        facts={**admission_attributes(facts), semconv.ERROR_TYPE: call.error if facts.limit else None},
        status=_UNSET,
        start=_unix(call, facts.started_ns),
        end=_unix(call, max(facts.started_ns, facts.ended_ns)),
    )


def _resolve(call: Call, facts: PromptFacts, parent: SpanContext) -> _Part:
    """The step in which the prompt version was found and rendered."""
    refused = call.error if call.error in _RENDER_ERRORS else None
    return _Part(
        name=semconv.LLMGW_PROMPT_RESOLVE,
        context=_context(call, new_span_id(), state=parent.trace_state),
        parent=parent,
        kind=SpanKind.INTERNAL,
        facts={**prompt_attributes(facts), semconv.ERROR_TYPE: refused},
        status=_UNSET,
        start=_unix(call, facts.started_ns),
        end=_unix(call, max(facts.started_ns, facts.ended_ns)),
    )


def _steps(call: Call, facts: ContextFacts, parent: SpanContext) -> list[_Part]:
    """The steps of a call with a context, as far as it came."""

    def step(name: str, started_ns: int, ended_ns: int, said: Facts, error: str | None) -> _Part:
        return _Part(
            name=name,
            context=_context(call, new_span_id(), state=parent.trace_state),
            parent=parent,
            kind=SpanKind.INTERNAL,
            facts={semconv.GEN_AI_CONVERSATION_ID: facts.id or None, semconv.ERROR_TYPE: error, **said},
            status=_ERROR if error is not None and _is_red(call, error) else _UNSET,
            start=_unix(call, started_ns),
            end=_unix(call, max(started_ns, ended_ns)),
        )

    parts: list[_Part] = []
    said: Facts
    if facts.begin_started_ns:
        said = {
            semconv.LLMGW_CONTEXT_CACHE: facts.cache if facts.etag else None,
            semconv.LLMGW_CONTEXT_REPLAYED: facts.replayed or None,
        }
        error = None if facts.etag else call.error
        parts.append(
            step(semconv.LLMGW_CONTEXT_BEGIN, facts.begin_started_ns, facts.begin_ended_ns, said, error)
        )
    if facts.fit_started_ns:
        said = {
            semconv.LLMGW_CONTEXT_FIT: facts.fit or None,
            semconv.LLMGW_CONTEXT_SUMMARY: facts.summary or None,
        }
        error = call.error if call.error in _FIT_ERRORS else None
        parts.append(step(semconv.LLMGW_CONTEXT_FIT, facts.fit_started_ns, facts.fit_ended_ns, said, error))
    if facts.commit_started_ns:
        error = call.error if call.error in _COMMIT_ERRORS else None
        parts.append(
            step(semconv.LLMGW_CONTEXT_COMMIT, facts.commit_started_ns, facts.commit_ended_ns, {}, error)
        )
    return parts


def _context(
    traced: Call | ContextOperation | GivenFeedback,
    span_id: int,
    *,
    state: TraceState | None = None,
    remote: bool = False,
) -> SpanContext:
    if state is None and traced.trace_state:
        state = TraceState.from_header([traced.trace_state])
    return SpanContext(traced.trace_id, span_id, is_remote=remote, trace_flags=_SAMPLED, trace_state=state)


def _in_trace(call: Call, trace_id: int) -> Call:
    """The call in a trace that leads to nothing else."""
    return replace(call, trace_id=trace_id, inner=[_in_trace(each, trace_id) for each in call.inner])


def _end(call: Call) -> int:
    """When the call ended, or the last thing known of one that never said."""
    if call.ended_ns is not None:
        return call.ended_ns
    return max((call.started_ns, *(attempt.ended_ns or attempt.started_ns for attempt in call.attempts)))


def _unix(traced: Call | ContextOperation, moment_ns: int) -> int:
    return traced.started_unix_ns + max(0, moment_ns - traced.started_ns)


def _is_red(call: Call, error: str | None) -> bool:
    """Whether the house failed, refused to go on with the context, or found that it is not what was stored."""
    lost = call.context is not None and call.context.checks.get("c1") == "fail"
    return call.failed or lost or error in REFUSED_BY_CONTEXT


def _status(error: str | None) -> Status:
    return _UNSET if error is None or error == ClientGone.code else _ERROR
