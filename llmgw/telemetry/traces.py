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
from functools import partial
from typing import Final

from msgspec.structs import replace
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import TraceState

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import MAX_NAME_BYTES, Facts
from llmgw.telemetry.call_attributes import (
    admission_attributes,
    attempt_attributes,
    chat_attributes,
    operation_of,
    prompt_attributes,
    server_attributes,
)
from llmgw.telemetry.content_attributes import content_attributes, has_words
from llmgw.telemetry.context_attributes import REFUSED_BY_CONTEXT, context_attributes, context_events
from llmgw.telemetry.feedback_attributes import GivenFeedback, feedback_attributes, feedback_events
from llmgw.telemetry.links import span_links
from llmgw.telemetry.otlp import Envelope, said
from llmgw.telemetry.process import resource_of, scope_of
from llmgw.telemetry.span import CLIENT, INTERNAL, SERVER, Said, Span
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
from llmgw.types.links import SpanPlace
from llmgw.types.operation import ContextOperation
from llmgw.types.prompt import PromptFacts
from llmgw.types.prompt_errors import InputViolation, TemplateError, TemplateTooComplex
from llmgw.types.text import cut

_FIT_ERRORS: Final = frozenset({ContextNotPreserved.code, ContextTooLong.code, MediaMissing.code})
_RENDER_ERRORS: Final = frozenset({InputViolation.code, TemplateError.code, TemplateTooComplex.code})
_COMMIT_ERRORS: Final = frozenset(
    {ContextErased.code, ContextExpired.code, ContextFenced.code, ContextTooLarge.code, StoreUnavailable.code}
)


class TraceBuilder:
    """Writes finished calls down as spans.

    No tracer makes them: ids, times and the decision to keep them exist already, and a tracer takes ten times as
    long to arrive at the same values, and 30 µs for a call nobody keeps.
    """

    def __init__(self, version: str, resource: Mapping[str, str]) -> None:
        self.envelope: Final = Envelope(resource_of(version, resource), scope_of(version))

    def trace(self, call: Call) -> list[Span]:
        """Return the call's spans, those of calls made for it included, children first."""
        if not call.trace_id:
            call = _in_trace(call, new_trace_id())
        context = SpanPlace(call.trace_id, call.span_id)
        state = _state(call.trace_state)
        end = _end(call)
        told = [said(server_attributes(call))]
        spans: list[Span] = []
        for inner in call.inner:
            if inner.attempts:
                more = said({semconv.LLMGW_CALL_ID: inner.id or None})
                spans += _chat(inner, context, state, _end(inner), (more,))
        if call.prompt is not None:
            prompt = said(prompt_attributes(call.prompt))
            told.append(prompt)
            spans.append(_resolve(call, call.prompt, prompt, context, state))
        if call.admission is not None:
            admission = said(admission_attributes(call.admission))
            told.append(admission)
            spans.append(_admit(call, call.admission, admission, context, state))
        stored: tuple[Said, ...] = ()
        if call.context is not None:
            stored = (said(context_attributes(call.context)),)
            told += stored
            spans += _steps(call, call.context, context, state)
        events: Sequence[Event] = ()
        if call.attempts:
            spans += _chat(call, context, state, end, stored)
        elif call.context is not None:
            events = context_events(call.context, call.started_unix_ns, _unix(call, end))
        spans.append(
            Span(
                name=cut(f"POST {call.endpoint}", MAX_NAME_BYTES),
                context=context,
                parent=_parent(call),
                remote=bool(call.parent_span_id),
                kind=SERVER,
                said=tuple(told),
                red=_is_red(call, call.error),
                start_time=call.started_unix_ns,
                end_time=_unix(call, end),
                state=state,
                events=events,
            )
        )
        return spans

    def operation(self, operation: ContextOperation) -> list[Span]:
        """Return the one span of an operation."""
        if not operation.trace_id:
            operation = replace(operation, trace_id=new_trace_id())
        end = max(operation.started_ns, operation.ended_ns or operation.started_ns)
        # What a call's own spans said of its turn was said before that was read back.
        lost = operation.name == "read_back" and operation.broken
        facts: Facts = {
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
        }
        return [
            Span(
                name=cut(f"llmgw.context.{operation.name}", MAX_NAME_BYTES),
                context=SpanPlace(operation.trace_id, operation.span_id),
                parent=_parent(operation),
                remote=bool(operation.parent_span_id),
                kind=INTERNAL,
                said=(said(facts),),
                red=operation.failed or operation.broken or operation.error in REFUSED_BY_CONTEXT,
                start_time=operation.started_unix_ns,
                end_time=_unix(operation, end),
                state=_state(operation.trace_state),
                links=span_links(operation.links),
            )
        ]

    def feedback(self, given: GivenFeedback) -> list[Span]:
        """Return the one span of a judgement, which links to the call it is about."""
        return [
            Span(
                name=semconv.LLMGW_FEEDBACK,
                context=SpanPlace(given.trace_id, given.span_id),
                parent=_parent(given),
                remote=bool(given.parent_span_id),
                kind=INTERNAL,
                said=(said(feedback_attributes(given.event)),),
                red=False,
                start_time=given.started_unix_ns,
                end_time=max(given.started_unix_ns, given.ended_unix_ns),
                state=_state(given.trace_state),
                events=feedback_events(given.event),
                links=span_links(given.about),
            )
        ]


