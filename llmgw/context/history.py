"""The turns of a context, proven and at hand: a worker reads each once, and after that only what is new."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise
from typing import Final

from llmgw.context.integrity import lineage as lineages
from llmgw.context.integrity.blobs import digest_of
from llmgw.context.integrity.chain_keys import ChainKeys, UnknownKey
from llmgw.context.integrity.cipher import Cipher, Undecipherable, open_cipher
from llmgw.context.integrity.frame import Damaged, Frame, LaterVersion
from llmgw.context.integrity.frame import decode as decode_frame
from llmgw.context.integrity.lineage import Genesis, link_of_genesis
from llmgw.context.integrity.proof import BadTurn, Unprovable, proven
from llmgw.context.kept import Kept, body_of, from_frame
from llmgw.context.known import History
from llmgw.context.storage.answers import Stored
from llmgw.context.storage.names import BLOBS, HASH, Keys
from llmgw.context.storage.store import PAGE, ContextStore
from llmgw.context.views.renders import Render
from llmgw.types.context_errors import IntegrityFailed
from llmgw.types.turn import Turn

_log = logging.getLogger(__name__)

SLICE: Final = 200
"""Turns that are proven and read without others having their turn between: some 3 ms."""
_RESIDENT: Final = 120
"""Percent of their size that objects take of a process's memory: what is free between them is a sixth."""
IDLE_S: Final = 300.0
"""Seconds after which a worker forgets a context that nobody asks for."""


