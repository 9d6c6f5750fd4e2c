"""Links of spans to spans of other traces."""

from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, TraceFlags

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import bounded
from llmgw.types.links import SpanLink

MAX_LINKS: Final = 32
"""Links of one span; how many more there were is said in its `dropped_links_count`."""

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


def span_links(links: Sequence[SpanLink]) -> BoundedList[Link]:
    """Write links down, the latest `MAX_LINKS` of them."""
    chosen: BoundedList[Link] = BoundedList(MAX_LINKS)
    chosen.extend([_link(each) for each in links[-MAX_LINKS:]])
    chosen.dropped = max(0, len(links) - MAX_LINKS)
    return chosen


def _link(link: SpanLink) -> Link:
    place = SpanContext(link.place.trace_id, link.place.span_id, is_remote=True, trace_flags=_SAMPLED)
    return Link(place, bounded({semconv.LLMGW_CALL_ID: link.call, semconv.LLMGW_LINK: link.reason}))
