"""What is written down beside the turns: reports, what calls left behind, and who looked at what."""

import contextlib
import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.context.clock import moment
from llmgw.context.integrity import frame
from llmgw.context.integrity.cipher import unwrapped
from llmgw.context.kept import decode_turn
from llmgw.context.library import Actor, Library
from llmgw.context.storage.answers import Stored
from llmgw.context.storage.names import AUDIT, IN_FLIGHT, ORPHANS, REPORTS, Keys
from llmgw.types.context_errors import ContextErased, IntegrityFailed
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.message import Message
from llmgw.types.preservation import ReportRecord
from llmgw.types.turn import Turn

Kind: TypeAlias = Literal["fenced", "abandoned"]

_PLACE: Final = re.compile(r"\d{1,20}-\d{1,20}")
"""An entry of a stream."""

_decode_messages = msgspec.json.Decoder(tuple[Message, ...]).decode
_decode_record = msgspec.json.Decoder(ReportRecord).decode


class Orphan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a call left that was not stored: its answer where it lost its lease, its question where it died.

    `call` is its id. `turns` are those it would have stored, `said` is what it was asked. `trace_id` and `span_id`
    name the span of the call, where that was noted.
    """

    call: str
    kind: Kind
    at: str
    trace_id: str = ""
    span_id: str = ""
    turns: tuple[Turn, ...] = ()
    said: tuple[Message, ...] = ()


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One access, chained to the one before it by `link`, a SHA-1 over both."""

    at: str
    who: str
    op: str
    outcome: str
    rev: str
    detail: str
    link: str


class Records:
    """Reads what is written down about contexts."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._store = library.store

    async def report(self, actor: Actor, context: str, rev: int | None) -> ReportRecord:
        """Read what became of the context in the call that made a revision; by default the last.

        Raises:
            NotFound: no call made that revision, or its report is gone.
            IntegrityFailed: the report is not what was stored.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(keys, who=actor.who, op="read_report", purpose=actor.purpose, count=0)
        wanted = stored.rev if rev is None else rev
        written = await self._store.command(keys, "HGET", REPORTS, str(wanted))
        if written is None:
            raise NotFound("there is no report of that revision")
        try:
            return _decode_record(self._library.contexts.report(keys, wanted, written))
        except msgspec.DecodeError:
            raise IntegrityFailed("the report of that revision cannot be read") from None

    async def orphans(self, actor: Actor, context: str) -> list[Orphan]:
        """Read what calls left that was not stored: paid for, perhaps, and nobody's turn.

        Raises:
            IntegrityFailed: it is not what was left.
        """
        keys = self._library.keys(actor, context)
        stored = await self._store.read(
            keys, who=actor.who, op="read_orphans", purpose=actor.purpose, count=0
        )
        entries = await self._store.command(keys, "XRANGE", ORPHANS, "-", "+")
        found: dict[tuple[str, str], Orphan] = {}
        for _, said in entries:
            call = said[b"op"].decode()
            kind: Kind = "fenced" if said[b"kind"] == b"fenced" else "abandoned"
            trace_id, _, span_id = said.get(b"trace", b"").decode().partition("-")
            turns = self._orphaned(keys, stored, kind, said[b"data"])
            before = found.get((call, kind))
            found[call, kind] = Orphan(
                call=call,
                kind=kind,
                at=moment(int(said[b"at"])),
                trace_id=trace_id,
                span_id=span_id,
                turns=(*(before.turns if before else ()), *turns),
                said=self._asked(keys, said[b"data"]) if kind == "abandoned" else (),
            )
        return list(found.values())

    async def access_log(
        self, actor: Actor, context: str, *, after: str | None, limit: int
    ) -> tuple[list[AuditEntry], str | None]:
        """Read who did what with a context, oldest first, erased ones included, and where the next page begins."""
        keys = self._library.keys(actor, context)
        # That it was erased, and by whom, stays readable for a while.
        with contextlib.suppress(ContextErased):
            await self._store.read(keys, who=actor.who, op="read_log", purpose=actor.purpose, count=0)
        if after is not None and not _PLACE.fullmatch(after):
            raise InvalidRequest("the log has no such place to go on from", param="after")
        first = "-" if after is None else f"({after}"
        entries = await self._store.command(keys, "XRANGE", AUDIT, first, "+", "COUNT", limit)
        listed = [_entry(said) for _, said in entries]
        return listed, entries[-1][0].decode() if len(entries) == limit else None

    def _asked(self, keys: Keys, data: bytes) -> tuple[Message, ...]:
        try:
            written = unwrapped(self._library.contexts.chain_keys, keys.tenant, keys.context, data, IN_FLIGHT)
            return _decode_messages(written)
        except (LookupError, ValueError) as error:
            raise IntegrityFailed(f"what a call was asked cannot be read: {error}") from None

    def _orphaned(self, keys: Keys, stored: Stored, kind: str, data: bytes) -> list[Turn]:
        if kind != "fenced":
            return []
        try:
            found = frame.decode(data)
            body = found.body
            if found.encrypted:
                place = str(frame.meta_of(found).seq)
                body = self._library.contexts.histories.opened(keys, stored, body, place)
            return [decode_turn(body)]
        except (ValueError, RecursionError) as error:
            raise IntegrityFailed(f"what a call left cannot be read: {error}") from None


def _entry(said: Mapping[bytes, bytes]) -> AuditEntry:
    texts = {
        name: said[name.encode()].decode(errors="replace")
        for name in ("who", "op", "outcome", "rev", "detail", "link")
    }
    return AuditEntry(at=moment(int(said[b"at"])), **texts)
