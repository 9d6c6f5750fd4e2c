"""What `llmgw contexts` prints for people: what was said is text, never markup or control characters."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import json
from llmgw.context.erasure import Receipt
from llmgw.context.library import Verified
from llmgw.types.context import ContextInfo
from llmgw.types.message import (
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llmgw.types.preservation import Check, PartLoss, Report, ReportRecord
from llmgw.types.text import printable
from llmgw.types.turn import Turn

__all__ = ["Turn", "explanation", "json", "page", "receipt", "table", "verdict"]

_WIDTH: Final = 300
"""Characters of one part that are printed."""

CHECKS: Final[dict[Check, str]] = {
    "c1": "continues what was seen before",
    "c2": "only adds to what this provider was told last",
    "c3": "each tool call has one result",
    "c4": "sealed parts went out byte for byte, and only to who made them",
    "c5": "turns, state and metadata fit their schemas",
    "c6": "the provider counted about as many tokens as it was sent",
    "c7": "content that is kept elsewhere could be had",
    "c8": "what was stored was read again and is the same",
}
"""What each check proves, in words."""

_VERDICTS: Final = {
    "preserved": ("green", "all of the context was told, as it was said"),
    "degraded": ("yellow", "some was told otherwise, or left out as the policy chose"),
    "lost": ("red", "something was not told that should have been"),
    "unverified": ("yellow", "nothing is known to be wrong, and a check is missing"),
}
_RESULTS: Final = {"pass": "green", "fail": "red", "skip": "dim"}


def table(found: Sequence[ContextInfo]) -> Table:
    """A line for each context."""
    drawn = Table("ID", "Rev", "Turns", "Bytes", "Subject", "Status", "Updated", "Expires")
    # Half an id is of no use.
    drawn.columns[0].overflow = "fold"
    for each in found:
        drawn.add_row(
            each.id,
            str(each.rev),
            str(each.turns),
            str(each.bytes),
            Text(_safe(each.subject or "")),
            each.status,
            _minute(each.updated_at),
            _minute(each.expires_at) if each.expires_at else "never",
        )
    return drawn


def page(info: ContextInfo, turns: Sequence[Turn]) -> RenderableType:
    """A context, and what was said in it."""
    facts = Table.grid(padding=(0, 2))
    rows = {
        "context": info.id,
        "revision": f"{info.rev}, head {info.head[:16]}",
        "turns": f"{info.turns}, {info.bytes} bytes{', encrypted' if info.encrypted else ''}",
        "status": info.status,
        "created": _minute(info.created_at),
        "updated": _minute(info.updated_at),
        "expires": _minute(info.expires_at) if info.expires_at else "never",
        "subject": _safe(info.subject or ""),
        "fork of": f"{info.parent.id}, before turn {info.parent.at_seq}" if info.parent else "",
        "taken over from": info.imported_from or "",
    }
    for name, value in rows.items():
        if value:
            facts.add_row(Text(name, style="dim"), Text(value))
    return Group(facts, *(_told(turn) for turn in turns))


def explanation(record: ReportRecord) -> RenderableType:
    """A report in words."""
    report = record.report
    colour, meaning = _VERDICTS[report.verdict]
    counts = report.counts
    lines = [
        Text.assemble(
            (report.verdict, f"bold {colour}"), f", score {report.score:.2f}: {meaning}", style="default"
        ),
        Text(
            f"call {_safe(record.call)} at {_minute(record.at)} made revision {report.rev} of {report.context}, "
            f"told to {_safe(report.target.provider)}/{_safe(report.target.model)}"
        ),
        Text(
            f"{counts.turns_sent} of {counts.turns} turns were told; "
            f"of {counts.parts} parts {counts.carried} as they are, {counts.transformed} otherwise, "
            f"{counts.truncated} in part, {counts.dropped} not"
        ),
    ]
    if report.tokens is not None:
        lines.append(Text(_tokens(report)))
    if report.input_digest is not None:
        lines.append(Text(f"the request that was sent: {report.input_digest}", style="dim"))
    return Group(*lines, _checks(report), *_losses(report), *_violations(report))


def verdict(proven: Verified) -> str:
    """One line on whether a context is what was stored."""
    if proven.ok:
        redacted = f", {proven.redacted} redacted" if proven.redacted else ""
        return f"{proven.id}: ok, {proven.turns} turns{redacted}, head {proven.head[:16]}"
    where = "" if proven.bad_turn is None else f" at turn {proven.bad_turn}"
    return f"{proven.id}: BROKEN{where}: {_safe(proven.reason or '')}"


def receipt(erased: Receipt) -> str:
    """One line on what was erased."""
    forks = "".join(f", fork {name} {fate}" for name, fate in erased.forks.items())
    return (
        f"{erased.id}: erased at {erased.erased_at}: revision {erased.rev}, {erased.turns} turns, "
        f"{erased.bytes} bytes, {erased.blobs} blobs, {erased.reports} reports, head {erased.head[:16]}{forks}"
    )


def _tokens(report: Report) -> str:
    tokens = report.tokens
    if tokens is None:
        return ""
    counted = "counted" if tokens.exact else "estimated"
    reported = "" if tokens.reported is None else f"; the provider counted {tokens.reported}"
    window = "" if tokens.window is None else f"; its window takes {tokens.window}"
    return f"{tokens.estimated} tokens {counted}{reported}{window}"


def _checks(report: Report) -> Table:
    drawn = Table.grid(padding=(0, 2))
    for name, words in CHECKS.items():
        result = report.checks.get(name, "skip")
        drawn.add_row(Text(name, style="dim"), Text(result, style=_RESULTS[result]), Text(words))
    return drawn


def _losses(report: Report) -> list[Text]:
    return [
        Text.assemble((each.severity, _colour(each)), f" {each.code} at {_reach(each)} ({each.source})")
        for each in report.losses
    ]


def _violations(report: Report) -> list[Text]:
    return [
        Text(
            f"rule {each.rule} ({each.level}) at {_safe(each.pointer) or '/'}: {_safe(each.message)}"
            f"{f'; {_safe(each.repaired)}' if each.repaired else ''}"
        )
        for each in report.violations
    ]


def _reach(loss: PartLoss) -> str:
    detail = f": {_safe(loss.detail)}" if loss.detail else ""
    through = "" if loss.through is None else f" to /turns/{loss.through}"
    return f"{_safe(loss.pointer)}{through}{detail}"


def _colour(loss: PartLoss) -> str:
    return {"info": "dim", "minor": "yellow"}.get(loss.severity, "red")


def _told(turn: Turn) -> Text:
    status = "" if turn.status == "complete" else f" [{turn.status}]"
    by = f" {turn.produced_by.provider}/{turn.produced_by.model}" if turn.produced_by is not None else ""
    head = (f"{turn.seq:>5} {turn.role}{_safe(by)}{status}", "bold")
    return Text.assemble(head, *(f"\n      {_said(part)}" for part in turn.parts))


def _said(part: Part) -> str:
    match part:
        case TextPart(text=text):
            return _safe(text)
        case RefusalPart(text=text):
            return f"refuses: {_safe(text)}"
        case ReasoningPart(text=text):
            return f"thinks: {_safe(text)}" if text else "thinks, sealed"
        case ToolCallPart(name=name, arguments=arguments):
            return f"calls {_safe(name)} {_safe(arguments)}"
        case ToolResultPart(content=content):
            said = " ".join(map(_said, content))
            return f"{'failed' if part.is_error else 'result'}: {said}"
        case MediaPart(kind=kind, media_type=media_type):
            return f"[{kind}{f', {_safe(media_type)}' if media_type else ''}]"
        case OpaquePart(protocol=protocol, kind=kind):
            return f"[{_safe(kind)} of {_safe(protocol)}]"


def _safe(text: str) -> str:
    return printable(text, _WIDTH)


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"
