"""What `llmgw prompts` prints for people; words that came from elsewhere are text, never markup or controls."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from llmgw.cli.printing import minute, safe, safe_block
from llmgw.cli.prompts.answers import (
    Caller,
    Case,
    Counts,
    Difference,
    Gate,
    History,
    Listed,
    Message,
    Progress,
    Remark,
    Rendering,
)
from llmgw.cli.prompts.refs import percent
from llmgw.types.json import Json, encode
from llmgw.types.prompt import Label, PromptInfo, Rollout, VersionInfo

VERSIONS: Final = 20
"""The last versions of a prompt that are shown."""
CASES: Final = 20
"""Cases of an evaluation that failed and are shown."""
_HASH: Final = 19
"""Characters of a content's hash that are shown: its kind and twelve digits."""
_GOOD: Final = "green"
_BAD: Final = "red"
_VERDICTS: Final = {"pass": _GOOD, "fail": _BAD, "insufficient_data": "yellow"}
_WEIGHTS: Final = {"fatal": _BAD, "major": _BAD, "error": _BAD, "minor": "yellow", "warning": "yellow"}


def listing(found: Sequence[Listed]) -> Table:
    """A line for each prompt."""
    drawn = Table("Prompt", "Newest", "Labels", "Updated")
    drawn.columns[0].overflow = "fold"
    for each in found:
        labels = ", ".join(_leads(name, label) for name, label in sorted(each.labels.items()))
        drawn.add_row(safe(each.name), str(each.newest), Text(safe(labels)), minute(each.updated_ms))
    return drawn


def prompt(found: PromptInfo) -> RenderableType:
    """A prompt, where its labels lead, and its last versions."""
    facts = _facts({
        "prompt": found.name,
        "versions": f"{len(found.versions)}, the newest is {found.newest or 'none'}",
        "latest": "none is published yet" if found.latest is None else str(found.latest),
    })  # fmt: skip
    labels = Table.grid(padding=(0, 2))
    for name, label in sorted(found.labels.items()):
        labels.add_row(
            Text(safe(name), style="bold"),
            Text(_leads("", label).strip()),
            Text(f"since {minute(label.moved_ms)}, by {safe(label.moved_by)}", style="dim"),
        )
    last = sorted(found.versions.values(), key=lambda each: -each.number)
    rest = [Text(f"and {len(last) - VERSIONS} earlier ones", style="dim")] if len(last) > VERSIONS else []
    return Group(facts, *([labels] if found.labels else []), _versions(last[:VERSIONS]), *rest)


def version(name: str, found: VersionInfo, file: str) -> RenderableType:
    """One version, and its file."""
    source = found.source
    facts = _facts({
        "version": f"{name}@{found.number}, {found.state}",
        "content": found.hash,
        "pushed": f"{minute(found.created_ms)} by {found.author}",
        "message": found.message,
        "from": " ".join(each for each in (source.repo, source.commit, source.path) if each),
        "evaluated": "" if found.gate is None else _gate_line(found),
        "sunset": minute(found.sunset_ms),
        "successor": found.successor or "",
    })  # fmt: skip
    return Group(facts, Text(), *(Text(line) for line in safe_block(file)))


def difference(found: Difference) -> RenderableType:
    """Two versions, line by line, and what callers would notice."""
    return Group(
        coloured(found.text),
        *([Text(f"changed: {safe(', '.join(found.changed))}", style="dim")] if found.changed else []),
        *(Text.assemble(("breaks callers", _BAD), f" {_remark(each)}") for each in found.breaking),
    )


def coloured(diff: str) -> Text:
    """A unified diff; empty where there is no difference."""
    colours = {"+": _GOOD, "-": _BAD, "@": "cyan"}
    lines = [Text(line, style=colours.get(line[:1], "")) for line in safe_block(diff.rstrip("\n"), 2000)]
    return Text("\n").join(lines)


def remarks(place: str, found: Iterable[Remark]) -> list[Text]:
    """What a lint found, a line for each: `FILE:LINE: error: …`."""
    lines = []
    for each in found:
        at = f"{place}:{each.line}" if each.line is not None else place
        word = "warning" if is_warning(each) else "error"
        lines.append(Text.assemble(f"{safe(at)}: ", (word, _WEIGHTS[word]), f": {_remark(each)}"))
    return lines


def is_warning(found: Remark) -> bool:
    """Whether a version may be pushed all the same."""
    return found.severity in {"info", "minor", "warning"}


def rendering(found: Rendering) -> RenderableType:
    """Messages as a model would be told them."""
    parts: list[RenderableType] = []
    for index, message in enumerate(found.messages):
        if found.history == index:
            parts.append(_HISTORY)
        parts.append(_told(message))
    if found.history is not None and found.history >= len(found.messages):
        parts.append(_HISTORY)
    return Group(*parts)


def gate(told: str, found: Gate, *, every: bool = False) -> RenderableType:
    """An evaluation: the verdict and why, the comparison, the cases that failed; `every` shows the others, too."""
    verdict = Text.assemble(
        (safe(found.verdict).replace("_", " "), f"bold {_VERDICTS.get(found.verdict, 'yellow')}"),
        f"  {safe(told)}: {found.passed} of {found.cases} cases passed",
        f" with {safe(found.model)}" if found.model else "",
    )
    listed = found.results if every else [each for each in found.results if not each.ok]
    shown = sorted(listed, key=lambda each: each.ok)[: None if every else CASES]
    cases = Table.grid(padding=(0, 2))
    for each in shown:
        mark = ("✓", _GOOD) if each.ok else ("✗", _BAD)
        cases.add_row(Text.assemble(mark), Text(safe(each.name)), Text(_failures(each)))
    left = len(listed) - len(shown)
    return Group(
        verdict,
        *(Text(f"  {safe(each)}") for each in found.reasons),
        *_compared(found),
        *([cases] if shown else []),
        *([Text(f"and {left} more that failed", style="dim")] if left > 0 else []),
    )


