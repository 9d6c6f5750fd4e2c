"""The simulator's own HTTP/1.1 server: every byte, pause and broken connection exactly as scripted.

Why not an application server: `docs/decisions/0002-simulator-server.md`.
"""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from llmgw.simulator.app import Simulator
from llmgw.simulator.http1 import Malformed, RequestReader, chunk, head_bytes
from llmgw.simulator.reply import Cut, Forever, Head, Piece, Request, Reset, Script, Wait, Whole
from llmgw.simulator.stats import Exchange

_YIELD_EVERY = 16
"""Pieces sent between two looks at what else happened, such as a client that left."""
_NO_LINGER = struct.pack("ii", 1, 0)


class SimulatorServer:
    """Serves a simulator on loopback between `start` and `stop`; port 0 picks a free one."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, simulator: Simulator | None = None) -> None:
        if not _is_loopback(host):
            raise ValueError(f"the simulator listens on loopback only, and {host} is not")
        self.simulator = simulator or Simulator()
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL; clients of other providers take it without `/v1`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self.simulator, self._connections), self.host, self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._connections):
                connection.drop()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve(host: str, port: int, announce: Callable[[str], None], *, strict: bool = False) -> None:
    """Serve until cancelled; `announce` is called once with the base URL.

    Raises:
        OSError: the port is taken.
        ValueError: the host is not loopback.
    """
    async with SimulatorServer(host, port, simulator=Simulator(strict=strict)) as server:
        announce(server.base_url)
        await asyncio.Event().wait()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Connection(asyncio.Protocol):
    """One client; answers its requests in order, one at a time."""

    _transport: asyncio.Transport

    def __init__(self, simulator: Simulator, siblings: "set[_Connection]") -> None:
        self._simulator = simulator
        self._siblings = siblings
        self._reader = RequestReader()
        self._playing: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport is needed")
        self._transport = transport
        self._siblings.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note a client that left in the middle of an answer, and stop answering."""
        del exc
        self._siblings.discard(self)
        if self._exchange is not None:
            self._simulator.stats.left(self._exchange)
            self._exchange = None
        if self._playing is not None:
            self._playing.cancel()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        try:
            self._reader.feed(data)
            self._answer_waiting()
        except Malformed as error:
            if self._playing is None:
                head = head_bytes(error.status, (), length=len(error.message), chunked=False, close=True)
                self._transport.write(head + error.message.encode())
            self._settle()
            self._transport.close()

    def drop(self) -> None:
        """The simulator goes: this client did not leave on its own."""
        self._settle()
        self._transport.abort()

    def _answer_waiting(self) -> None:
        while self._playing is None and not self._transport.is_closing():
            request = self._reader.next()
            if request is None:
                if self._reader.expects_continue():
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            reply = self._simulator.answer(request)
            match reply:
                case Whole():
                    self._write_whole(reply, request)
                case Script():
                    self._exchange = self._simulator.stats.begin(
                        request.path, reply.model, stream=reply.stream
                    )
                    self._playing = asyncio.get_running_loop().create_task(self._play(reply, request))
                    self._playing.add_done_callback(self._played)

    def _write_whole(self, reply: Whole, request: Request) -> None:
        length = None if reply.status == 204 else len(reply.body)
        close = not request.keep_alive
        if reply.bill is not None:
            self._simulator.stats.charge(reply.bill)
        head = head_bytes(reply.status, reply.headers, length=length, chunked=False, close=close)
        self._transport.write(head if request.method == "HEAD" else head + reply.body)
        if close:
            self._transport.close()

    async def _play(self, script: Script, request: Request) -> None:
        chunked = False
        if script.bill is not None:
            self._simulator.stats.charge(script.bill)
        for number, step in enumerate(script.steps, 1):
            match step:
                case Head():
                    chunked = step.length is None and request.http11
                    close = not request.keep_alive or (step.length is None and not chunked)
                    self._transport.write(
                        head_bytes(
                            step.status, step.headers, length=step.length, chunked=chunked, close=close
                        )
                    )
                case Piece():
                    self._transport.write(chunk(step.data) if chunked else step.data)
                    if step.tokens:
                        self._simulator.stats.charge_output(script.model, step.tokens)
                    if self._exchange is not None:
                        self._exchange.pieces += 1
                    await self._breathe(number)
                case _:
                    if await self._pause_or_end(step):
                        return
        if chunked:
            self._transport.write(chunk(b""))
        await self._writable.wait()
        self._settle()
        if not request.keep_alive or not (chunked or request.http11):
            self._transport.close()

    async def _pause_or_end(self, step: Wait | Forever | Cut | Reset) -> bool:
        """Do a step that sends nothing; true where nothing may follow it."""
        match step:
            case Wait():
                await asyncio.sleep(step.seconds)
                return False
            case Forever():
                await asyncio.Event().wait()
            case Cut():
                self._settle()
                self._transport.close()
            case Reset():
                self._settle()
                self._reset()
        return True

    async def _breathe(self, number: int) -> None:
        """Let a slow client catch up, and the loop see what else happened."""
        if not self._writable.is_set():
            await self._writable.wait()
        elif number % _YIELD_EVERY == 0:
            await asyncio.sleep(0)

    def _settle(self) -> None:
        """The exchange ends by our doing."""
        if self._exchange is not None:
            self._simulator.stats.end(self._exchange)
            self._exchange = None

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _played(self, task: asyncio.Task[None]) -> None:
        self._playing = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._transport.abort()
            raise error  # the loop's exception handler reports it
        self.data_received(b"")
