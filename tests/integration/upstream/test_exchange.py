"""What goes out, what comes back, and which connections are kept."""

import asyncio

import pytest
from llmgw import __version__
from llmgw.providers.base import UpstreamRequest
from llmgw.types.errors import Draining, InternalError, ProviderBadResponse, ProviderTooLarge
from llmgw.types.target import Endpoint
from llmgw.upstream import Upstream
from msgspec import structs
from tests.scripted import STREAM_HEAD, Peer, ScriptedServer, always, answer, chunked, later, play


async def drained(upstream: Upstream) -> None:
    """Return once no released answer is waited for."""
    while upstream.draining:  # noqa: ASYNC110  # one turn of the loop at a time, no time passes
        await asyncio.sleep(0)


def test_the_request_goes_out_as_built() -> None:
    """Path bytes, headers and body arrive as written; of ours there is only who we are."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        request = server.request(b'{"a":1}', "/v1/models/a%2Fb:c?key=%20x")
        response = await upstream.open(request, server.target(), later())
        assert await response.read() == b"ok"
        (sent,) = server.requests
        head, _, body = sent.partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        assert line == b"POST /v1/models/a%2Fb:c?key=%20x HTTP/1.1"
        assert body == b'{"a":1}'
        assert sorted(header.lower() for header in headers) == sorted(
            [
                b"accept: */*",
                b"accept-encoding: identity",
                b"content-length: 7",
                b"content-type: application/json",
                b"host: 127.0.0.1:%d" % server.port,
                b"user-agent: llmgw/" + __version__.encode(),
            ]
        )

    play(always(answer(b"ok")), scene)


def test_connections_are_kept() -> None:
    """Calls one after another share a connection, whether read whole or in pieces."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        for _ in range(5):
            response = await upstream.open(server.request(), server.target(), later())
            assert await response.read() == b"ok"
            response = await upstream.open(server.request(), server.target(), later())
            assert await response.chunk() == b"ok"
            assert await response.chunk() == b""
            assert await response.chunk() == b""
        assert server.connections == 1
        assert len(server.requests) == 10

    play(always(answer(b"ok")), scene)


def test_a_response_closed_after_all_of_it_came_keeps_its_connection() -> None:
    """Not reading to the end costs the connection only while something is still to come."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        for _ in range(3):
            response = await upstream.open(server.request(), server.target(), later())
            response.close()
            response.close()
        assert server.connections == 1

    play(always(answer(b"ok")), scene)


def test_a_released_response_waits_for_its_end_and_keeps_its_connection() -> None:
    """A stream read to its last event keeps its connection when the body's end follows a moment later."""
    released = asyncio.Event()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(STREAM_HEAD + chunked(b"data: [DONE]\n\n", end=False))
            await released.wait()
            await peer.send(b"0\r\n\r\n")

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.chunk() == b"data: [DONE]\n\n"
        response.release()
        released.set()
        await drained(upstream)
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.chunk() == b"data: [DONE]\n\n"
        assert server.connections == 1
        response.close()

    play(script, scene)


def test_a_released_response_whose_end_never_comes_is_dropped() -> None:
    """What follows the last event is not waited for beyond the drain, nor is its connection used again."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(b"data: [DONE]\n\n", b"more", end=False))
        await peer.gone()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.chunk()
        response.release()
        await drained(upstream)
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.chunk()
        assert server.connections == 2
        response.close()

    play(script, scene)


def test_pieces_come_as_they_are_sent() -> None:
    """The first piece is handed over before the second exists."""
    read_one = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(b"data: 1\n\n", end=False))
        await read_one.wait()
        await peer.send(chunked(b"data: 2\n\n"))

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert response.headers["content-type"] == "text/event-stream"
        assert await response.chunk() == b"data: 1\n\n"
        read_one.set()
        assert await response.chunk() == b"data: 2\n\n"
        assert await response.chunk() == b""

    play(script, scene)


@pytest.mark.parametrize("whole", [answer(b"hello", b"X-A: b"), STREAM_HEAD + chunked(b"he", b"llo")])
def test_any_split_of_the_bytes_is_the_same_answer(whole: bytes) -> None:
    """An answer that arrives one byte at a time reads as one that arrives at once."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.dribble(whole)

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.read() == b"hello"

    play(script, scene)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 503, 529])
def test_error_statuses_and_redirects_are_answers(status: int) -> None:
    """Any status of 200 and above comes back with its body; a redirect is not followed."""
    reply = answer(b"why", b"Location: /v1/elsewhere", b"Retry-After: 2", status=b"%d Whatever" % status)

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert response.status == status
        assert response.headers["retry-after"] == "2"
        assert await response.read() == b"why"
        assert len(server.requests) == 1

    play(always(reply), scene)


def test_interim_answers_are_skipped() -> None:
    """103 Early Hints and 100 Continue precede an answer and are not one."""
    reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"ok")

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert response.status == 200
        assert await response.read() == b"ok"

    play(always(reply), scene)


