"""Contexts in the store: what each script is asked, what its answers mean. Frames are bytes here and stay so."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmgw.context.storage import scripts
from llmgw.context.storage.answers import (
    Answer,
    Begin,
    Commit,
    Lease,
    Replay,
    Stored,
    refused,
    stored_of,
)
from llmgw.context.storage.names import (
    ALL,
    AUDIT,
    BEGUN,
    COUNTS,
    FORKS,
    HASH,
    IN_FLIGHT,
    ORPHANS,
    REPLAY_TIMES,
    REPLAYS,
    STATE,
    TURNS,
    Keys,
)
from llmgw.state.connection import Argument, State
from llmgw.types.context_errors import (
    ContextExists,
    ContextExpired,
    ContextFenced,
    ContextLocked,
    ContextNotFound,
    IdempotencyInFlight,
    IdempotencyReused,
    IntegrityFailed,
)

PAGE: Final = 2000
"""Turns read at a time."""
_WITH_THE_LEASE: Final = 128
"""Turns that come with a lease. A script takes three times as long to tell them as the command that reads on, which
keeps nobody waiting who has a lease to take."""
_WHERE_IT_MAY_BE_MADE: Final = 16
"""Those that come with one of a context that the call may make, as any number of such begin at one time."""
_UNKNOWN_AT_ONCE: Final = 4
"""Contexts that are there, that a worker does not know and asks for at one time: each may be answered by megabytes,
behind which all others wait, on the way and at this end."""
TOMBSTONE_MS: Final = 30 * 86_400_000
"""How long it is known that a context was erased."""


class ContextStore:
    """Runs the scripts of contexts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._unknown = asyncio.Semaphore(_UNKNOWN_AT_ONCE)

    async def begin(self, keys: Keys, wish: Begin) -> Lease | Replay:
        """Take the lease of a context, or find what the call was answered before.

        Raises:
            ContextNotFound: it is not there, and `fields` do not say how to make it.
            ContextErased, ContextQuarantined, ContextLocked: as their names say.
            RevisionMismatch: it is at another revision than `if_match`.
            IdempotencyReused, IdempotencyInFlight: as their names say.
            IntegrityFailed: turns are missing.
            StoreUnavailable: the store cannot be asked.
        """
        asked = keys.of_a_call[:BEGUN]
        known, fields, idempotency = wish.known, wish.fields, wish.idempotency
        arguments: list[Argument] = [wish.op, wish.who, wish.trace, wish.lease_ms, wish.input, wish.if_match]
        arguments += (-1, -1, -1, "") if known is None else (known.turns, known.epoch, known.rev, known.head)
        arguments.append(_WITH_THE_LEASE if fields is None else _WHERE_IT_MAY_BE_MADE)
        if idempotency is None:
            arguments += ("", "")
        else:
            asked += keys.many(REPLAYS, REPLAY_TIMES)
            arguments += (idempotency.key, idempotency.fingerprint)
        if fields is not None:
            arguments += _flat(fields)
        if known is None and fields is None:
            async with self._unknown:
                answer = await self._state.script(scripts.BEGIN, asked, arguments)
        else:
            answer = await self._state.script(scripts.BEGIN, asked, arguments)
        if answer[0] == b"OK":
            _, again, fence, expires, *told = answer
            stored = stored_of(b"active", told) if known is None or told else known
            return Lease(
                op=wish.op,
                who=wish.who,
                fence=int(fence),
                expires=int(expires),
                stored=stored,
                again=again == b"1",
                trace=wish.trace,
            )
        match answer[0]:
            case b"REPLAY":
                _, media_type, body, rev, head = answer
                return Replay(
                    media_type=media_type.decode(), body=body, rev=int(rev or 0), head=head.decode()
                )
            case b"LOCKED":
                raise ContextLocked(
                    "another call with this context is under way",
                    retry_after_s=_s(answer[1]),
                    turns=int(answer[2]),
                )
            case b"IN_FLIGHT":
                raise IdempotencyInFlight(
                    "the call with this idempotency key has not ended", retry_after_s=_s(answer[1])
                )
            case b"REUSED":
                raise IdempotencyReused("this idempotency key was used for another request")
            case _:
                raise refused(answer, wish.if_match)

    async def commit(self, keys: Keys, lease: Lease, work: Commit) -> int:
        """Append a call's turns, all or none, and give back the lease; returns the new revision.

        Repeating it after a `StoreUnavailable` is safe: what was appended is not appended again.

        Raises:
            ContextFenced: the lease is another's; the frames were kept aside.
            ContextExpired, ContextErased: the context is gone, and nothing was kept.
            IntegrityFailed: the context is not as the lease found it.
            StoreUnavailable: it is not known whether anything was appended.
        """
        stored, asked = lease.stored, keys.of_a_call
        if work.key or work.ttl_ms:
            asked += keys.many(REPLAYS, REPLAY_TIMES, COUNTS, STATE, FORKS)
        arguments: list[Argument] = [
            lease.op,
            lease.who,
            lease.trace,
            lease.fence,
            stored.rev,
            stored.head,
            stored.turns - stored.base,
            work.head,
            work.turns,
            work.size,
            work.ttl_ms,
            work.toolset,
            work.report,
            *work.render,
            work.key,
            len(work.blobs),
        ]
        for pair in work.blobs.items():
            arguments += pair
        arguments += work.frames
        answer = await self._state.script(scripts.COMMIT, asked, arguments)
        if answer[0] == b"OK":
            return int(answer[1])
        match answer[0]:
            case b"FENCED":
                raise ContextFenced(
                    "the call took longer than its lease and another came first; its answer was kept aside under "
                    f"{lease.op}"
                )
            case b"EXPIRED":
                raise ContextExpired("the context's time ran out while the call was under way")
            case b"MISMATCH":
                raise IntegrityFailed("the context was changed under the call's lease")
            case _:
                raise refused(answer)

    async def release(self, keys: Keys, lease: Lease, key: str, outcome: str) -> bool:
        """Give back a lease and store nothing; `key` may then be used again. False where it was another's."""
        return bool(
            await self._state.script(
                scripts.RELEASE,
                keys.many(HASH, REPLAYS, REPLAY_TIMES, IN_FLIGHT, AUDIT),
                [lease.op, lease.who, lease.fence, key, outcome],
            )
        )

    async def release_unheard(self, keys: Keys, wish: Begin) -> bool:
        """Give back the lease that a begin without an answer may have taken; False where it has none (yet)."""
        key = wish.idempotency.key if wish.idempotency else ""
        return bool(
            await self._state.script(
                scripts.RELEASE,
                keys.many(HASH, REPLAYS, REPLAY_TIMES, IN_FLIGHT, AUDIT),
                [wish.op, wish.who, "", key, "unheard"],
            )
        )

    async def renew(self, keys: Keys, lease: Lease, lease_ms: int) -> bool:
        """Let a lease run on; False where it is another's."""
        asked: list[Argument] = [lease.op, lease.fence, lease_ms]
        return bool(await self._state.script(scripts.RENEW, keys.many(HASH), asked))

    async def remember(self, keys: Keys, lease: Lease, key: str, media_type: str, body: bytes) -> None:
        """Keep what a call is answered, for the next time its idempotency key comes."""
        asked: list[Argument] = [key, lease.op, media_type, body]
        await self._state.script(scripts.REMEMBER, keys.many(HASH, REPLAYS), asked)

    async def read(
        self,
        keys: Keys,
        *,
        who: str = "",
        op: str = "",
        purpose: str = "",
        first: int = 0,
        count: int = PAGE,
    ) -> Stored:
        """Read a context and up to `count` of its own frames from turn `first` on; with an `op` it is audited.

        Raises:
            ContextNotFound, ContextErased: as their names say.
            IntegrityFailed: turns are missing.
        """
        answer = await self._state.script(
            scripts.READ, keys.many(HASH, TURNS, AUDIT), [who, op, purpose, first, count]
        )
        if answer[0] != b"OK":
            raise refused(answer)
        return stored_of(answer[1], answer[2:])

    async def rough(self, keys: Keys) -> tuple[int, int, str]:
        """Read a context's revision, number of turns and head, whatever is wrong with the rest of it."""
        rev, turns, head = await self._state.command("HMGET", keys.of(HASH), "rev", "turns", "head")
        return int(rev or 0), int(turns or 0), (head or b"").decode()

    async def forget_copies(self, keys: Keys) -> None:
        """Delete what repeats the content of turns: answers kept for repetition, what calls left behind."""
        await self._state.command("DEL", *keys.many(REPLAYS, REPLAY_TIMES, ORPHANS))

    async def create(self, keys: Keys, who: str, ttl_ms: int, fields: Mapping[str, Argument]) -> None:
        """Make a context.

        Raises:
            ContextExists, ContextErased: there is one, or was.
        """
        answer = await self._state.script(
            scripts.CREATE, keys.many(HASH, TURNS, AUDIT), [who, ttl_ms, *_flat(fields)]
        )
        if answer[0] == b"EXISTS":
            raise ContextExists("a context by that name is there already")
        if answer[0] != b"OK":
            raise refused(answer)

    async def put_state(self, keys: Keys, who: str, seen: bytes, new: bytes) -> bool:
        """Put a state document in the place of the one that was seen; False where it is another by now.

        Raises:
            ContextNotFound, ContextErased, ContextQuarantined: as their names say.
        """
        answer = await self._state.script(scripts.STATE, keys.many(HASH, STATE, AUDIT), [who, seen, new])
        if answer[0] == b"MISMATCH":
            return False
        if answer[0] != b"OK":
            raise refused(answer)
        return True

    async def state(self, keys: Keys) -> bytes:
        """Read the state document; empty where there is none."""
        return await self._state.command("GET", keys.of(STATE)) or b""

    async def replace(
        self,
        keys: Keys,
        seen: Stored,
        frames: Mapping[int, bytes],
        *,
        who: str,
        op: str,
    ) -> int:
        """Put other frames in the place of some; the chain ends as before. Returns the new revision.

        Raises:
            RevisionMismatch: the context has changed since it was `seen`.
            ContextLocked, ContextNotFound, ContextErased: as their names say.
        """
        written: list[Argument] = [len(frames), *frames, *frames.values()]
        return await self._replace(keys, seen, who, op, seen.head, b"", 0, written)

    async def rewrite(
        self,
        keys: Keys,
        seen: Stored,
        frames: Sequence[bytes],
        *,
        head: str,
        lineage: bytes,
        who: str,
        op: str,
    ) -> int:
        """Put a whole new list of frames in the place of what there is: its own ones from turn 0 on.

        Raises:
            RevisionMismatch: the context has changed since it was `seen`.
            ContextLocked, ContextNotFound, ContextErased: as their names say.
        """
        return await self._replace(keys, seen, who, op, head, lineage, 0, [0, *frames])

    async def _replace(
        self,
        keys: Keys,
        seen: Stored,
        who: str,
        op: str,
        head: str,
        lineage: bytes,
        base: int,
        frames: Sequence[Argument],
    ) -> int:
        answer = await self._state.script(
            scripts.REPLACE,
            keys.many(HASH, TURNS, AUDIT),
            [who, op, seen.epoch, seen.rev, seen.head, head, base, lineage, *frames],
        )
        if answer[0] == b"LOCKED":
            raise ContextLocked("a call with this context is under way", retry_after_s=_s(answer[1]))
        if answer[0] != b"OK":
            raise refused(answer)
        return int(answer[1])

    async def mark(self, keys: Keys, who: str, status: str, detail: str = "") -> str:
        """Set a context's status; returns the one it had, empty where it is not there."""
        before: bytes = await self._state.script(scripts.MARK, keys.many(HASH, AUDIT), [who, status, detail])
        return before.decode()

    async def erase(self, keys: Keys, who: str) -> Answer:
        """Leave nothing but the fact that the context was; returns what there was (see `erase.lua`).

        Raises:
            ContextNotFound: it is not there.
        """
        answer: Answer = await self._state.script(scripts.ERASE, keys.many(*ALL), [who, TOMBSTONE_MS])
        if answer[0] == b"ABSENT":
            raise ContextNotFound
        return answer

    async def note_fork(self, keys: Keys, who: str, child: str, at: int | None) -> tuple[int, bytes, Answer]:
        """Note that a child begins before turn `at`, by default at the end; returns that, the frame before, facts.

        Raises:
            ContextNotFound, ContextErased, ContextQuarantined: as their names say.
            IndexError: there is no such turn.
        """
        answer = await self._state.script(
            scripts.FORK,
            keys.many(HASH, TURNS, FORKS, AUDIT),
            [who, child, "" if at is None else at],
        )
        if answer[0] == b"BEYOND":
            raise IndexError(int(answer[1]))
        if answer[0] != b"OK":
            raise refused(answer)
        return int(answer[1]), answer[2], answer[3]

    async def frames(self, keys: Keys, first: int, last: int) -> list[bytes]:
        """Read frames by their places in the list, the last one included; a few contexts at a time.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        async with self._unknown:
            found: list[bytes] = await self._state.command("LRANGE", keys.of(TURNS), first, last)
        return found

    async def command(self, keys: Keys, name: str, part: str, *arguments: Argument) -> Any:
        """Send one command about one part of a context."""
        return await self._state.command(name, keys.of(part), *arguments)


def _flat(fields: Mapping[str, Argument] | None) -> list[Argument]:
    return [part for pair in (fields or {}).items() for part in pair]


def _s(milliseconds: Any) -> float:
    return max(0.001, int(milliseconds) / 1000)
