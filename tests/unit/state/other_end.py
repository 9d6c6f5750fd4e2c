"""The other end of a lane, in memory: it keeps what was written, and says what it is told to."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any

from hiredis import Reader, pack_command
from llmgw.state.lane import Lane

T_S = 1000.0
"""What an answer may take: longer than any test; time passes by leaps."""


class OtherEnd(asyncio.Transport):
    """One connection to a server that reads commands and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[list[bytes]] = []
        self.writes = 0
        self._reader = Reader()
        self._protocol: asyncio.Protocol | None = None
        self._closing = False

    def hand_over(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Let a lane have it."""
        self._protocol = protocol
        return self

    @property
    def protocol(self) -> asyncio.Protocol:
        """Who hears what is said."""
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Read commands."""
        assert not self._closing, "written to a connection that is closed"
        self.writes += 1
        self._reader.feed(bytes(data))
        while (command := self._reader.gets()) is not False:
            self.commands.append(command)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Read commands."""
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._closing

    def abort(self) -> None:
        """Close."""
        self.hang_up(None)

    def say(self, data: bytes) -> None:
        """Send bytes, if there is still anybody to hear them."""
        if not self._closing:
            self.protocol.data_received(data)

    def hang_up(self, error: Exception | None) -> None:
        """Close, as the server does."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, error)


class Switchboard:
    """Makes connections for a lane, and keeps them; fails while there is a `failure`, or `hangs`."""

    def __init__(self) -> None:
        self.ends: list[OtherEnd] = []
        self.failure: Exception | None = None
        self.hangs = False
        self.dials = 0
        self.troubles = 0
        self.lane = Lane(self.dial, T_S, self._trouble)

    async def dial(self) -> OtherEnd:
        """Connect."""
        self.dials += 1
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.failure is not None:
            raise self.failure
        self.ends.append(OtherEnd())
        return self.ends[-1]

    def send(self, *words: str | bytes | int, asking: bool = False) -> "asyncio.Future[Any]":
        """Send a command."""
        packed: bytes = pack_command(words)  # type: ignore[arg-type]
        return self.lane.send(packed, asking=asking)

    @property
    def written(self) -> list[bytes]:
        """The first argument of every command that was ever written, connection by connection."""
        return [command[1] for end in self.ends for command in end.commands if len(command) > 1]

    def _trouble(self) -> None:
        self.troubles += 1


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock goes on by leaps, too."""

    leapt_s = 0.0

    def time(self) -> float:
        """Seconds."""
        return super().time() + self.leapt_s


def play(scene: Callable[[Switchboard], Coroutine[Any, Any, None]]) -> None:
    """Run a scene on a lane of its own, and close that."""

    async def run() -> None:
        board = Switchboard()
        async with aclosing(board.lane):
            await scene(board)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(run())


async def leap(periods: float) -> None:
    """Let so many times a lane's patience pass, and all happen that is due by then."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.leapt_s += periods * T_S
    await settled()


async def settled() -> None:
    """Let everything happen that is about to."""
    for _ in range(12):
        await asyncio.sleep(0)