def test_no_cookie_is_kept() -> None:
    """A provider's cookie does not come back to it with another call."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        for _ in range(2):
            response = await upstream.open(server.request(), server.target(), later())
            await response.read()
        assert b"cookie" not in server.requests[1].lower()

    play(always(answer(b"ok", b"Set-Cookie: a=b; Path=/")), scene)


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY, even one that refuses, changes nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.read() == b"ok"

    play(always(answer(b"ok")), scene)


def test_large_bodies_go_out_whole() -> None:
    """A request body of 5 MiB arrives byte for byte."""
    body = bytes(range(256)) * (5 * 4096)

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(body), server.target(), later())
        assert await response.read() == b"ok"
        assert server.requests[0].partition(b"\r\n\r\n")[2] == body

    play(always(answer(b"ok")), scene)


@pytest.mark.parametrize("reply", [answer(b"x" * 1025), STREAM_HEAD + chunked(b"x" * 600, b"y" * 600)])
def test_a_body_over_the_limit_is_refused(reply: bytes) -> None:
    """A body longer than `max_body` is an error, told or untold of its length, and its connection is dropped."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        with pytest.raises(ProviderTooLarge):
            await response.read()

    play(always(reply), scene)


def test_a_body_at_the_limit_is_read() -> None:
    """Exactly `max_body` bytes are fine."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert len(await response.read()) == 1024

    play(always(answer(b"x" * 1024)), scene)


def test_an_endless_answer_is_cut_without_being_kept() -> None:
    """A server that sends for ever is left as soon as the limit is passed."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        try:
            await peer.send(STREAM_HEAD)
            while True:
                await peer.send(chunked(b"x" * 65536, end=False))
        finally:
            left.set()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        with pytest.raises(ProviderTooLarge):
            await response.read()
        await left.wait()

    play(script, scene)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"GZIP, identity", b"zstd", b"whatever"])
def test_an_encoded_answer_is_refused(encoding: bytes) -> None:
    """Nothing is inflated: we asked for identity."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        with pytest.raises(ProviderBadResponse) as refused:
            await upstream.open(server.request(), server.target(), later())
        assert refused.value.upstream_status == 200

    play(always(answer(b"\x1f\x8b", b"Content-Encoding: " + encoding)), scene)


def test_identity_said_aloud_is_fine() -> None:
    """`Content-Encoding: identity` is no encoding."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.read() == b"ok"

    play(always(answer(b"ok", b"Content-Encoding: Identity")), scene)


def test_header_bytes_outside_utf8_become_text() -> None:
    """A header value is always text that can be written again."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        assert response.headers["x-latin"] == "caf\xe9"
        assert response.headers["x-utf"] == "caf\xe9"
        assert "".join(response.headers.values()).encode()

    play(always(answer(b"ok", b"X-Latin: caf\xe9", "X-UTF: caf\xe9".encode())), scene)


def test_a_request_never_leaves_the_origin_of_its_target() -> None:
    """Whatever builds a URL, it cannot point away from the configured provider."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        for url in (
            f"http://localhost:{server.port}/v1",
            f"https://127.0.0.1:{server.port}/",
            "http://127.0.0.1:1/",
        ):
            request = UpstreamRequest(method="POST", url=url, headers=(), body=b"", framing="whole")
            with pytest.raises(InternalError):
                await upstream.open(request, server.target(), later())
        assert server.connections == 0

    play(always(answer(b"ok")), scene)


@pytest.mark.parametrize("bad", ["a\r\nX-Smuggled: 1", "a\nb", "a\0b"])
def test_line_breaks_in_headers_are_not_sent(bad: str) -> None:
    """A header value that would end its line is an error of ours, and nothing of it is sent."""

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        request = UpstreamRequest(
            method="POST", url=f"{server.origin}/v1", headers=(("x-a", bad),), body=b"", framing="whole"
        )
        with pytest.raises(InternalError):
            await upstream.open(request, server.target(), later())
        response = await upstream.open(server.request(), server.target(), later())
        assert await response.read() == b"ok"
        assert len(server.requests) == 1

    play(always(answer(b"ok")), scene)


def test_connections_to_origins_no_longer_used_are_closed() -> None:
    """After a reload an idle origin is left at once, and one in use after its last call."""
    gone = asyncio.Event()
    finish = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            await peer.send(STREAM_HEAD + chunked(b"data: 1\n\n", end=False))
            await finish.wait()
            await peer.send(chunked(b"data: 2\n\n"))
        else:
            await peer.request()
            await peer.send(answer(b"ok"))
        await peer.gone()
        gone.set()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        target = server.target()
        streaming = await upstream.open(server.request(), target, later())
        await upstream.retain([])
        assert await streaming.chunk() == b"data: 1\n\n"
        assert not gone.is_set()
        finish.set()
        assert await streaming.chunk() == b"data: 2\n\n"
        assert await streaming.chunk() == b""
        await gone.wait()
        gone.clear()
        response = await upstream.open(server.request(), target, later())
        assert await response.read() == b"ok"
        await upstream.retain([structs.replace(target, endpoint=Endpoint(base_url="nonsense")), target])
        assert not gone.is_set()
        await upstream.retain([])
        await gone.wait()

    play(script, scene)


def test_nothing_is_sent_after_closing() -> None:
    """A closed upstream says that the gateway stops; what was in flight is cut."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM_HEAD + chunked(b"data: 1\n\n", end=False))
        await peer.gone()

    async def scene(upstream: Upstream, server: ScriptedServer) -> None:
        response = await upstream.open(server.request(), server.target(), later())
        await upstream.aclose()
        with pytest.raises(Draining):
            await upstream.open(server.request(), server.target(), later())
        response.close()

    play(script, scene)
