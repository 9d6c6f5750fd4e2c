"""Keeps a worker's snapshot in step with the registry: told of changes at once, and looking for them besides.

What the store says is there is taken, and what it says is not there is dropped. A store that says nothing, that
lost what it had, or whose bytes are not what was pushed, changes nothing: what was good last stays.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from llmgw.prompts.serving import last_good
from llmgw.prompts.serving.last_good import KeptPrompt, LastGoodRefused
from llmgw.prompts.serving.snapshot import Snapshot
from llmgw.prompts.serving.usage import Counted, Sums, Usage
from llmgw.prompts.storage import keys
from llmgw.prompts.storage.store import PAGE, PromptStore, Standing, decode_info
from llmgw.state.connection import State
from llmgw.types.clock import Clock
from llmgw.types.errors import InternalError, StoreUnavailable
from llmgw.types.prompt import SERVED, PromptInfo

DEAF_POLL_S: Final = 0.5
"""Seconds between two looks for changes while nothing tells of them."""
FLUSH_S: Final = 3.0
"""Seconds between two reports of what was counted."""
BATCH: Final = 500
"""Sums that are brought to the store in one step."""
SAVE_S: Final = 1.0
"""Seconds between two writings of the file."""

_log = logging.getLogger(__name__)


class RegistryProblem(Struct, frozen=True, kw_only=True):
    """Why prompts may not be as they are in the registry; those that were good last are served."""

    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """The problem as readiness tells it: public, so without names of prompts."""
        return {"code": self.code, "message": self.message}


class Follower:
    """Follows the registry into a snapshot, and brings the store what was counted. One task, one connection."""

    def __init__(
        self,
        state: State,
        snapshot: Snapshot,
        usage: Usage,
        clock: Clock,
        *,
        poll_s: float,
        file: Path | None,
    ) -> None:
        self._state = state
        self._store = PromptStore(state)
        self._snapshot = snapshot
        self._usage = usage
        self._clock = clock
        self._poll_s = poll_s
        self._file = file
        self._known = Standing("", 0)
        self._stamps: dict[tuple[str, str], str] = {}
        self._whole = True
        """Whether the next look compares every prompt: the store may not be the one it was."""
        self._away: RegistryProblem | None = None
        self._damaged: dict[tuple[str, str], str] = {}
        self._unreadable: RegistryProblem | None = None
        self._worker = secrets.token_hex(8)
        self._batch = 0
        self._unsent: Mapping[Counted, Sums] = {}
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._touched = False
        self._dirty = False
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Read what is in the file, look at the store once, and follow it from then on."""
        await self._from_disk()
        await self.look()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop following; what was counted is brought to the store, and the file written, if that is possible."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._closing.set()
        await self._flush()
        if self._writing is not None:
            await self._writing

    def problems(self) -> list[RegistryProblem]:
        """Why prompts may not be as they are in the registry; an empty list means that they are."""
        found = [each for each in (self._away, self._unreadable) if each is not None]
        if self._damaged:
            found.append(
                RegistryProblem(
                    code="prompts_damaged",
                    message=f"{len(self._damaged)} prompts in the registry are not what was pushed; "
                    "what was good last is served",
                )
            )
        return found

    async def look(self) -> bool:
        """Take over what has changed; says whether the store could be asked. Never raises of its own."""
        try:
            await self._step()
        except StoreUnavailable as failure:
            # What answers next may be another server, which lacks the last changes and has others in their place.
            self._whole = True
            self._lost("prompts_unreachable", f"the prompt registry cannot be asked: {failure.message}")
            return False
        return True

    async def _step(self) -> None:
        standing = await self._store.standing()
        if not standing.epoch:
            if self._known.epoch:
                self._lost("prompts_lost", "the prompt registry is empty although it was not")
            else:
                self._snapshot.confirm()
                self._away = None
            self._whole = True
            return
        known = self._known
        other = standing.epoch != known.epoch or standing.generation < known.generation
        whole = bool(other or self._whole or self._damaged)
        if whole or standing.generation != known.generation:
            await self._take(None if whole else known.generation, standing.epoch)
            self._known = standing
            self._whole = False
            if self._touched or standing != known or self._unreadable is not None:
                self._touched = False
                self._save()
        self._snapshot.confirm()
        self._away = None

    async def _take(self, after: int | None, epoch: str) -> None:
        """Take over all prompts that are not as known, or those of them that changed after a generation.

        Raises:
            StoreUnavailable: the store cannot be asked, or has lost its prompts since it was of this epoch.
        """
        members = await self._store.members(after)
        gone: list[tuple[str, str]] = []
        for first in range(0, len(members), PAGE):
            page = members[first : first + PAGE]
            found = await self._store.read(page, [self._stamps.get(each, "") for each in page])
            changed: dict[tuple[str, str], tuple[str, PromptInfo]] = {}
            for which, each in zip(page, found, strict=True):
                if not each.stamp:
                    gone.append(which)
                elif each.info is not None:
                    try:
                        changed[which] = (each.stamp, decode_info(each.info, which[1]))
                    except InternalError as error:
                        self._damage(which, error.message)
            await self._put(changed)
        if after is None:
            gone.extend(set(self._stamps) - set(members))
        if gone and (await self._store.standing()).epoch != epoch:
            # It was emptied while it was read: that nothing was found is no news of removals.
            raise StoreUnavailable("it was emptied while it was read")
        for which in gone:
            self._drop(which)

    async def _put(self, changed: Mapping[tuple[str, str], tuple[str, PromptInfo]]) -> None:
        """Put whole prompts into the snapshot, with the contents that are not in it yet."""
        wanted = {which: self._lacking(which, info) for which, (_, info) in changed.items()}
        fetched = await self._fetch([(*which, hashes) for which, hashes in wanted.items() if hashes])
        for which, (stamp, info) in changed.items():
            contents = {digest: each for digest in wanted[which] if (each := fetched.get((which, digest)))}
            try:
                self._snapshot.put(which[0], info, contents)
            except ValueError as error:
                self._damage(which, str(error))
            else:
                self._stamps[which] = stamp
                self._touched = True
                self._damaged.pop(which, None)
            await asyncio.sleep(0)

    def _lacking(self, which: tuple[str, str], info: PromptInfo) -> list[str]:
        kept = self._snapshot.kept(*which)
        known = kept.contents if kept is not None else {}
        served = {each.hash for each in info.versions.values() if each.state in SERVED}
        return sorted(served - set(known))

    async def _fetch(
        self, wanted: Sequence[tuple[str, str, Sequence[str]]]
    ) -> dict[tuple[tuple[str, str], str], bytes]:
        found: dict[tuple[tuple[str, str], str], bytes] = {}
        waiting = [(tenant, name, digest) for tenant, name, hashes in wanted for digest in hashes]
        while waiting:
            page = waiting[:PAGE]
            contents = await self._store.contents([(tenant, name, [digest]) for tenant, name, digest in page])
            for (tenant, name, digest), content in zip(page, contents, strict=False):
                if content is not None:
                    found[(tenant, name), digest] = content
            # At least one came, so this ends.
            waiting = waiting[max(1, len(contents)) :]
        return found

    def _drop(self, which: tuple[str, str]) -> None:
        self._snapshot.drop(*which)
        self._touched = True
        self._stamps.pop(which, None)
        self._damaged.pop(which, None)

    def _damage(self, which: tuple[str, str], why: str) -> None:
        if self._damaged.get(which) != why:
            _log.error("the prompt %s of tenant %s is not taken over: %s", which[1], which[0], why)
        self._damaged[which] = why
        self._snapshot.spoil(*which)

    def _lost(self, code: str, message: str) -> None:
        if self._away is None or self._away.code != code:
            _log.warning("%s; the prompts that were good last are served", message)
        self._away = RegistryProblem(code=code, message=message)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._state.listen(keys.CHANNEL)) as listener:
            poll = flush = loop.time()
            while True:
                notice = await listener.wait(max(0.0, min(poll, flush) - loop.time()) or 0.01)
                try:
                    if notice == b"":
                        self._whole = True
                    if (notice is not None and not self._is_known(notice)) or loop.time() >= poll:
                        await self.look()
                        poll = loop.time() + self._poll_s
                    if not listener.hearing:
                        # Told of nothing, it finds out by looking: that the store is away, too.
                        poll = min(poll, loop.time() + DEAF_POLL_S)
                    if loop.time() >= flush:
                        await self._flush()
                        flush = loop.time() + FLUSH_S
                except Exception:  # noqa: BLE001 - one bad look must not be the last one
                    _log.exception("following the prompt registry failed")
                    self._whole = True
                    poll = loop.time() + self._poll_s

    def _is_known(self, notice: bytes) -> bool:
        return bool(self._known.epoch) and notice == b"%d" % self._known.generation

    async def _flush(self) -> None:
        """Bring the store what was counted. A batch whose fate is unknown is sent again, and added once."""
        with contextlib.suppress(StoreUnavailable):
            while self._unsent or self._next_batch():
                await self._store.flush(self._worker, self._batch, self._unsent)
                self._unsent = {}

    def _next_batch(self) -> bool:
        self._unsent = self._usage.take(BATCH)
        self._batch += 1
        return bool(self._unsent)

    async def _from_disk(self) -> None:
        if self._file is None:
            return
        try:
            found = await asyncio.to_thread(last_good.read, self._file)
        except LastGoodRefused as refusal:
            _log.warning("the last good prompts are not used: %s", refusal)
            self._unreadable = RegistryProblem(
                code="prompts_file_refused", message="the file of the last good prompts was refused"
            )
            return
        if found is None:
            return
        header, prompts = found
        self._known = Standing(header.epoch, header.generation)
        for each in prompts:
            with contextlib.suppress(ValueError):
                self._snapshot.put(each.tenant, each.info, each.contents)
                self._stamps[each.tenant, each.info.name] = each.stamp
        self._snapshot.from_disk(header.written_unix_ns)

    def _save(self) -> None:
        """Have the file written off the loop; what changes meanwhile is written afterwards."""
        self._unreadable = None
        self._dirty = self._file is not None
        if self._dirty and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        assert self._file is not None  # noqa: S101  # `_save` has looked
        while self._dirty:
            self._dirty = False
            kept = self._kept()
            try:
                await asyncio.to_thread(
                    last_good.write,
                    self._file,
                    self._known.epoch,
                    self._known.generation,
                    kept,
                    self._clock.unix_ns(),
                )
            except OSError as error:
                _log.warning("the last good prompts cannot be kept in %s: %s", self._file, error.strerror)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), SAVE_S)

    def _kept(self) -> list[KeptPrompt]:
        found = []
        # In order, so that all workers write the same bytes for the same state, and all but one need not write.
        for (tenant, name), stamp in sorted(self._stamps.items()):
            kept = self._snapshot.kept(tenant, name)
            if kept is not None:
                found.append(KeptPrompt(tenant, stamp, kept.info, dict(sorted(kept.contents.items()))))
        return found
