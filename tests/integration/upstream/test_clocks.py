"""The four clocks, and what a cancelled caller leaves behind: nothing."""

import asyncio

import pytest
from llmgw.types.errors import DeadlineExceeded, GatewayError, ProviderTimeout, ProviderUnreachable
from llmgw.types.target import Endpoint
from llmgw.upstream import Upstream, UpstreamResponse
from msgspec import structs
from tests.scripted import STREAM_HEAD, Peer, Script, ScriptedServer, answer, chunked, later, play

SHORT_S = 0.05


def stalling(beginning: bytes, gone: asyncio.Event) -> Script:
    """Take a request, send the beginning of an answer, and say nothing more until the peer leaves."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(beginning)
        await peer.gone()
        gone.set()

    return script


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_no_head_in_time(beginning: bytes) -> None:
    """No head, or half of one, within the first-byte clock is `ProviderTimeout`, and the connection is dropped."""
    gone = asyncio.Event()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        with pytest.raises(ProviderTimeout):
            await upstream.open(server.request(), server.target(first_byte_s=SHORT_S), later())
        await gone.wait()

    play(stalling(beginning, gone), scene)


def test_a_head_that_drips_does_not_stop_the_clock() -> None:
    """One header byte now and then is no head: the first-byte clock is not wound up by it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0)

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        with pytest.raises(ProviderTimeout):
            await upstream.open(server.request(), server.target(first_byte_s=0.001), later())

    play(script, scene)


def test_a_request_nobody_takes() -> None:
    """An upload that the peer does not read runs into the first-byte clock and leaves no connection open."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await left.wait()
        await peer.gone()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        request = server.request(b"x" * 30_000_000)
        with pytest.raises(ProviderTimeout):
            await upstream.open(request, server.target(first_byte_s=SHORT_S), later())
        left.set()

    play(script, scene)


def test_silence_in_the_body() -> None:
    """Nothing within the idle clock is `ProviderTimeout`; what came before is handed over first."""
    gone = asyncio.Event()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(idle_s=SHORT_S), later())
        assert await response.chunk() == b"data: 1\n\n"
        with pytest.raises(ProviderTimeout):
            await response.chunk()
        with pytest.raises(ProviderTimeout):
            await response.chunk()
        await gone.wait()

    play(stalling(STREAM_HEAD + chunked(b"data: 1\n\n", end=False), gone), scene)


def test_a_slow_reader_is_no_silent_provider() -> None:
    """The idle clock runs only while we wait: neither bytes that lie ready nor a pause of ours are ever late."""
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD)
        await go_on.wait()
        await peer.send(chunked(b"data: 1\n\n", end=False))
        go_on.clear()
        await go_on.wait()
        await peer.send(chunked(b"data: 2\n\n"))

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        loop = asyncio.get_running_loop()
        response = await upstream.open(server.request(), server.target(idle_s=SHORT_S), later())
        first = asyncio.create_task(response.chunk())
        await asyncio.sleep(0)
        go_on.set()
        assert await first == b"data: 1\n\n"
        for _ in range(2):
            late = asyncio.Event()
            loop.call_later(2 * SHORT_S, late.set)
            await late.wait()
            go_on.set()
        assert await response.chunk() == b"data: 2\n\n"
        assert await response.chunk() == b""

    play(script, scene)


@pytest.mark.parametrize("beginning", [b"", STREAM_HEAD, STREAM_HEAD + chunked(b"data: 1\n\n", end=False)])
def test_the_total_clock_ends_everything(beginning: bytes) -> None:
    """Wherever the attempt is when its time is over, it is `DeadlineExceeded`."""
    gone = asyncio.Event()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        with pytest.raises(DeadlineExceeded):
            await call(upstream, server)
        await gone.wait()

    async def call(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(total_s=SHORT_S), later())
        await response.read()

    play(stalling(beginning, gone), scene)


def test_the_calls_deadline_counts_where_it_is_sooner() -> None:
    """The deadline handed in ends an attempt whose own total clock would run on; a past one sends nothing."""
    gone = asyncio.Event()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        now = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded):
            await upstream.open(server.request(), server.target(), now)
        assert server.connections == 0
        with pytest.raises(DeadlineExceeded):
            await upstream.open(server.request(), server.target(), now + SHORT_S)
        await gone.wait()

    play(stalling(b"", gone), scene)


def test_a_provider_that_never_pauses_meets_the_total_clock_too() -> None:
    """A flood leaves no silence to measure; the total clock is looked at with every piece."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD)
        while True:
            await peer.send(chunked(b"x" * 65536, end=False))

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(total_s=4 * SHORT_S), later())
        with pytest.raises(DeadlineExceeded):
            await exhaust(response)

    async def exhaust(response: UpstreamResponse) -> None:
        while await response.chunk():
            pass

    play(script, scene)


@pytest.mark.parametrize(
    ("clocks", "ends_as"),
    [
        ({"connect_s": SHORT_S}, ProviderUnreachable),
        ({"connect_s": 5.0, "total_s": SHORT_S}, DeadlineExceeded),
    ],
)
def test_a_connection_that_does_not_come_about(clocks: dict[str, float], ends_as: type[GatewayError]) -> None:
    """A handshake nobody answers ends with the connect clock, or with the total one where that is sooner."""

    async def silent(peer: Peer) -> None:
        await peer.gone()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        target = structs.replace(
            server.target(**clocks), endpoint=Endpoint(base_url=f"https://127.0.0.1:{server.port}/v1")
        )
        request = structs.replace(server.request(), url=target.endpoint.base_url)
        with pytest.raises(ends_as):
            await upstream.open(request, target, later())

    play(silent, scene)


@pytest.mark.parametrize("beginning", [b"", STREAM_HEAD, STREAM_HEAD + chunked(b"data: 1\n\n", end=False)])
def test_a_cancelled_caller_closes_the_connection(beginning: bytes) -> None:
    """Cancelling the task that waits, before or in the answer, shows at the provider as a close."""
    gone = asyncio.Event()
    begun = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(beginning)
        begun.set()
        await peer.gone()
        gone.set()

    async def call(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        await response.read()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        task = asyncio.create_task(call(upstream, server))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()

    play(script, scene)


def test_churn_of_cancellations_leaks_nothing() -> None:
    """After 300 calls cancelled at every point of their lives, ten healthy ones in a row succeed."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(STREAM_HEAD)
            await asyncio.sleep(0)
            await peer.send(chunked(b"data: 1\n\n", end=False))
            await asyncio.sleep(0)
            await peer.send(chunked(b"data: 2\n\n"))

    async def call(upstream: Upstream, server: ScriptedServer) -> bytes:
        response = await upstream.open(server.request(), server.target(), later())
        return await response.read()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        outcomes: set[bool] = set()
        for steps in range(300):
            task = asyncio.create_task(call(upstream, server))
            for _ in range(steps % 60):
                await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(outcome, asyncio.CancelledError) or outcome == b"data: 1\n\ndata: 2\n\n"
            outcomes.add(isinstance(outcome, bytes))
        assert outcomes == {True, False}
        for _ in range(10):
            assert await call(upstream, server) == b"data: 1\n\ndata: 2\n\n"

    play(script, scene)


def test_the_first_byte_clock_of_the_second_try_is_its_own() -> None:
    """An answer after a mended stale connection has the whole clock for itself."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"ok"))
        if peer.number == 0:
            await peer.request()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        for _ in range(2):
            response = await upstream.open(server.request(), server.target(first_byte_s=5), later())
            assert await response.read() == b"ok"
        assert upstream.stale_retries == 1

    play(script, scene)
