"""Which store this is: one that lost everything answers just as one in which there never was anything.

A store is given a random id when a gateway first meets it, and each gateway writes down the id of its store in a
file. A store without that id is not the one whose keys and budgets the gateway knows, until an operator says that
it is to be. That is noted in the store, so that every gateway of the old one hears of it.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from llmgw.state.connection import State
from llmgw.state.health import Problem
from llmgw.state.private_file import PrivateFileError, make_once, read_private
from llmgw.types.errors import GatewayError, StoreUnavailable
from llmgw.types.limit_errors import StoreReset

KEY: Final = "llmgw:store"
"""A hash: `id`, and by `over:<id>` the unix ms when the loss of that store was accepted."""
FILE: Final = "store-id"
POLL_S: Final = 0.5
"""Seconds between two looks."""
ID_MAX: Final = 64

_RESET: Final = Problem(
    code="store_reset",
    message="the store is not the one this gateway knows: its keys, budgets and ledger are not there",
    fix="restore the store's data, or accept the loss with: llmgw store accept",
)
_UNREADABLE: Final = Problem(
    code="store_reset",
    message="which store this gateway knows cannot be read, so it may have lost its data",
    fix=f"have {FILE} in state.dir belong to the gateway's user, with mode 0600",
)

_log = logging.getLogger(__name__)


class Comparison(NamedTuple):
    """The id this gateway knows, the one the store has, and whether that one stands for the known one."""

    known: str | None
    found: str | None
    accepted: bool

    @property
    def lost(self) -> bool:
        """Whether this is another store than the one that is known."""
        return self.known is not None and self.found != self.known and not self.accepted


class StoreIdentity:
    """Compares the store with the one that is known; one per worker.

    `lost` is what the last look found: it is asked of memory, and as old as `POLL_S` while the store answers.
    """

    def __init__(self, state: State, state_dir: Path) -> None:
        self.lost = False
        self.path = state_dir / FILE
        self.when_taken_over: Callable[[], None] = lambda: None
        """Called when another store has taken the known one's place, as an operator wants it."""
        self._state = state
        self._known: str | None = None
        self._unreadable = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look, and go on looking; a store that is away is looked at when it is back."""
        await self._look_safely()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def compare(self) -> Comparison:
        """Ask the store who it is; changes nothing.

        Raises:
            StoreUnavailable: it does not say.
            PrivateFileError: what this gateway knows cannot be read.
        """
        known = self._known or self._written()
        found, over = await self._state.hash_fields(KEY, "id", f"over:{known}")
        return Comparison(known, _text(found), accepted=found is not None and over is not None)

    async def look(self) -> None:
        """Compare; a gateway that knows no store yet gets to know this one.

        Raises:
            StoreUnavailable: the store does not say; what was found before stays.
        """
        try:
            seen = await self.compare()
        except PrivateFileError as error:
            if not self._unreadable:
                _log.error("which store this gateway knows cannot be read: %s", error)
            self._unreadable = self.lost = True
            return
        self._unreadable = False
        if seen.known is None:
            await self._meet()
        elif seen.lost:
            if not self.lost:
                _log.error("the store is not the one that this gateway knows: see llmgw store status")
            self._known, self.lost = seen.known, True
        elif seen.found is not None:
            taken_over = seen.found != seen.known
            self._known, self.lost = seen.found, False
            if taken_over:
                self._write(seen.found)
                _log.warning("the store takes the place of one that was lost, as an operator has accepted")
                self.when_taken_over()

    async def require(self) -> None:
        """Be sure that this is the store that is known.

        Raises:
            StoreReset: it is another.
            StoreUnavailable: it does not say.
        """
        await self.look()
        if self.lost:
            raise self.reset()

    def reset(self) -> StoreReset:
        """The error of a call that needs what the lost store had."""
        return StoreReset(
            "the gateway's store has lost what was spent; an operator must restore it or accept that",
            retry_after_s=1.0,
        )

    async def problems(self) -> list[Problem]:
        """What readiness is told; never raises."""
        await self._look_safely()
        if not self.lost:
            return []
        return [_UNREADABLE if self._unreadable else _RESET]

    async def diagnosis(self) -> list[Problem]:
        """The same, for somebody who only looks: a store that is not known yet stays so."""
        try:
            return [_RESET] if (await self.compare()).lost else []
        except PrivateFileError:
            return [_UNREADABLE]
        except StoreUnavailable:
            return []

    async def accept(self) -> Comparison:
        """Have this store take the place of the known one, for every gateway that knew it; again does no harm.

        Raises:
            StoreUnavailable: it is not known whether it was done.
            PrivateFileError: what this gateway knows cannot be read.
        """
        seen = await self.compare()
        if seen.lost:
            await self._state.command("HSETNX", KEY, "id", secrets.token_hex(16))
            await self._state.put_hash(KEY, {f"over:{seen.known}": time.time_ns() // 1_000_000})
            await self.look()
        return seen

    async def _meet(self) -> None:
        await self._state.command("HSETNX", KEY, "id", secrets.token_hex(16))
        (found,) = await self._state.hash_fields(KEY, "id")
        known = _text(found)
        if known is not None:
            try:
                make_once(self.path, known)
            except PrivateFileError as error:
                _log.error("which store this gateway knows cannot be written down: %s", error)
            self._known, self.lost = known, False

    def _written(self) -> str | None:
        if not self.path.exists():
            return None
        known = read_private(self.path).strip()
        if not known or len(known) > ID_MAX or not known.isalnum():
            raise PrivateFileError(
                f"{self.path} holds no id of a store; remove it to know the store that is there"
            )
        return known

    def _write(self, known: str) -> None:
        draft = self.path.with_name(f".{FILE}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            make_once(draft, known)
            draft.replace(self.path)
        except (OSError, PrivateFileError) as error:
            _log.error("which store this gateway knows cannot be written down: %s", error)

    async def _look_safely(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self.look()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._look_safely()
            except (GatewayError, OSError):
                _log.exception("looking which store this is failed")


def _text(found: bytes | None) -> str | None:
    return None if found is None else found.decode("ascii", "replace")
