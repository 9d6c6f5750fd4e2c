"""A full answer, and how events fold into one."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias, assert_never

from msgspec import Struct

from llmgw.types.event import (
    ChoiceEnd,
    Detail,
    Extra,
    Finish,
    FinishReason,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Sealed,
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
from llmgw.types.merging import CallPieces, PartPieces, merge
from llmgw.types.message import (
    Details,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)

_OfChoice: TypeAlias = (
    TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | Sealed | Opaque | Detail | ChoiceEnd
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

    `protocol` is the one whose members the `provider_details` are. `raw` is the provider's body as it came, for
    answers that were not streamed. `facts` are the gateway's own, told to the caller under `llmgw`.
    """

    id: str
    model: str
    created: int
    protocol: str = ""
    choices: tuple[Choice, ...] = ()
    vectors: tuple[Vector, ...] = ()
    usage: Usage | None = None
    provider_details: Details = {}
    facts: Details = {}
    raw: bytes = b""
    cost_nano: int | None = None
    """Nano-USD it cost, for who asked within the house; None where that is not known."""

    @property
    def text(self) -> str:
        """The words of the first answer."""
        return self.choices[0].message.text if self.choices else ""


_WHOLE: Final = [Start, TextDelta, ChoiceEnd, UsageReport, Finish]
_NOTHING_BESIDE: Final = (None, None, None, None)


def fold(events: Iterable[StreamEvent], raw: bytes = b"") -> Completion:
    """Build the completion that a sequence of events describes.

    Unknown members of deltas merge as pieces of a whole: text is joined, lists are joined, objects merge member
    by member, anything else is replaced by the later value. Those of choices merge likewise, but there text is
    replaced too: a choice says how things stand. Those of chunks are replaced.

    Raises:
        ValueError: when there is no `Start`.
    """
    if isinstance(events, list) and (plain := _plain(events, raw)) is not None:
        return plain
    folding = Folding()
    folding.add(events)
    return folding.completion(raw)


def _plain(events: list[Any], raw: bytes) -> Completion | None:
    """The completion of the usual whole answer, one text that ends; None where the events tell anything else."""
    if [*map(type, events)] != _WHOLE:
        return None
    start: Start
    said: TextDelta
    end: ChoiceEnd
    report: UsageReport
    finish: Finish
    start, said, end, report, finish = events
    beside = said.logprobs, said.extra, end.logprobs, report.extra
    if beside != _NOTHING_BESIDE or said.choice != end.choice:
        return None
    details = dict(start.extra.chunk) if start.extra is not None else {}
    of_choice: Details = {}
    of_message: Details = {}
    if end.extra is not None:
        details |= end.extra.chunk
        if end.extra.choice:
            merge(of_choice, end.extra.choice, join_text=False)
        if end.extra.delta:
            merge(of_message, end.extra.delta)
    parts = (TextPart(text=said.text),)
    choice = Choice(
        index=end.choice,
        message=Message(role="assistant", parts=parts, provider_details=of_message),
        reason=end.reason,
        native_reason=end.native_reason,
        provider_details=of_choice,
    )
    return Completion(
        id=start.id,
        model=start.model,
        created=start.created,
        protocol=start.protocol,
        choices=(choice,),
        usage=finish.usage or report.usage,
        provider_details=details,
        facts=finish.facts,
        raw=raw,
    )


def unfold(completion: Completion) -> Iterator[StreamEvent]:
    """Tell a whole answer as events, each part in one piece; `fold` makes the same answer of them."""
    yield Start(
        id=completion.id,
        model=completion.model,
        created=completion.created,
        protocol=completion.protocol,
        extra=Extra(chunk=completion.provider_details) if completion.provider_details else None,
    )
    for choice in completion.choices:
        calls = 0
        for place, part in enumerate(choice.message.parts):
            yield from _pieces(part, choice.index, place, calls)
            calls += isinstance(part, ToolCallPart)
        extra = Extra(choice=choice.provider_details, delta=choice.message.provider_details)
        yield ChoiceEnd(
            reason=choice.reason or "other",
            native_reason=choice.native_reason or "",
            choice=choice.index,
            logprobs=choice.logprobs,
            extra=extra if extra != Extra() else None,
        )
    if completion.usage is not None:
        yield UsageReport(usage=completion.usage)
    yield Finish(usage=completion.usage, facts=completion.facts)


def _pieces(part: Part, choice: int, place: int, call: int) -> Iterator[StreamEvent]:
    details = getattr(part, "provider_details", {})
    extra = Extra(part=details) if details else None
    seal = getattr(part, "seal", None)
    match part:
        case TextPart(text=text):
            yield TextDelta(text=text, choice=choice, part=place, extra=extra)
        case RefusalPart(text=text):
            yield RefusalDelta(text=text, choice=choice, extra=extra)
        case ReasoningPart(text=text, member=member):
            if seal is None or seal.kind != "encrypted":
                yield ReasoningDelta(text=text, choice=choice, part=place, member=member, extra=extra)
        case ToolCallPart():
            yield ToolCallDelta(
                index=call,
                choice=choice,
                part=place,
                id=part.id,
                name=part.name,
                arguments=part.arguments,
                kind=part.kind,
                extra=extra,
            )
        case OpaquePart():
            yield Opaque(value=part, choice=choice, part=place)
        case _:
            # Answers hold none of the other parts.
            return
    if seal is not None:
        calls = call if isinstance(part, ToolCallPart) else None
        yield Sealed(seal=seal, choice=choice, part=place, call=calls)


