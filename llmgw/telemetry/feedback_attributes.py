"""What the span of a judgement says: of which call, whose version and target, and what it came to.

Comments, and texts that are more than a word, are somebody's own words and stay out of it.
"""

from typing import Final

from msgspec import Struct
from opentelemetry.sdk.trace import Event

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import Facts, bounded
from llmgw.types.feedback import FeedbackEvent
from llmgw.types.links import SpanLink, SpanPlace, place_of

MAX_LABEL: Final = 64
"""Characters of a text that may be a label; what is longer is somebody's words."""


class GivenFeedback(Struct, frozen=True, kw_only=True):
    """A judgement and the trace in which it was given; times are unix nanoseconds."""

    event: FeedbackEvent
    trace_id: int
    span_id: int
    parent_span_id: int | None
    trace_state: str
    started_unix_ns: int
    ended_unix_ns: int

    @property
    def about(self) -> tuple[SpanLink, ...]:
        """The link to the call that was judged; none where its trace is not known."""
        place: SpanPlace | None = place_of(f"{self.event.trace_id}-{self.event.span_id}")
        return () if place is None else (SpanLink(place=place, call=self.event.call, reason="feedback"),)


def feedback_attributes(event: FeedbackEvent) -> Facts:
    """Attributes of the judgement, and of the call as it was known then."""
    return {
        semconv.ERROR_TYPE: event.error or None,
        semconv.GEN_AI_CONVERSATION_ID: event.context or None,
        semconv.GEN_AI_EVALUATION_NAME: event.name,
        semconv.LLMGW_ALIAS: event.alias or None,
        semconv.LLMGW_CALL_ID: event.call,
        semconv.LLMGW_CONTEXT_PRESERVATION_VERDICT: event.verdict or None,
        semconv.LLMGW_FEEDBACK_ID: event.id,
        semconv.LLMGW_FEEDBACK_SOURCE: event.source,
        semconv.LLMGW_KEY_ID: event.key_id,
        semconv.LLMGW_PROMPT: event.prompt or None,
        semconv.LLMGW_PROMPT_ARM: event.prompt_arm or None,
        semconv.LLMGW_PROMPT_LABEL: event.prompt_label or None,
        semconv.LLMGW_TAGS: event.tags or None,
        semconv.LLMGW_TARGET: event.target or None,
        semconv.LLMGW_TENANT: event.tenant,
    }


def feedback_events(event: FeedbackEvent) -> tuple[Event, ...]:
    """The conventions' event of a judgement."""
    is_word = len(event.label) <= MAX_LABEL and event.label.isprintable()
    members: Facts = {
        semconv.GEN_AI_EVALUATION_NAME: event.name,
        semconv.GEN_AI_EVALUATION_SCORE_LABEL: event.label if event.label and is_word else None,
        semconv.GEN_AI_EVALUATION_SCORE_VALUE: event.score,
    }
    return (Event(semconv.GEN_AI_EVALUATION_RESULT, bounded(members), event.ended_us * 1000),)