def _chat(call: Call, parent: SpanPlace, state: str, end: int, more: tuple[Said, ...]) -> list[Span]:
    """The logical call and its attempts; `more` is said of it besides."""
    context = SpanPlace(parent.trace_id, call.chat_span_id)
    last = call.attempts[-1]
    start = _unix(call, call.attempts[0].started_ns)
    ended = _unix(call, end if last.ended_ns is None else last.ended_ns)
    spans = [
        Span(
            name=cut(f"attempt {attempt.provider}", MAX_NAME_BYTES),
            context=SpanPlace(parent.trace_id, attempt.span_id),
            parent=context,
            kind=CLIENT,
            said=(said(attempt_attributes(attempt, index, call.attempts[:index])),),
            red=_is_failure(attempt.error),
            start_time=_unix(call, attempt.started_ns),
            end_time=_unix(call, end if attempt.ended_ns is None else attempt.ended_ns),
            state=state,
        )
        for index, attempt in enumerate(call.attempts)
    ]
    spans.append(
        Span(
            name=cut(f"{operation_of(call)} {last.model}", MAX_NAME_BYTES),
            context=context,
            parent=parent,
            kind=CLIENT,
            said=(said(chat_attributes(call, last)), *more),
            words=partial(content_attributes, call) if has_words(call) else None,
            red=_is_failure(last.error),
            start_time=start,
            end_time=ended,
            state=state,
            events=() if call.context is None else context_events(call.context, start, ended),
        )
    )
    return spans


def _admit(call: Call, facts: AdmissionFacts, told: Said, parent: SpanPlace, state: str) -> Span:
    """The step in which the store was asked for room."""
    return Span(
        name=semconv.LLMGW_ADMISSION_ADMIT,
        context=SpanPlace(parent.trace_id, new_span_id()),
        parent=parent,
        kind=INTERNAL,
        said=_with_error(told, call.error if facts.limit else None),
        red=False,
        start_time=_unix(call, facts.started_ns),
        end_time=_unix(call, max(facts.started_ns, facts.ended_ns)),
        state=state,
    )


def _resolve(call: Call, facts: PromptFacts, told: Said, parent: SpanPlace, state: str) -> Span:
    """The step in which the prompt version was found and rendered."""
    return Span(
        name=semconv.LLMGW_PROMPT_RESOLVE,
        context=SpanPlace(parent.trace_id, new_span_id()),
        parent=parent,
        kind=INTERNAL,
        said=_with_error(told, call.error if call.error in _RENDER_ERRORS else None),
        red=False,
        start_time=_unix(call, facts.started_ns),
        end_time=_unix(call, max(facts.started_ns, facts.ended_ns)),
        state=state,
    )


def _with_error(told: Said, error: str | None) -> tuple[Said, ...]:
    return (told,) if error is None else (told, said({semconv.ERROR_TYPE: error}))


def _steps(call: Call, facts: ContextFacts, parent: SpanPlace, state: str) -> list[Span]:
    """The steps of a call with a context, as far as it came."""

    def step(name: str, started_ns: int, ended_ns: int, more: Facts, error: str | None) -> Span:
        about: Facts = {semconv.GEN_AI_CONVERSATION_ID: facts.id or None, semconv.ERROR_TYPE: error, **more}
        return Span(
            name=name,
            context=SpanPlace(parent.trace_id, new_span_id()),
            parent=parent,
            kind=INTERNAL,
            said=(said(about),),
            red=error is not None and _is_red(call, error),
            start_time=_unix(call, started_ns),
            end_time=_unix(call, max(started_ns, ended_ns)),
            state=state,
        )

    spans: list[Span] = []
    more: Facts
    if facts.begin_started_ns:
        more = {
            semconv.LLMGW_CONTEXT_CACHE: facts.cache if facts.etag else None,
            semconv.LLMGW_CONTEXT_REPLAYED: facts.replayed or None,
        }
        error = None if facts.etag else call.error
        spans.append(
            step(semconv.LLMGW_CONTEXT_BEGIN, facts.begin_started_ns, facts.begin_ended_ns, more, error)
        )
    if facts.fit_started_ns:
        more = {
            semconv.LLMGW_CONTEXT_FIT: facts.fit or None,
            semconv.LLMGW_CONTEXT_SUMMARY: facts.summary or None,
        }
        error = call.error if call.error in _FIT_ERRORS else None
        spans.append(step(semconv.LLMGW_CONTEXT_FIT, facts.fit_started_ns, facts.fit_ended_ns, more, error))
    if facts.commit_started_ns:
        error = call.error if call.error in _COMMIT_ERRORS else None
        spans.append(
            step(semconv.LLMGW_CONTEXT_COMMIT, facts.commit_started_ns, facts.commit_ended_ns, {}, error)
        )
    return spans


def _parent(traced: Call | ContextOperation | GivenFeedback) -> SpanPlace | None:
    """Where the caller's span stands, who said so in a header."""
    return SpanPlace(traced.trace_id, traced.parent_span_id) if traced.parent_span_id else None


def _state(state: str) -> str:
    """A `tracestate` as far as it is one: a secret that was taken from it may have left none."""
    return TraceState.from_header([state]).to_header() if state else ""


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


def _is_failure(error: str | None) -> bool:
    return error is not None and error != ClientGone.code