class _ChoiceFolding:
    """One choice while its pieces come in."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.runs: list[PartPieces] = []
        self.calls: dict[int, PartPieces] = {}
        self.end: ChoiceEnd | None = None
        self.logprobs: Json = None
        self.choice_details: Details = {}
        self.message_details: Details = {}

    def text(self, kind: str, part: int, piece: str, extra: Extra | None) -> list[str]:
        """Take in a piece of text; returns the pieces of its part."""
        run = self.runs[-1] if self.runs else None
        if run is None or run.kind != kind or run.part != part:
            run = self._begin(kind, part)
        run.text.append(piece)
        if extra is not None:
            merge(run.details, extra.part)
        return run.text

    def call(self, delta: ToolCallDelta) -> None:
        run = self.calls.get(delta.index)
        if run is None or run.call is None:
            run = self.calls[delta.index] = self._begin("tool_call", delta.part)
            run.call = CallPieces()
        run.call.add(delta)
        if delta.extra is not None:
            merge(run.details, delta.extra.part)

    def seal(self, event: Sealed) -> None:
        if event.seal.kind == "encrypted":
            run = self._begin("reasoning:thinking", event.part)
        elif event.call is not None and event.call in self.calls:
            run = self.calls[event.call]
        elif self.runs and self.runs[-1].part == event.part:
            run = self.runs[-1]
        else:
            run = self._begin("text", event.part)
        run.seal = event.seal

    def opaque(self, event: Opaque) -> None:
        self._begin("opaque", event.part).opaque = event.value

    def note(self, extra: Extra | None, logprobs: Json = None) -> None:
        if extra is not None:
            merge(self.choice_details, extra.choice, join_text=False)
            merge(self.message_details, extra.delta)
        if logprobs is not None:
            if self.logprobs is None:
                self.logprobs = {}
            merge(self.logprobs, logprobs)

    def choice(self) -> Choice:
        return Choice(
            index=self.index,
            message=Message(
                role="assistant",
                parts=tuple(run.whole() for run in self.runs),
                provider_details=self.message_details,
            ),
            reason=self.end.reason if self.end else None,
            native_reason=self.end.native_reason if self.end else None,
            logprobs=self.logprobs,
            provider_details=self.choice_details,
        )

    def _begin(self, kind: str, part: int) -> PartPieces:
        run = PartPieces(kind, part)
        self.runs.append(run)
        return run


class Folding:
    """A completion while its events come in; see `fold`."""

    def __init__(self) -> None:
        self.start: Start | None = None
        self.choices: dict[int, _ChoiceFolding] = {}
        self.vectors: tuple[Vector, ...] = ()
        self.usage: Usage | None = None
        self.details: Details = {}
        self.facts: Details = {}
        self._beside: Extra | None = None
        """What was taken in last, where taking it in again would change nothing."""
        self._text: list[str] = []
        self._of: int | None = None
        self._part: int | None = None
        """The choice and the part whose text goes on; none where the last event told of anything else."""

    def add(self, events: Iterable[StreamEvent]) -> None:
        """Take in the next events."""
        text, beside, of, part = self._text, self._beside, self._of, self._part
        for event in events:
            # What most events are: text that goes on, beside what the last event had beside it.
            if (
                event.__class__ is TextDelta
                and event.part == part
                and event.extra is beside
                and event.choice == of
                and event.logprobs is None
            ):
                text.append(event.text)
            else:
                self._add(event)
                text, beside, of, part = self._text, self._beside, self._of, self._part

    def _add(self, event: StreamEvent) -> None:
        self._part = None
        match event:
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
                self.facts = event.facts
            case _:
                self._told(event)

    def _told(self, event: _OfChoice) -> None:
        """Add what belongs to one choice."""
        match event:
            case TextDelta():
                choice = self._choice(event.choice, event.extra, event.logprobs)
                self._text = choice.text("text", event.part, event.text, event.extra)
                self._of, self._part = event.choice, event.part
            case RefusalDelta():
                choice = self._choice(event.choice, event.extra, event.logprobs)
                choice.text("refusal", 0, event.text, event.extra)
            case ReasoningDelta():
                choice = self._choice(event.choice, event.extra)
                choice.text(f"reasoning:{event.member}", event.part, event.text, event.extra)
            case ToolCallDelta():
                self._choice(event.choice, event.extra).call(event)
            case Sealed():
                self._choice(event.choice, None).seal(event)
            case Opaque():
                self._choice(event.choice, None).opaque(event)
            case ChoiceEnd():
                self._choice(event.choice, event.extra, event.logprobs).end = event
            case Detail():
                self._choice(event.choice, event.extra, event.logprobs)
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
            self._beside = None if extra.choice or extra.delta or extra.part else extra

    def completion(self, raw: bytes = b"") -> Completion:
        """What the events so far describe.

        Raises:
            ValueError: there was no `Start`.
        """
        if self.start is None:
            raise ValueError("an answer needs a Start event")
        return Completion(
            id=self.start.id,
            model=self.start.model,
            created=self.start.created,
            protocol=self.start.protocol,
            choices=tuple(choice.choice() for _, choice in sorted(self.choices.items())),
            vectors=self.vectors,
            usage=self.usage,
            provider_details=self.details,
            facts=self.facts,
            raw=raw,
        )
