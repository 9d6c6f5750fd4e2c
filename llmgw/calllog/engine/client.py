"""The worker's side of its engine: starts the process when first needed, and ends it on a deadline or when idle."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from llmgw.calllog.engine.frames import (
    LENGTH,
    MAX_FRAME,
    Failed,
    Opening,
    Operation,
    Reply,
    Request,
    framed,
)
from llmgw.calllog.engine.held import Held
from llmgw.types.call_log_errors import CallLogUnavailable, QueryRefused, QueryTooLarge
from llmgw.types.errors import DeadlineExceeded, InternalError, Overloaded

_log = logging.getLogger(__name__)

GRACE_S: Final = 2.0
"""How much longer than it was given an engine may take to say that it took too long."""
MAX_WAITING: Final = 32
"""Requests that may wait for the one at work."""
_MIB: Final = 1024 * 1024
_LINE: Final = 500
_KEPT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
_decoder: Final = msgspec.msgpack.Decoder(Reply)


class Vanished(CallLogUnavailable):
    """A file went while it was read, or cannot be: a fresh look at what there is may help."""


class EngineLimits(Struct, frozen=True, kw_only=True):
    """What an engine may use, and how long it may be idle."""

    memory_bytes: int = 512 * _MIB
    spill_bytes: int = 2048 * _MIB
    threads: int = 2
    idle_s: float = 300.0


class Engine:
    """One process at most, which answers one request after the other; used from one event loop.

    `scratch` is its own directory, emptied at each start; `directories` are where segments may be.
    """

    def __init__(
        self, scratch: Path, directories: tuple[Path, ...], limits: EngineLimits | None = None
    ) -> None:
        self._limits = limits or EngineLimits()
        self._opening = Opening(
            scratch=str(scratch),
            directories=tuple(map(str, directories)),
            memory_bytes=self._limits.memory_bytes,
            spill_bytes=self._limits.spill_bytes,
            threads=self._limits.threads,
        )
        self._process: asyncio.subprocess.Process | None = None
        self._held = Held()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._tasks = set[asyncio.Task[object]]()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process at work, if there is one."""
        return self._process.pid if self._process is not None else None

    async def ask(self, operation: Operation, within_s: float) -> Reply:
        """Have an operation done; the answer is never `Failed`.

        Raises:
            QueryRefused: a query says what it may not.
            QueryTooLarge: it needs more than is allowed.
            DeadlineExceeded: there was no answer in time.
            CallLogUnavailable: the engine ended in the middle, or cannot read what is stored; the next one may.
            Overloaded: too many wait already.
            InternalError: the engine met a fault of its own.
        """
        if self._closed:
            raise CallLogUnavailable("the gateway is stopping", retry_after_s=1)
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many questions to the call log are waiting", retry_after_s=2)
        self._waiting += 1
        # A caller that goes away must not leave an answer in the pipe, so what was begun is ended.
        exchange = asyncio.get_running_loop().create_task(self._one(operation, within_s))
        self._tasks.add(exchange)
        exchange.add_done_callback(self._done)
        reply = await asyncio.shield(exchange)
        if isinstance(reply, Failed):
            raise _error(reply)
        return reply

    async def aclose(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        self._rest()
        await self._stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._waiting -= 1
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone, and nobody else is to be told

    async def _one(self, operation: Operation, within_s: float) -> Reply:
        async with self._turn:
            self._rest()
            try:
                process = await self._running()
                return await asyncio.wait_for(self._told(process, operation, within_s), within_s + GRACE_S)
            except TimeoutError:
                await self._stop()
                raise DeadlineExceeded(f"there was no answer within {within_s:g} s") from None
            except (OSError, EOFError, msgspec.MsgspecError) as error:
                await self._stop()
                _log.warning(
                    "the call log's engine ended in the middle of a request: %s", type(error).__name__
                )
                raise CallLogUnavailable(
                    "the process that reads the call log ended in the middle", retry_after_s=1
                ) from None
            except BaseException:
                await self._stop()
                raise
            finally:
                if not self._closed:
                    self._idle = asyncio.get_running_loop().call_later(self._limits.idle_s, self._end_idle)

    async def _told(
        self, process: asyncio.subprocess.Process, operation: Operation, within_s: float
    ) -> Reply:
        """Send what the process does not have yet; all of it where it turns out to have less."""
        reply: Reply = Failed(kind="forgotten", message="")
        for _ in range(2):
            request = Request(operation=self._held.rest_of(operation), within_s=within_s)
            reply = await _exchange(process, framed(request))
            if not isinstance(reply, Failed) or reply.kind != "forgotten":
                break
            self._held.clear()
        return reply

    async def _running(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        self._held.clear()
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no module out of the directory that the gateway was started in
            "-m",
            "llmgw.calllog.engine",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=kept,  # no secret of the worker's is in it
            start_new_session=True,  # a signal to the worker's terminal is the worker's to pass on
        )
        if process.stdin is None or process.stderr is None:
            raise EOFError
        listening = asyncio.get_running_loop().create_task(_tell(process.stderr))
        self._tasks.add(listening)
        listening.add_done_callback(self._tasks.discard)
        process.stdin.write(framed(self._opening))
        await process.stdin.drain()
        return process

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _end_idle(self) -> None:
        if self._turn.locked():
            return
        # Nobody gets a process that is about to end.
        process, self._process = self._process, None
        self._held.clear()
        task = asyncio.get_running_loop().create_task(_end(process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self) -> None:
        process, self._process = self._process, None
        await _end(process)


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()


async def _exchange(process: asyncio.subprocess.Process, request: bytearray) -> Reply:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(request)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH), "big")
    if length > MAX_FRAME:
        raise EOFError
    reply: Reply = _decoder.decode(await process.stdout.readexactly(length))
    return reply


async def _tell(errors: asyncio.StreamReader) -> None:
    """Put into the log what the engine says of its own faults."""
    with contextlib.suppress(ValueError, OSError):
        while line := await errors.readline():
            _log.warning("the call log's engine: %s", line[:_LINE].decode(errors="replace").rstrip())


_ERRORS: Final[dict[str, Callable[[str], Exception]]] = {
    "refused": lambda message: QueryRefused(message, param="sql"),
    "large": QueryTooLarge,
    "slow": DeadlineExceeded,
    "away": lambda message: Vanished(message, retry_after_s=1),
}


def _error(failed: Failed) -> Exception:
    return _ERRORS.get(failed.kind, InternalError)(failed.message)
