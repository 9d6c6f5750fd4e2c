"""The engine as those use it who make segments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from llmgw.calllog.engine.client import Engine
from llmgw.calllog.engine.frames import Compact, Compacted, Operation, Pieces, Reply, Write
from llmgw.calllog.engine.pieces import Piece
from llmgw.calllog.ingest import WriterRefused, WriterUnavailable
from llmgw.types.call_log_errors import QueryTooLarge
from llmgw.types.errors import GatewayError, InternalError

R = TypeVar("R", bound=Reply)

WRITE_S: Final = 60.0
COMPACT_S: Final = 120.0


class EngineWriter:
    """A `Writer` that has the worker's engine do it."""

    def __init__(self, engine: Engine, scratch: Path) -> None:
        """Put it together; `scratch` is one of the engine's directories, and not its own."""
        self._engine = engine
        self._scratch = scratch

    @property
    def scratch(self) -> Path:
        """As `Writer`."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._scratch

    async def write(self, dataset: str, lines: list[bytes]) -> Sequence[Piece]:
        """As `Writer`."""
        return (await self._done(Write(dataset=dataset, lines=lines), Pieces, WRITE_S)).pieces

    async def compact(self, dataset: str, sources: list[str], target: str) -> int:
        """As `Writer`."""
        asked = Compact(dataset=dataset, sources=sources, target=target)
        return (await self._done(asked, Compacted, COMPACT_S)).rows

    async def _done(self, operation: Operation, kind: type[R], within_s: float) -> R:
        try:
            reply = await self._engine.ask(operation, within_s)
        except (InternalError, QueryTooLarge) as error:
            raise WriterRefused(error.message) from error
        except GatewayError as error:
            raise WriterUnavailable(error.message) from error
        if not isinstance(reply, kind):
            raise WriterUnavailable("the engine answered something else")
        return reply
