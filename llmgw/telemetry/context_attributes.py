"""What the spans of a call say of the stored conversation it continued, and whether that alone is worth a trace.

Words of a conversation are not among it: pointers name places, codes and rules are from short lists, messages and
details, which may quote what was said, stay here.
"""

from typing import Final, Literal, TypeAlias

from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util import BoundedList

from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import Facts, bounded
from llmgw.types.call import ContextFacts
from llmgw.types.context_errors import (
    ContextFenced,
    ContextNotPreserved,
    ContextQuarantined,
    ContextTooLong,
    ContextViolation,
    IntegrityFailed,
    MediaMissing,
    SchemaViolation,
)
from llmgw.types.loss import LossCode
from llmgw.types.preservation import PartLoss
from llmgw.types.text import cut
from llmgw.types.verification import Finding
from llmgw.types.violation import Violation, Weight

SizeClass: TypeAlias = Literal["short", "medium", "long", "extreme"]

SHORT: Final = 20
MEDIUM: Final = 200
LONG: Final = 2000
"""Most turns of a conversation of each size class; `extreme` has more."""

MAX_EVENTS: Final = 32
"""Events of one span; how many more there were is said in its `dropped_events_count`."""
_MAX_VIOLATIONS: Final = 16
_MAX_POINTER: Final = 256
_NO_EVENTS: Final[BoundedList[Event]] = BoundedList(MAX_EVENTS)

REFUSED_BY_CONTEXT: Final = frozenset(
    {
        ContextFenced.code,
        ContextNotPreserved.code,
        ContextQuarantined.code,
        ContextTooLong.code,
        ContextViolation.code,
        IntegrityFailed.code,
        MediaMissing.code,
        SchemaViolation.code,
    }
)
"""Errors that make a span red although the caller is told of a mistake: the context's rules or its integrity."""

_WORST_FIRST: Final[dict[Weight, int]] = {"fatal": 0, "major": 1, "minor": 2, "info": 3}
_TOLD_BY_SUMMARY: Final = frozenset({"summarise", "provider_native"})


def size_class(turns: int) -> SizeClass:
    """Put a number of turns in a word."""
    if turns <= SHORT:
        return "short"
    if turns <= MEDIUM:
        return "medium"
    return "long" if turns <= LONG else "extreme"


def is_telling(facts: ContextFacts) -> bool:
    """Whether a call is worth its trace for what became of its context, however well it went.

    A report that was never finished, as the caller left or the provider failed, lacks checks for that reason
    alone: `unverified` then says nothing.
    """
    if facts.conflict == "fenced" or "fail" in facts.checks.values():
        return True
    if facts.verdict == "unverified":
        return facts.final
    return facts.verdict not in {"", "preserved"}


def overhead_ns(facts: ContextFacts) -> tuple[int, int]:
    """Nanoseconds spent in `begin` and in `commit`."""
    begin = max(0, facts.begin_ended_ns - facts.begin_started_ns)
    return begin, max(0, facts.commit_ended_ns - facts.commit_started_ns)


def context_attributes(facts: ContextFacts) -> Facts:
    """Attributes of the request and of the logical call alike: a search finds both."""
    if facts.mode == "verify":
        return _of_history(facts)
    opened, reported = bool(facts.etag), bool(facts.verdict)
    turns = facts.turns or facts.turns_before
    attributes: dict[str, str | int | float | tuple[str, ...] | None] = {
        semconv.GEN_AI_CONVERSATION_ID: facts.id or None,
        semconv.GEN_AI_CONVERSATION_COMPACTED: _is_compacted(facts) or None,
        semconv.LLMGW_CONTEXT_BYTES: facts.bytes if opened and not facts.replayed else None,
        semconv.LLMGW_CONTEXT_CACHE: facts.cache if opened else None,
        semconv.LLMGW_CONTEXT_CONFLICT: facts.conflict,
        semconv.LLMGW_CONTEXT_ENFORCEMENT: facts.enforcement or None,
        semconv.LLMGW_CONTEXT_FIT: facts.fit or None,
        semconv.LLMGW_CONTEXT_FORKED_FROM: facts.forked_from,
        semconv.LLMGW_CONTEXT_FROM_PROVIDER: facts.switched_from,
        semconv.LLMGW_CONTEXT_HEAD: facts.etag.partition("-")[2] or None,
        semconv.LLMGW_CONTEXT_OVERHEAD_MS: round(sum(overhead_ns(facts)) / 1e6, 3),
        semconv.LLMGW_CONTEXT_PRESERVATION_LOSSES: _codes(facts.losses) or None,
        semconv.LLMGW_CONTEXT_PRESERVATION_SCORE: facts.score if reported else None,
        semconv.LLMGW_CONTEXT_PRESERVATION_VERDICT: facts.verdict or None,
        semconv.LLMGW_CONTEXT_PROVIDER_SWITCHED: facts.switched_from is not None if reported else None,
        semconv.LLMGW_CONTEXT_REPLAYED: facts.replayed,
        semconv.LLMGW_CONTEXT_RETRIED: facts.again,
        semconv.LLMGW_CONTEXT_REV: facts.rev if opened else None,
        semconv.LLMGW_CONTEXT_SIZE_CLASS: size_class(turns) if opened and not facts.replayed else None,
        semconv.LLMGW_CONTEXT_SUMMARY: facts.summary or None,
        semconv.LLMGW_CONTEXT_TOKENS_EST: facts.tokens if reported else None,
        semconv.LLMGW_CONTEXT_TURNS: turns if opened and not facts.replayed else None,
        semconv.LLMGW_CONTEXT_TURNS_SENT: facts.turns_sent if reported else None,
        semconv.LLMGW_CONTEXT_VIOLATIONS: len(facts.violations) if opened else None,
        semconv.LLMGW_CONTEXT_WINDOW_USED_RATIO: _used(facts),
    }
    for check, result in facts.checks.items():
        attributes[semconv.check_name(check)] = result
    return attributes


