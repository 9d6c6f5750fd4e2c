"""Segments made by the engine's process, as who writes and looks after them wants them."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmgw.calllog.engine.client import Engine
from llmgw.calllog.engine.frames import Compact, Compacted, Operation, Pieces, Reply, Write
from llmgw.calllog.engine.pieces import Piece
from llmgw.calllog.ingest import WriterRefused, WriterUnavailable
from llmgw.types.call_log_errors import CallLogUnavailable, QueryRefused, QueryTooLarge
from llmgw.types.errors import DeadlineExceeded, GatewayError, InternalError, Overloaded

WRITE_S: Final = 60.0
COMPACT_S: Final = 120.0
_LEAST_FREE: Final = 64 * 1024 * 1024
_LEFT_S: Final = 86_400.0


class EngineWriter:
    """As `Writer`. `scratch` is for files on their way, and among the directories that the engine may use."""

    def __init__(self, engine: Engine, scratch: Path) -> None:
        self._engine = engine
        self._scratch = scratch

    @property
    def scratch(self) -> Path:
        """As `Writer`."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self._scratch.iterdir():
            # What a worker left that died.
            if each.stat().st_mtime < time.time_ns() / 1e9 - _LEFT_S:
                each.unlink(missing_ok=True)
        return self._scratch

    async def write(self, dataset: str, lines: list[bytes]) -> Sequence[Piece]:
        """As `Writer`."""
        reply = await self._ask(Write(dataset=dataset, lines=lines), WRITE_S)
        if not isinstance(reply, Pieces):
            raise WriterUnavailable("the engine answered something else")
        return reply.pieces

    async def compact(self, dataset: str, sources: list[str], target: str) -> int:
        """As `Writer`."""
        reply = await self._ask(Compact(dataset=dataset, sources=sources, target=target), COMPACT_S)
        if not isinstance(reply, Compacted):
            raise WriterUnavailable("the engine answered something else")
        return reply.rows

    async def aclose(self) -> None:
        """End the process."""
        await self._engine.aclose()

    async def _ask(self, operation: Operation, within_s: float) -> Reply:
        try:
            return await self._engine.ask(operation, within_s)
        except (InternalError, QueryRefused, QueryTooLarge) as error:
            raise WriterRefused(str(error)) from error
        except (CallLogUnavailable, DeadlineExceeded, Overloaded) as error:
            raise WriterUnavailable(str(error), self._why()) from error
        except GatewayError as error:
            raise WriterUnavailable(str(error)) from error

    def _why(self) -> str:
        """Whether there is no room for what the engine writes on its way."""
        try:
            usable = os.access(self._scratch.parent, os.W_OK)
            return (
                "engine" if usable and shutil.disk_usage(self._scratch.parent).free > _LEAST_FREE else "disk"
            )
        except OSError:
            return "disk"
