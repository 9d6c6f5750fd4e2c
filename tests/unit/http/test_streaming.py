"""Writing a stream to a caller: when comments go out, when they stop, and when a caller counts as gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from llmgw.http.exchange import Exchange
from llmgw.http.streaming import StreamWriter
from llmgw.wire.openai.errors import PING

Sent = list[dict[str, Any]]


class Wire:
    """The server's side of an exchange: what was sent, and a gate that can be shut before a reader."""

    def __init__(self) -> None:
        self.sent: Sent = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.arrived = asyncio.Condition()

    async def send(self, message: Any) -> None:
        """Take a message, as slowly as the reader reads."""
        await self.reads.wait()
        async with self.arrived:
            self.sent.append(message)
            self.arrived.notify_all()

    async def receive(self) -> Any:
        """Nothing more comes from this caller."""
        await asyncio.Event().wait()

    @property
    def bodies(self) -> list[bytes]:
        """The pieces of the body so far."""
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait for something to have been sent."""
        async with self.arrived:
            await self.arrived.wait_for(enough)


def play(scene: Callable[[Wire, Exchange], Awaitable[None]]) -> None:
    """Run a scene with a wire and the exchange on it."""

    async def stage() -> None:
        wire = Wire()
        await asyncio.wait_for(scene(wire, Exchange({"headers": []}, wire.receive, wire.send)), 20)

    asyncio.run(stage())


def test_the_status_waits_for_content() -> None:
    """Before the hold is over nothing goes out, and then it is the content's own status line."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        writer = StreamWriter(exchange, [], ping=PING, hold_s=60, ping_s=60)
        await asyncio.sleep(0)
        assert wire.sent == []
        await writer.send(b"data: 1\n\n", [(b"x-a", b"b")])
        assert wire.sent[0]["status"] == 200
        assert (b"x-a", b"b") in wire.sent[0]["headers"]
        assert wire.bodies == [b"data: 1\n\n"]
        await writer.end(b"", [])
        assert wire.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    play(scene)


def test_silence_is_filled_with_comments() -> None:
    """After the hold comments go out one after another, each whole, until the content comes."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        writer = StreamWriter(exchange, [], ping=PING, hold_s=0, ping_s=0)
        await wire.until(lambda: len(wire.bodies) >= 3)
        await writer.end(b"data: 1\n\n", [])
        *pings, last = wire.bodies
        assert {PING} == set(pings)
        assert last == b"data: 1\n\n"
        assert [message["type"] for message in wire.sent].count("http.response.start") == 1

    play(scene)


def test_what_is_known_early_goes_out_with_the_first_comment() -> None:
    """As it is known by then, not as it was when the writer was made; what comes later is not told twice."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        known: list[tuple[bytes, bytes]] = []
        writer = StreamWriter(exchange, [], ping=PING, hold_s=0, ping_s=0, early=lambda: known)
        known.append((b"x-early", b"yes"))
        await wire.until(lambda: bool(wire.bodies))
        assert (b"x-early", b"yes") in wire.sent[0]["headers"]
        await writer.end(b"data: 1\n\n", [(b"x-late", b"no")])
        assert [message["type"] for message in wire.sent].count("http.response.start") == 1

    play(scene)


def test_a_stopped_writer_is_silent() -> None:
    """After its end, or abandoned, no timer is left to speak."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        for end in ("end", "abandon"):
            writer = StreamWriter(exchange, [], ping=PING, hold_s=0, ping_s=0)
            await wire.until(lambda: bool(wire.bodies))
            if end == "end":
                await writer.end(b"", [])
            else:
                writer.abandon()
            count = len(wire.bodies)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(wire.bodies) == count
            wire.sent.clear()

    play(scene)


def test_a_caller_who_does_not_read_counts_as_gone() -> None:
    """A write that waits too long for its reader ends the exchange, as if the caller had left."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        writer = StreamWriter(exchange, [], ping=PING, hold_s=0.01, ping_s=0.01)

        async def serve() -> None:
            exchange.watch()
            wire.reads.clear()
            await writer.send(b"data: 1\n\n", [])

        serving = asyncio.ensure_future(serve())
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert exchange.gone
        writer.abandon()
        exchange.unwatch()

    play(scene)


def test_a_comment_nobody_reads_counts_too() -> None:
    """A caller who stops reading while the provider is silent is noticed at the comment."""

    async def scene(wire: Wire, exchange: Exchange) -> None:
        async def serve() -> None:
            exchange.watch()
            writer = StreamWriter(exchange, [], ping=PING, hold_s=0, ping_s=0.01)
            wire.reads.clear()
            try:
                await asyncio.Event().wait()
            finally:
                writer.abandon()

        serving = asyncio.ensure_future(serve())
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert exchange.gone
        exchange.unwatch()

    play(scene)