def context_events(facts: ContextFacts, started_unix_ns: int, ended_unix_ns: int) -> BoundedList[Event]:
    """Events of what was not told as it is stored, the worst first, and of the rules that do not hold.

    At most `MAX_EVENTS`. What the provider itself left out is told at its end.
    """
    if facts.mode == "verify":
        return _finding_events(facts, started_unix_ns)
    if not (facts.violations or facts.losses):
        return _NO_EVENTS
    violations = facts.violations[:_MAX_VIOLATIONS]
    losses = sorted(facts.losses, key=lambda loss: _WORST_FIRST[loss.severity])
    chosen = [
        *(_violation_event(each, started_unix_ns) for each in violations),
        *(
            _loss_event(each, ended_unix_ns if each.source == "upstream" else started_unix_ns)
            for each in losses[: MAX_EVENTS - len(violations)]
        ),
    ]
    events: BoundedList[Event] = BoundedList(MAX_EVENTS)
    events.extend(chosen)
    events.dropped = len(facts.violations) + len(facts.losses) - len(chosen)
    return events


def _of_history(facts: ContextFacts) -> Facts:
    """Attributes of a call whose caller keeps the conversation itself."""
    return {
        semconv.GEN_AI_CONVERSATION_ID: facts.id or None,
        semconv.GEN_AI_CONVERSATION_COMPACTED: any(map(_is_compaction, facts.findings)) or None,
        semconv.LLMGW_CONTEXT_MODE: facts.mode,
        semconv.LLMGW_CONTEXT_PRESERVATION_LOSSES: tuple(dict.fromkeys(each.code for each in facts.findings))
        or None,
        semconv.LLMGW_CONTEXT_PRESERVATION_SCORE: facts.score,
        semconv.LLMGW_CONTEXT_PRESERVATION_VERDICT: facts.verdict,
        semconv.LLMGW_CONTEXT_SIZE_CLASS: size_class(facts.turns) if facts.turns else None,
        semconv.LLMGW_CONTEXT_TURNS: facts.turns or None,
    }


def _is_compaction(finding: Finding) -> bool:
    return finding.detail == "history.compacted"


def _finding_events(facts: ContextFacts, at_unix_ns: int) -> BoundedList[Event]:
    events: BoundedList[Event] = BoundedList(MAX_EVENTS)
    chosen = sorted(facts.findings, key=lambda each: _WORST_FIRST[each.severity])[:MAX_EVENTS]
    events.extend([_finding_event(each, at_unix_ns) for each in chosen])
    events.dropped = len(facts.findings) - len(chosen)
    return events


def _finding_event(finding: Finding, at_unix_ns: int) -> Event:
    members = {
        semconv.CODE: finding.detail or f"history.{finding.code}",
        semconv.SEVERITY: finding.severity,
        semconv.POINTER: cut(finding.pointer or "", _MAX_POINTER),
        semconv.SOURCE: "caller",
    }
    return Event(semconv.LLMGW_CONTEXT_LOSS, bounded(members), at_unix_ns)


def _loss_event(loss: PartLoss, at_unix_ns: int) -> Event:
    members = {
        semconv.CODE: loss.code,
        semconv.SEVERITY: loss.severity,
        semconv.POINTER: cut(loss.pointer, _MAX_POINTER),
        semconv.SOURCE: loss.source,
    }
    return Event(semconv.LLMGW_CONTEXT_LOSS, bounded(members), at_unix_ns)


def _violation_event(violation: Violation, at_unix_ns: int) -> Event:
    members = {
        semconv.RULE: violation.rule,
        semconv.POINTER: cut(violation.pointer, _MAX_POINTER),
        semconv.LEVEL: violation.level,
    }
    return Event(semconv.LLMGW_CONTEXT_VIOLATION, bounded(members), at_unix_ns)


def _codes(losses: tuple[PartLoss, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(loss.code for loss in losses))


def _is_compacted(facts: ContextFacts) -> bool:
    return facts.fit in _TOLD_BY_SUMMARY or any(
        loss.code == LossCode.WINDOW_SUMMARISED.value for loss in facts.losses
    )


def _used(facts: ContextFacts) -> float | None:
    if not facts.window or not facts.verdict:
        return None
    return round(facts.tokens / facts.window, 4)