class Histories:
    """What one worker knows of contexts, the latest used within `budget` bytes."""

    def __init__(self, store: ContextStore, keys: ChainKeys, *, budget: int) -> None:
        self._store = store
        self._keys = keys
        self._budget = budget
        self._known: OrderedDict[Keys, History] = OrderedDict()
        self._size = 0

    def known(self, keys: Keys) -> History | None:
        """What is known of a context, which may be old."""
        found = self._known.get(keys)
        if found is not None:
            self._known.move_to_end(keys)
            found.used_s = time.monotonic()
        return found

    def sweep(self) -> None:
        """Forget what nobody has used for a while: content that was erased elsewhere does not stay here either."""
        oldest = time.monotonic() - IDLE_S
        for keys in [keys for keys, history in self._known.items() if history.used_s < oldest]:
            self.forget(keys)

    def forget(self, keys: Keys) -> None:
        """Know nothing of a context."""
        gone = self._known.pop(keys, None)
        if gone is not None:
            self._size -= gone.counted

    def at_hand(self, keys: Keys, stored: Stored) -> History | None:
        """What is known of a context as it was read, where that is all there is, proven before; else None."""
        history = self.known(keys)
        if history is None:
            return None
        if stored is history.stored and len(history.turns) == stored.turns:
            return history  # the store had nothing to add to what it said before
        if (
            history.epoch != stored.epoch
            or len(history.turns) != stored.turns
            or history.rev > stored.rev
            or history.link.hex() != stored.head
        ):
            return None
        history.rev, history.stored = stored.rev, stored.told
        return history

    async def at(self, keys: Keys, stored: Stored) -> History:
        """Bring what is known up to a context as it was read, proving what is new.

        Raises:
            IntegrityFailed: stored bytes are not what was stored; the context is quarantined.
            StoreUnavailable: the store cannot be asked.
        """
        try:
            return await self._at(keys, stored)
        except (BadTurn, Damaged) as error:
            raise await self._quarantined(keys, error) from None
        except Unprovable as error:
            raise IntegrityFailed(f"the context cannot be proven: {error}") from None
        except UnknownKey as error:
            raise _unknown(error) from None

    async def blobs(self, keys: Keys, history: History, wanted: Iterable[Kept]) -> dict[str, bytes]:
        """Fetch what some turns refer to, proven; what is not there is not in the answer.

        Raises:
            IntegrityFailed: something is there, and not what was stored; the context is quarantined.
            StoreUnavailable: the store cannot be asked.
        """
        found: dict[str, bytes] = {}
        missing: dict[str, dict[str, int]] = {}
        for each in wanted:
            for digest in each.media:
                if digest in history.blobs:
                    found[digest] = history.blobs[digest]
                else:
                    missing.setdefault(each.home, {}).setdefault(digest, each.seq)
        for home, digests in missing.items():
            async for digest, blob in self.fetched(Keys(keys.tenant, home), list(digests)):
                if blob is None:
                    raise await self.without_content(keys, digests[digest])
                found[digest] = blob
                history.keep_blob(digest, blob)
        return found

    async def fetched(self, place: Keys, digests: Sequence[str]) -> AsyncIterator[tuple[str, bytes | None]]:
        """Fetch blobs of one context, those that are there; None where one is not what its digest says.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        if not digests:
            return
        cipher = await self.cipher_of(place)
        contents = await self._store.command(place, "HMGET", BLOBS, *digests)
        for digest, content in zip(digests, contents, strict=True):
            if content is not None:
                yield digest, _opened_blob(content, digest, cipher)

    async def without_content(self, keys: Keys, seq: int) -> IntegrityFailed:
        """Quarantine a context, as content that a turn refers to was altered; returns the error to raise."""
        return await self._quarantined(keys, BadTurn(seq, "the content it refers to is not what was stored"))

    async def bodies(self, keys: Keys, stored: Stored) -> AsyncIterator[tuple[Frame, bytes]]:
        """Read all turns from the store, those of the parents first, each proven, with its JSON.

        Raises:
            IntegrityFailed: one is not what was stored; the context is quarantined.
            StoreUnavailable: the store cannot be asked.
        """
        lineage = lineages.decode(stored.facts.lineage)
        ends = [each.at for each in lineage[1:]] + [stored.turns]
        heads = [each.head for each in lineage[1:]] + [stored.head]
        try:
            for each, end, head in zip(lineage, ends, heads, strict=True):
                home = Keys(keys.tenant, each.context)
                cipher, link = await self.cipher_of(home), self._genesis(keys, each)
                for first in range(each.at, end, PAGE):
                    last = min(first + PAGE, end) - 1
                    frames = await self._store.frames(home, first - each.at, last - each.at)
                    for seq, found in enumerate(proven(self._keys, keys.tenant, frames, first, link), first):
                        yield found, body_of(found, seq, cipher)
                        link = found.link
                        if seq % SLICE == 0:
                            await asyncio.sleep(0)
                if link.hex() != head:
                    raise BadTurn(max(0, end - 1), "the chain does not end where it should")
        except Unprovable as error:
            raise IntegrityFailed(f"the context cannot be proven: {error}") from None
        except (BadTurn, Damaged, Undecipherable) as error:
            bad = error if isinstance(error, BadTurn) else BadTurn(0, str(error))
            raise await self._quarantined(keys, bad) from None

    async def turn_at(self, keys: Keys, stored: Stored, head: str) -> Turn:
        """Find the turn with which a context had come to `head`, among its last ones, and prove it.

        Raises:
            IntegrityFailed: it is not there, or not what was stored.
        """
        frames = await self._store.frames(keys, -PAGE, -1)
        first = stored.turns - len(frames)
        try:
            for place in range(len(frames) - 1, -1, -1):
                if decode_frame(frames[place]).head == head:
                    seq = first + place
                    before = (
                        decode_frame(frames[place - 1]).link
                        if place
                        else self._genesis(keys, lineages.decode(stored.facts.lineage)[-1])
                    )
                    (found,) = proven(self._keys, keys.tenant, frames[place : place + 1], seq, before)
                    return from_frame(found, seq, self.own_cipher(keys, stored), keys.context).turn
        except (Unprovable, LaterVersion) as error:
            raise IntegrityFailed(f"the answer to this call cannot be proven: {error}") from None
        except (BadTurn, Damaged) as error:
            raise await self._quarantined(keys, error) from None
        raise IntegrityFailed("the answer to this call is not where it was stored")

    async def head_of(self, keys: Keys, frame: bytes) -> str:
        """The link to which a stored turn says it brought the chain; whoever reads on from it proves that.

        Raises:
            IntegrityFailed: it is no turn, or one that a later gateway stored.
        """
        try:
            return decode_frame(frame).head
        except LaterVersion as error:
            raise IntegrityFailed(f"the turn cannot be proven: {error}") from None
        except Damaged as error:
            raise await self._quarantined(keys, error) from None

    def opened(self, keys: Keys, stored: Stored, content: bytes, place: str) -> bytes:
        """Decrypt what a context keeps at a place.

        Raises:
            IntegrityFailed: it is not what was kept there.
        """
        cipher = self.own_cipher(keys, stored)
        try:
            return content if cipher is None else cipher.decrypt(content, place)
        except Undecipherable:
            raise IntegrityFailed("what was kept cannot be decrypted") from None

    async def _quarantined(self, keys: Keys, error: BadTurn | Damaged) -> IntegrityFailed:
        """Have nobody continue a context that is not what was stored; returns the error to raise."""
        self.forget(keys)
        await self._store.mark(keys, "gateway", "quarantined", str(error))
        _log.error("context %s of tenant %s is quarantined: %s", keys.context, keys.tenant, error)
        turn = error.seq if isinstance(error, BadTurn) else None
        return IntegrityFailed(f"stored bytes are not what was stored: {error}", turn)

    async def _at(self, keys: Keys, stored: Stored) -> History:
        history = self.known(keys)
        if history is None or history.epoch != stored.epoch or len(history.turns) > stored.turns:
            self.forget(keys)
            history = await self._begun(keys, stored)
        # Between the question and its answer another call may have read on, or all may have been forgotten.
        await self._read_on(keys, stored, history)
        newer = len(history.turns) > stored.turns
        if newer:
            # While this one read, another read on to what came later: that stays known, and here it is not wanted.
            history = await self._begun(keys, stored)
            await self._read_on(keys, stored, history)
        if history.link.hex() != stored.head:
            raise BadTurn(max(0, stored.turns - 1), "the chain does not end where it should")
        history.rev, history.stored = max(history.rev, stored.rev), stored.told
        if not newer:
            self.keep(keys, history)
        return history

    def keep(self, keys: Keys, history: History) -> None:
        """Hold on to a history that has grown; those used longest ago make room for it."""
        if self._known.get(keys) is not history:
            self.forget(keys)
            self._known[keys] = history
            history.counted = 0
        self._known.move_to_end(keys)
        self._count(history)

    def told(self, keys: Keys, history: History, target: str, render: Render) -> None:
        """Keep what a target was told last, where the history is still kept."""
        history.keep_render(target, render)
        if self._known.get(keys) is history:
            self._count(history)

    def _count(self, history: History) -> None:
        """Count a history that is kept, as it is now, and forget those for which there is no room any more."""
        size = history.size * _RESIDENT // 100
        self._size += size - history.counted
        history.counted = size
        while self._size > self._budget and len(self._known) > 1:
            self.forget(next(iter(self._known)))

    async def _begun(self, keys: Keys, stored: Stored) -> History:
        """Begin a history: with the turns of the contexts that this one is a fork of, if it is one."""
        try:
            lineage = lineages.decode(stored.facts.lineage)
        except (ValueError, TypeError):
            raise BadTurn(0, "it is not known where the context began") from None
        own = lineage[-1]
        if own.context != keys.context or own.at != stored.base:
            raise BadTurn(stored.base, "the context began as another")
        history = History(lineage, self._opened_by(keys, stored.facts.dek), stored.epoch)
        for each, after in pairwise(lineage):
            await self._inherit(keys, history, each, after)
        history.link = self._genesis(keys, own)
        return history

    async def _inherit(self, keys: Keys, history: History, each: Genesis, after: Genesis) -> None:
        """Take in the turns of one ancestor, up to where the next one left."""
        place = Keys(keys.tenant, each.context)
        history.link = self._genesis(keys, each)
        cipher = self._opened_by(place, await self._store.command(place, "HGET", HASH, "dek"))
        for first in range(each.at, after.at, PAGE):
            last = min(first + PAGE, after.at) - 1
            frames = await self._store.frames(place, first - each.at, last - each.at)
            await self._take(history, place, frames, first, cipher)
        if len(history.turns) != after.at or history.link.hex() != after.head:
            raise BadTurn(
                after.at - 1, f"the turns of context {each.context} are not those it was forked from"
            )

    async def _read_on(self, keys: Keys, stored: Stored, history: History) -> None:
        """Read a context's own turns up to those it was read with."""
        await self._read_up_to(keys, stored, history, stored.first)
        await self._take(history, keys, stored.frames, stored.first)
        await self._read_up_to(keys, stored, history, stored.turns)

    async def _read_up_to(self, keys: Keys, stored: Stored, history: History, end: int) -> None:
        """Read a context's own turns, page by page, until there are `end`."""
        while (first := len(history.turns)) < end:
            last = min(first + PAGE, end) - 1
            frames = await self._store.frames(keys, first - stored.base, last - stored.base)
            if not frames:
                raise BadTurn(first, "it is missing")
            await self._take(history, keys, frames, first)

    async def _take(
        self, history: History, home: Keys, frames: Sequence[bytes], first: int, cipher: Cipher | None = None
    ) -> None:
        """Take in frames of `home`'s from turn `first` on, some at a time, so that others have their turn between.

        Others may read the same meanwhile: what they took in is not taken in again.
        """
        while (taken := len(history.turns) - first) < len(frames):
            self._take_some(history, home, frames[taken : taken + SLICE], cipher or history.cipher)
            if len(history.turns) - first < len(frames):
                await asyncio.sleep(0)

    def _take_some(
        self, history: History, home: Keys, frames: Sequence[bytes], cipher: Cipher | None
    ) -> None:
        """Take in the frames that follow, each as soon as it is proven."""
        first = len(history.turns)
        link = history.link
        turns: list[Kept] = []
        for seq, found in enumerate(proven(self._keys, home.tenant, frames, first, link), first):
            try:
                turns.append(from_frame(found, seq, cipher, home.context))
            except Damaged as error:
                raise BadTurn(seq, str(error)) from None
            link = found.link
        history.add(turns, link)

    def _genesis(self, keys: Keys, genesis: Genesis) -> bytes:
        return link_of_genesis(self._keys, keys.tenant, genesis)

    def own_cipher(self, keys: Keys, stored: Stored) -> Cipher | None:
        """The cipher of a context as it was read; None where it is not encrypted.

        Raises:
            IntegrityFailed: its key is not what was written down, or cannot be opened here.
        """
        return self._cipher(keys, stored.facts.dek)

    async def cipher_of(self, place: Keys) -> Cipher | None:
        """The cipher of a context, which may have none.

        Raises:
            IntegrityFailed: its key is not what was written down, or cannot be opened here.
            StoreUnavailable: the store cannot be asked.
        """
        return self._cipher(place, await self._store.command(place, "HGET", HASH, "dek"))

    def _cipher(self, place: Keys, dek: bytes | None) -> Cipher | None:
        try:
            return self._opened_by(place, dek)
        except BadTurn as error:
            raise IntegrityFailed(f"stored bytes are not what was stored: {error}") from None
        except UnknownKey as error:
            raise _unknown(error) from None

    def _opened_by(self, place: Keys, dek: bytes | None) -> Cipher | None:
        if dek is None:
            return None
        try:
            return open_cipher(self._keys, place.tenant, place.context, dek)
        except Undecipherable:
            raise BadTurn(0, "the context's key is not its own") from None


def _unknown(key: UnknownKey) -> IntegrityFailed:
    return IntegrityFailed(f"the context cannot be proven: its key {key} is not among contexts.keys")


def _opened_blob(content: bytes, digest: str, cipher: Cipher | None) -> bytes | None:
    try:
        plain = content if cipher is None else cipher.decrypt(content, digest)
    except Undecipherable:
        return None
    return plain if digest_of(plain) == digest else None