def progress(label: str, stable: int | None, found: Progress) -> RenderableType:
    """A rollout, and what the calls of its two arms came to."""
    rollout = found.rollout
    if rollout is None:
        return Text(f"no rollout of {label}")
    head = Text(
        f"{label}: {percent(rollout.weight)} of calls get version {rollout.candidate}"
        f"{'' if stable is None else f', the others {stable}'}; {rollout.state}{_step(rollout)}, "
        f"by {rollout.sticky_by}"
    )
    drawn = Table("Arm", "Calls", "Failed", "Bad outputs", "Tokens in", "Tokens out", "Mean ms")
    for arm, counts in (("stable", found.arms.stable), ("candidate", found.arms.candidate)):
        drawn.add_row(arm, *_numbers(counts))
    return Group(head, drawn)


def history(found: History) -> RenderableType:
    """What was done, the newest first, and whether the record is whole."""
    drawn = Table.grid(padding=(0, 2))
    for event in found.events:
        drawn.add_row(
            Text(minute(event.at_ms), style="dim"),
            Text(safe(event.who), style="dim"),
            Text(safe(event.op), style="bold"),
            Text(safe(event.subject)),
            Text(safe(" → ".join(map(_short, filter(None, (event.before, event.after)))))),
            Text(safe(", ".join(each for each in (event.reason, event.detail) if each))),
        )
    broken = Text(
        f"the record was changed behind the gateway's back: {safe(found.problem)}", style=f"bold {_BAD}"
    )
    return Group(drawn, *([] if found.intact else [broken]))


def callers(found: Sequence[Caller]) -> Table:
    """Who calls which version."""
    drawn = Table("Version", "Key", "Name", "Calls", "Last seen")
    for each in found:
        drawn.add_row(
            str(each.version),
            Text(safe(each.key_id)),
            Text(safe(each.key_name)),
            str(each.calls),
            minute(each.last_seen_ms),
        )
    return drawn


_HISTORY: Final = Text("(the conversation)", style="dim")


def _short(text: str) -> str:
    """A hash by its first digits; other text as it is."""
    return f"{text[:_HASH]}…" if text.startswith("sha256:") else text


def _facts(rows: dict[str, str]) -> Table:
    drawn = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        if value:
            drawn.add_row(Text(name, style="dim"), Text(safe(value)))
    return drawn


def _leads(name: str, label: Label) -> str:
    to = f"{name} → {label.version or 'nowhere'}"
    if label.rollout is not None:
        to += f" ({percent(label.rollout.weight)} → {label.rollout.candidate})"
    if label.pending is not None:
        to += f" (waits for approval: {label.pending.version})"
    return to


def _versions(found: Sequence[VersionInfo]) -> Table:
    drawn = Table("Version", "State", "Pushed", "By", "Evaluated", "Message")
    for each in found:
        drawn.add_row(
            str(each.number),
            each.state,
            minute(each.created_ms),
            Text(safe(each.author)),
            Text(_gate_line(each)),
            Text(safe(each.message, 80)),
        )
    return drawn


def _gate_line(found: VersionInfo) -> str:
    gate = found.gate
    return "" if gate is None else f"{gate.verdict.replace('_', ' ')}, {gate.passed} of {gate.cases}"


def _step(rollout: Rollout) -> str:
    """Which of its steps a rollout is at; nothing where its share is none of them."""
    at = rollout.step
    if at >= len(rollout.steps) or rollout.steps[at] != rollout.weight:
        return ""
    return f", step {at + 1} of {len(rollout.steps)} ({', '.join(map(percent, rollout.steps))})"


def _remark(found: Remark) -> str:
    where = f" at {found.pointer}" if found.pointer else ""
    rule = f" ({found.rule})" if found.rule else ""
    return safe(f"{found.message}{where}{rule}", 1000)


def _told(message: Message) -> Text:
    return Text.assemble(
        (f"{safe(message.role)}:", "bold"), *(f"\n{line}" for line in safe_block(message.content))
    )


def _failures(case: Case) -> str:
    return safe("; ".join(each if isinstance(each, str) else _words(each) for each in case.failures))


def _words(failure: Json) -> str:
    said = failure.get("message") if isinstance(failure, dict) else None
    return said if isinstance(said, str) else encode(failure).decode()


def _compared(found: Gate) -> list[Text]:
    compared = found.comparison
    if compared is None:
        return []
    chance = "" if compared.p_value is None else f" (p = {compared.p_value:.3f})"
    return [
        Text(
            f"  beside {safe(compared.against)}: {compared.wins} better, {compared.losses} worse, "
            f"{compared.ties} alike{chance}"
        )
    ]


def _numbers(counts: Counts) -> list[str]:
    mean = "" if counts.mean_ms is None else f"{counts.mean_ms:.0f}"
    return [
        *map(
            str,
            (counts.calls, counts.failed, counts.invalid_outputs, counts.input_tokens, counts.output_tokens),
        ),
        mean,
    ]
