"""What somebody thinks of an answer: taken once, for a call of their own tenant, and handed to who keeps it."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Annotated, Final, Protocol, TypeAlias

import msgspec
from msgspec import Meta, Struct

from llmgw.redaction.text import redact, redact_secrets
from llmgw.state.connection import State
from llmgw.types.call import Caller
from llmgw.types.clock import Clock
from llmgw.types.content import Capture, CaptureLevel
from llmgw.types.context import Idempotency
from llmgw.types.context_errors import IdempotencyReused
from llmgw.types.errors import InvalidRequest, NotFound, StoreUnavailable
from llmgw.types.feedback import FeedbackEvent, FeedbackKind, FeedbackSource, KnownCall

REPEATED_S: Final = 86_400
"""How long an idempotency key stands for what it was first sent with."""
LARGEST: Final = 1e15
"""The largest score: what is beyond, no sum could hold exactly."""

_Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}\Z")]
_Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]


class Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement as it is sent: of which call, by which measure, and what it came to."""

    call_id: _Word
    name: _Name
    value: bool | int | float | Annotated[str, Meta(min_length=1, max_length=1024)]
    source: FeedbackSource
    comment: Annotated[str, Meta(max_length=4096)] = ""
    tags: Annotated[tuple[_Word, ...], Meta(max_length=16)] = ()


class KnownCalls(Protocol):
    """Whoever remembers calls."""

    async def find(self, tenant: str, call_id: str) -> KnownCall | None:
        """The call of this tenant by its id; None where it has none by that id, or it is forgotten.

        Raises:
            GatewayError: it cannot be asked.
        """


class _First(Struct, frozen=True, kw_only=True):
    """What is remembered of a judgement, to give its answer again; nothing of what it said."""

    print: str
    id: str
    ended_us: int


class _Words(Struct, frozen=True, kw_only=True):
    """What a judgement says in words, as it is kept."""

    name: str
    label: str
    comment: str
    tags: tuple[str, ...]


class Feedbacks:
    """Takes judgements; `keep` is handed each once, and neither waits nor raises. One per worker.

    `capture` says whose comments are kept, and how; without it all are, as they are. Names, labels and tags hold no
    secret at any level.
    """

    def __init__(
        self,
        calls: KnownCalls,
        keep: Callable[[FeedbackEvent], None],
        state: State,
        clock: Clock,
        new_id: Callable[[], str],
        capture: Capture | None = None,
    ) -> None:
        self._calls = calls
        self._keep = keep
        self._state = state
        self._clock = clock
        self._new_id = new_id
        self._capture = capture or Capture(level="full")

    async def give(
        self, caller: Caller, given: Given, idempotency: Idempotency | None = None
    ) -> tuple[FeedbackEvent, bool]:
        """Take a judgement of a call; returns it, and whether it is new and not the repetition of one.

        Raises:
            NotFound: the caller's tenant has no such call.
            InvalidRequest: the value is too large.
            IdempotencyReused: the key was used for another judgement.
            StoreUnavailable: it is not known whether the key was used.
            GatewayError: as `KnownCalls.find` lists.
        """
        score, _, kind = _value(given)
        known = await self._calls.find(caller.tenant, given.call_id)
        if known is None:
            raise NotFound("there is no call by that id", param="call_id")
        now = _First(
            print=idempotency.fingerprint if idempotency else "",
            id=f"fb_{self._new_id()}",
            ended_us=self._clock.unix_ns() // 1000,
        )
        first = now if idempotency is None else await self._first(caller, idempotency, now)
        words = await self._words(given, self._capture.of(caller.tenant))
        place = known.place
        event = FeedbackEvent(
            ended_us=first.ended_us,
            id=first.id,
            tenant=caller.tenant,
            key_id=caller.key_id,
            call=known.id,
            name=words.name,
            kind=kind,
            source=given.source,
            score=score,
            label=words.label,
            comment=words.comment,
            tags=words.tags,
            call_ended_us=known.ended_us,
            trace_id=f"{place.trace_id:032x}" if place else "",
            span_id=f"{place.span_id:016x}" if place else "",
            alias=known.alias,
            target=known.target,
            prompt=known.prompt,
            prompt_label=known.prompt_label,
            prompt_arm=known.prompt_arm,
            context=known.context,
            verdict=known.verdict,
            error=known.error,
        )
        if first is now:
            self._keep(event)
        return event, first is now

    async def _words(self, given: Given, level: CaptureLevel) -> "_Words":
        """What somebody wrote, as it may be kept at a level."""
        _, label, _ = _value(given)
        if level != "redacted":
            comment = given.comment if level == "full" else ""
        else:
            # Beside the calls: to look through a long text takes a while.
            label, comment = await asyncio.to_thread(lambda: (redact(label), redact(given.comment)))
        return _Words(
            name=redact_secrets(given.name),
            label=redact_secrets(label),
            comment=comment,
            tags=tuple(map(redact_secrets, given.tags)),
        )

    async def _first(self, caller: Caller, idempotency: Idempotency, now: _First) -> _First:
        """Be the first to use a key, or find who was."""
        who = hashlib.sha256(f"{caller.key_id}/{idempotency.key}".encode()).hexdigest()
        name = f"llmgw:feedback:{caller.tenant}:{who}"
        if await self._state.command("SET", name, msgspec.json.encode(now), "NX", "EX", REPEATED_S):
            return now
        stored = await self._state.command("GET", name)
        if stored is None:
            # It ran out between the two: a key that stands for nothing any more.
            raise StoreUnavailable("this idempotency key has just run out", retry_after_s=1)
        first = msgspec.json.decode(stored, type=_First)
        if first.print != now.print:
            raise IdempotencyReused("this idempotency key was used for another request")
        return first


def _value(given: Given) -> tuple[float | None, str, FeedbackKind]:
    """The score, the label and the kind of a value."""
    match given.value:
        case bool(value):
            return float(value), str(value).lower(), "bool"
        case str(value):
            return None, value, "text"
        case value:
            if abs(value) > LARGEST:
                raise InvalidRequest(f"a score is at most {LARGEST:g}", param="value")
            return float(value), "", "number"
