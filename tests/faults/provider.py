"""The fake provider: plays the script that the asked model is named after, and tells what it lived through.

A model is `case` or `case--anything`: what follows the dashes makes a name of its own of it, so that the failures
of one test put no target of another to rest.
"""

import asyncio
import itertools
import re
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.faults.proxy import Fault, FaultProxy, FullBacklog
from tests.faults.script import PIECE, Act, Answer, Fill, Head, Repeat, Say, Split, Step, answers
from tests.scripted import Peer, ScriptedServer
from tests.waiting import until

T = TypeVar("T")

_STREAM = re.compile(rb'"stream":\s*true|:streamGenerateContent')
_MODEL = re.compile(rb'"model":\s*"([^"]+)"')
_MODEL_IN_PATH = re.compile(rb"^POST [^ ]*/models/([^:/ ]+):")
_NUMBERS = itertools.count(1)


def fresh(case: str) -> str:
    """A model that plays `case` and that no other test asks for."""
    return f"{case}--{next(_NUMBERS)}"


class Heard:
    """One request the provider took, and how its answer went; read from the test's thread."""

    def __init__(self, protocol: str, request: bytes, peer: Peer, loop: asyncio.AbstractEventLoop) -> None:
        self.protocol = protocol
        self.request = request
        self.stream = _STREAM.search(request) is not None
        found = _MODEL_IN_PATH.search(request) or _MODEL.search(request)
        assert found is not None, request
        self.model = found[1].decode()
        self.sent = 0
        """Bytes written."""
        self.ended = threading.Event()
        """The answer was played to its end, or the gateway closed before."""
        self.left = threading.Event()
        """The gateway closed the connection while the answer was being played."""
        self.port = peer.port
        """The gateway's port of this connection."""
        self.unsent = peer.unsent
        """Tells how many of those bytes the socket has not taken."""
        self._loop = loop
        self.may_go_on = asyncio.Event()

    def go_on(self) -> None:
        """End the pause the answer is in, or comes to next."""
        self._loop.call_soon_threadsafe(self.may_go_on.set)


class FakeProvider(AbstractContextManager["FakeProvider"]):
    """Plays for every protocol on a port of its own, in a thread of its own."""

    def __init__(self, protocols: tuple[str, ...]) -> None:
        self.heard: list[Heard] = []
        self.ports: dict[str, int] = {}
        self._protocols = protocols
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake provider")
        self._stack = AsyncExitStack()

    def requests(self, model: str) -> list[Heard]:
        """Every request for a model, in the order they came."""
        return [heard for heard in list(self.heard) if heard.model == model]

    def request(self, model: str) -> Heard:
        """The only request for a model, once it is here."""
        until(lambda: self.requests(model), f"a request for {model}")
        (heard,) = self.requests(model)
        return heard

    def proxied(self, protocol: str, fault: Fault) -> FaultProxy:
        """Open a line with a fault to the provider of a protocol."""
        return self.opened(FaultProxy(self.ports[protocol], fault))

    def secure(self, protocol: str, tls: ssl.SSLContext) -> ScriptedServer:
        """Open a server of a protocol behind TLS."""
        return self.opened(ScriptedServer(self._script(protocol), tls))

    def unreachable(self) -> FullBacklog:
        """Open an address where no connection is ever made."""
        return self._stack.enter_context(FullBacklog())

    def refusing(self) -> int:
        """Hold a port on which nobody listens, so that nobody else does either."""
        held = self._stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])

    def opened(self, server: AbstractAsyncContextManager[T]) -> T:
        """Have a server run beside the provider until that ends."""
        return self._run(self._stack.enter_async_context(server))

    def __enter__(self) -> Self:
        self._thread.start()
        for protocol in self._protocols:
            self.ports[protocol] = self.opened(ScriptedServer(self._script(protocol))).port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    def _script(self, protocol: str) -> "Callable[[Peer], Coroutine[Any, Any, None]]":
        async def serve(peer: Peer) -> None:
            while True:
                heard = Heard(protocol, await peer.request(), peer, self._loop)
                played = answers(protocol, heard.model.partition("--")[0], stream=heard.stream)
                number = len(self.requests(heard.model))
                self.heard.append(heard)
                try:
                    await Player(peer, heard).play(played[min(number, len(played) - 1)])
                except _Over:
                    return
                except (EOFError, ConnectionError):
                    heard.left.set()
                    raise
                finally:
                    heard.ended.set()

        return serve


class _Over(Exception):
    """The script ends the connection."""


class Player:
    """Plays one answer to one peer."""

    def __init__(self, peer: Peer, heard: Heard) -> None:
        self._peer = peer
        self._heard = heard
        self._chunked = self._joined = False
        self._split = 0
        self._held = b""

    async def play(self, answer: Answer) -> None:
        """Play the steps; an `EOFError` or `ConnectionError` says that the gateway closed first."""
        for step, following in itertools.zip_longest(answer, answer[1:]):
            # What is said behind a whole body goes out with it: a moment later it could meet the next request.
            behind = isinstance(step, Say) and isinstance(following, Say) and following.bare
            self._joined = behind and not self._chunked
            await self._step(step)
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    async def _step(self, step: Step) -> None:
        match step:
            case Head(data=data, chunked=chunked):
                self._chunked = chunked
                await self._send(data)
            case Say(data=data, bare=True):
                await self._send(data)
            case Say(data=data):
                await self._say(data)
            case Fill(count=count, byte=byte):
                for at in range(0, count, PIECE):
                    await self._say(byte * min(PIECE, count - at))
            case Split(size=size):
                self._split = size
            case Repeat(times=times, steps=steps):
                for _ in itertools.repeat(None) if times is None else itertools.repeat(None, times):
                    for each in steps:
                        await self._step(each)
            case Act(what=what):
                await self._act(what)

    async def _act(self, what: str) -> None:
        if what == "pause":
            await self._unless_gone(self._heard.may_go_on.wait())
            self._heard.may_go_on.clear()
        elif what == "hang":
            await self._unless_gone(asyncio.Event().wait())
        elif what == "reset":
            self._peer.reset()
            raise _Over
        else:
            raise _Over

    async def _say(self, data: bytes) -> None:
        size = self._split or len(data)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            await self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def _send(self, data: bytes) -> None:
        data = self._held + data
        self._held = data if self._joined else b""
        if self._held:
            return
        await self._peer.send(data)
        self._heard.sent += len(data)
        # The other side may look at each piece.
        await asyncio.sleep(0)

    async def _unless_gone(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Wait, unless the gateway closes meanwhile."""
        task, gone = asyncio.ensure_future(waiting), asyncio.ensure_future(self._peer.gone())
        done, _ = await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)
        if gone in done:
            raise EOFError
