"""The workers of one gateway, as they ask each other what they show.

Each listens on a Unix socket that only its own user can reach. Its name has the gateway's own id, so that two
gateways over one state directory never answer for each other, and the worker's number, which a worker that takes
another's place inherits.
"""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmgw.telemetry.points import Sheet

DEADLINE_S: Final = 1.0
"""Seconds that a worker has to say what it shows; the scrape goes on without one that takes longer."""
MAX_SHEET: Final = 64 * 1024 * 1024
"""Bytes that are read of a worker at most."""
_PATH_MAX: Final = 100
"""Bytes of a socket's path that every kernel takes, and some room."""
_MODE: Final = 0o600

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Sheet).decode


class Place(Struct, frozen=True, kw_only=True):
    """Where a worker is among its siblings: numbers count from 1 to `workers`, ids are those of the gateway."""

    directory: Path
    gateway: str
    workers: int
    worker: int = 1

    def socket(self, worker: int) -> Path:
        """Where a worker listens."""
        return self.directory / f"{self.gateway}-{worker}.socket"

    @property
    def counting(self) -> Path:
        """Where tokens are counted for all of them."""
        return self.directory / f"{self.gateway}-t.socket"


@contextmanager
def gathered(state_dir: Path, workers: int) -> Iterator[Place]:
    """Give the workers of a gateway a place for their sockets: the state directory, or another if that takes none.

    What they leave there goes with the block, and so do sockets of gateways that were killed.

    Raises:
        OSError: no directory takes any.
    """
    gateway = secrets.token_hex(4)
    place = Place(directory=state_dir / "workers", gateway=gateway, workers=workers)
    own = not _takes_sockets(place)
    if own:
        place = replace(place, directory=Path(tempfile.mkdtemp(prefix="llmgw-")))
    try:
        yield place
    finally:
        for worker in range(1, workers + 1):
            place.socket(worker).unlink(missing_ok=True)
        if own:
            shutil.rmtree(place.directory, ignore_errors=True)


def _takes_sockets(place: Place) -> bool:
    """Whether sockets can be made in the directory: its path may be too long, its disk full or of another kind."""
    probe = place.socket(0)
    try:
        place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _listener(probe).close()
        probe.unlink()
        _sweep(place.directory)
    except OSError:
        return False
    return len(os.fsencode(place.socket(place.workers))) <= _PATH_MAX


class Siblings:
    """One worker's ear and voice; used from one event loop."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._server: asyncio.Server | None = None
        self.missed = 0
        """Times that a worker did not say in time what it shows."""

    @property
    def worker(self) -> str:
        """This worker's number, as its series have it."""
        return str(self._place.worker)

    async def start(self, sheet: Callable[[], Awaitable[Sheet]]) -> None:
        """Answer siblings from now on; alone, or where that cannot be, none is answered."""
        if self._place.workers == 1:
            return

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2 * DEADLINE_S):
                    writer.write(_encode(await sheet()))
                    await writer.drain()
            writer.close()

        path = self._place.socket(self._place.worker)
        try:
            # One that a worker in this place left behind is nobody's.
            path.unlink(missing_ok=True)
            listener = _listener(path)
        except OSError as error:
            _log.warning("other workers cannot be told what this one shows: %s", error)
            return
        self._server = await asyncio.start_unix_server(answer, sock=listener)

    async def others(self) -> list[Sheet]:
        """Ask all siblings at once; those that do not answer in time are left out and counted."""
        place = self._place
        numbers = [number for number in range(1, place.workers + 1) if number != place.worker]
        found = await asyncio.gather(*(self._ask(number) for number in numbers))
        sheets = [sheet for sheet in found if sheet is not None]
        self.missed += len(numbers) - len(sheets)
        return sheets

    async def aclose(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            self._place.socket(self._place.worker).unlink(missing_ok=True)

    async def _ask(self, worker: int) -> Sheet | None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                reader, writer = await asyncio.open_unix_connection(self._place.socket(worker))
                sheet = _decode(await _all(reader))
        except (OSError, TimeoutError, msgspec.MsgspecError):
            return None
        finally:
            if writer is not None:
                writer.close()
        return sheet if sheet.worker == str(worker) else None


async def _all(reader: asyncio.StreamReader) -> bytes:
    """Read to the end.

    Raises:
        OSError: that is too far.
    """
    pieces: list[bytes] = []
    size = 0
    while piece := await reader.read(256 * 1024):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_SHEET:
            raise OSError(errno.EMSGSIZE, "a worker says too much")
    return b"".join(pieces)


def _listener(path: Path) -> socket.socket:
    """Listen where only this process's user may connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(_MODE)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _sweep(directory: Path) -> None:
    """Take away sockets that nobody listens on."""
    for path in directory.glob("*.socket"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.settimeout(DEADLINE_S)
            if probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)
