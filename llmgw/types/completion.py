"""A full answer, and how events fold into one."""

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
    Vector,
    Vectors,
)
from llmgw.types.json import Json
from llmgw.types.message import (
    Details,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)


class Choice(Struct, frozen=True, kw_only=True):
    """One of `n` answers; `reason` None means it never ended."""

    index: int
    message: Message
    reason: FinishReason | None = None
    native_reason: str | None = None
    logprobs: Json = None
    provider_details: Details = {}


class Completion(Struct, frozen=True, kw_only=True):
    """A settled answer of a chat or embedding call.

    `raw` is the provider's body as it came, for answers that were not streamed.
    """

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...] = ()
    vectors: tuple[Vector, ...] = ()
    usage: Usage | None = None
    provider_details: Details = {}
    raw: bytes = b""


def fold(events: Iterable[StreamEvent], raw: bytes = b"") -> Completion:
    """Build the completion that a sequence of events describes.

    Unknown members of deltas merge as pieces of a whole: text is joined, lists are joined, objects merge member
    by member, anything else is replaced by the later value. Those of choices merge likewise, but there text is
    replaced too: a choice says how things stand. Those of chunks are replaced.

    Raises:
        ValueError: when there is no `Start`.
    """
    folding = _Folding()
    for event in events:
        folding.add(event)
    return folding.completion(raw)


class _ChoiceFolding:
    """One choice while its pieces come in."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.runs: list[list[str] | int] = []
        self.run_kinds: list[str] = []
        self.calls: dict[int, _CallFolding] = {}
        self.end: ChoiceEnd | None = None
        self.logprobs: Json = None
        self.choice_details: Details = {}
        self.message_details: Details = {}

    def text(self, kind: str, piece: str) -> None:
        if self.run_kinds and self.run_kinds[-1] == kind:
            run = self.runs[-1]
            if isinstance(run, list):
                run.append(piece)
        else:
            self.run_kinds.append(kind)
            self.runs.append([piece])

    def call(self, delta: ToolCallDelta) -> None:
        call = self.calls.get(delta.index)
        if call is None:
            call = self.calls[delta.index] = _CallFolding()
            self.run_kinds.append("tool_call")
            self.runs.append(delta.index)
        call.add(delta)

    def note(self, extra: Extra | None, logprobs: Json = None) -> None:
        if extra is not None:
            merge(self.choice_details, extra.choice, join_text=False)
            merge(self.message_details, extra.delta)
        if logprobs is not None:
            if self.logprobs is None:
                self.logprobs = {}
            merge(self.logprobs, logprobs)

    def parts(self) -> tuple[Part, ...]:
        return tuple(self._part(kind, run) for kind, run in zip(self.run_kinds, self.runs, strict=True))

    def _part(self, kind: str, run: list[str] | int) -> Part:
        if isinstance(run, int):
            return self.calls[run].part()
        text = "".join(run)
        if kind == "text":
            return TextPart(text=text)
        if kind == "refusal":
            return RefusalPart(text=text)
        return ReasoningPart(text=text, member=kind.removeprefix("reasoning:"))

    def choice(self) -> Choice:
        return Choice(
            index=self.index,
            message=Message(role="assistant", parts=self.parts(), provider_details=self.message_details),
            reason=self.end.reason if self.end else None,
            native_reason=self.end.native_reason if self.end else None,
            logprobs=self.logprobs,
            provider_details=self.choice_details,
        )


class _CallFolding:
    """One tool call while its pieces come in."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.custom = False
        self.arguments: list[str] = []
        self.details: Details = {}

    def add(self, delta: ToolCallDelta) -> None:
        self.id = delta.id or self.id
        self.name = delta.name or self.name
        self.custom = self.custom or delta.kind == "custom"
        self.arguments.append(delta.arguments)
        merge(self.details, delta.call_details)

    def part(self) -> ToolCallPart:
        return ToolCallPart(
            id=self.id,
            name=self.name,
            arguments="".join(self.arguments),
            kind="custom" if self.custom else "function",
            provider_details=self.details,
        )


class _Folding:
    """A completion while its events come in."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.choices: dict[int, _ChoiceFolding] = {}
        self.vectors: tuple[Vector, ...] = ()
        self.usage: Usage | None = None
        self.details: Details = {}

    def add(self, event: StreamEvent) -> None:
        match event:
            case TextDelta():
                self._choice(event.choice, event.extra, event.logprobs).text("text", event.text)
            case RefusalDelta():
                self._choice(event.choice, event.extra, event.logprobs).text("refusal", event.text)
            case ReasoningDelta():
                self._choice(event.choice, event.extra).text(f"reasoning:{event.member}", event.text)
            case ToolCallDelta():
                self._choice(event.choice, event.extra).call(event)
            case ChoiceEnd():
                self._choice(event.choice, event.extra, event.logprobs).end = event
            case Detail():
                self._choice(event.choice, event.extra, event.logprobs)
            case Start():
                self.start = self.start or event
                self._chunk(event.extra)
            case UsageReport():
                self.usage = event.usage
                self._chunk(event.extra)
            case Vectors():
                self.vectors = event.items
            case Finish():
                self.usage = event.usage or self.usage
            case _:
                assert_never(event)

    def _choice(self, index: int, extra: Extra | None, logprobs: Json = None) -> _ChoiceFolding:
        choice = self.choices.get(index)
        if choice is None:
            choice = self.choices[index] = _ChoiceFolding(index)
        if extra is not None or logprobs is not None:
            choice.note(extra, logprobs)
            self._chunk(extra)
        return choice

    def _chunk(self, extra: Extra | None) -> None:
        # Each chunk repeats these whole (fingerprint, tier), so the last one counts.
        if extra is not None:
            self.details.update(extra.chunk)

    def completion(self, raw: bytes) -> Completion:
        if self.start is None:
            raise ValueError("an answer needs a Start event")
        return Completion(
            id=self.start.id,
            model=self.start.model,
            created=self.start.created,
            choices=tuple(choice.choice() for _, choice in sorted(self.choices.items())),
            vectors=self.vectors,
            usage=self.usage,
            provider_details=self.details,
            raw=raw,
        )


_NAMES = frozenset({"id", "type", "role", "index", "format", "object", "channel"})
"""Members whose text names something: a later piece repeats it, it does not continue it."""


def merge(whole: Details, piece: Details, *, join_text: bool = True) -> None:
    """Add a stream piece's members to what earlier pieces said, in place (see `fold`); `piece` stays as it was."""
    for name, value in piece.items():
        before = whole.get(name)
        if isinstance(value, str):
            continues = join_text and isinstance(before, str) and name not in _NAMES
            whole[name] = f"{before}{value}" if continues else value
        elif isinstance(value, list):
            if isinstance(before, list):
                before.extend(value)
            else:
                whole[name] = list(value)
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = whole[name] = {}
            merge(before, value, join_text=join_text)
        elif value is not None or name not in whole:
            whole[name] = value
