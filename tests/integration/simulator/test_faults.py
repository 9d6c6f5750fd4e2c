"""Each fault knob as the bytes, or the silence, that a client gets."""

import json

import pytest
from llmgw.simulator.thread import SimulatorThread
from tests.integration.simulator.raw import Wire, contents, events, question
from tests.waiting import until

HEAD_END = b"\r\n\r\n"


def streamed(simulator: SimulatorThread, model: str) -> tuple[list[bytes], bool, str | None]:
    """The events of one stream, whether its body was ended, and how the connection ended if it did."""
    with Wire(simulator.base_url) as wire:
        body = question(model, stream=True, stream_options={"include_usage": True})
        wire.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        head = wire.until(HEAD_END)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding: chunked" in head
        payloads, ended = events(wire.rest())
        return payloads, ended, wire.ended


def whole(simulator: SimulatorThread, model: str) -> tuple[bytes, str | None]:
    """Everything that came of one whole answer, and how the connection ended."""
    with Wire(simulator.base_url) as wire:
        wire.post(question(model))
        return wire.rest(), wire.ended


def test_a_healthy_stream(simulator: SimulatorThread) -> None:
    """Role, one chunk for each token, finish, usage, [DONE], and a body that is ended."""
    payloads, ended, closed = streamed(simulator, "sim")
    assert [str(number) for number in range(1, 21)] == [piece.strip() for piece in contents(payloads)]
    assert payloads[-1] == b"data: [DONE]\n\n"
    assert b'"usage":{"prompt_tokens"' in payloads[-2]
    assert b'"finish_reason":"stop"' in payloads[-3]
    assert (ended, closed) == (True, "closed")


@pytest.mark.parametrize("after", [0, 5])
def test_cut_stream(simulator: SimulatorThread, after: int) -> None:
    """A cut stream ends in order, after so many pieces, with its body unfinished and no finish reason."""
    payloads, ended, closed = streamed(simulator, f"sim-cut-after-{after}")
    assert after == len(contents(payloads))
    assert (ended, closed) == (False, "closed")
    assert b'"finish_reason":"' not in b"".join(payloads)


def test_cut_comes_at_the_end_at_the_latest(simulator: SimulatorThread) -> None:
    """A stream shorter than the cut still ends without its finish."""
    payloads, ended, _ = streamed(simulator, "sim-cut-after-100")
    assert (len(contents(payloads)), ended) == (20, False)
    assert b"[DONE]" not in payloads[-1]


def test_cut_whole_answer(simulator: SimulatorThread) -> None:
    """A whole answer is cut within its body: fewer bytes come than were announced."""
    received, ended = whole(simulator, "sim-cut-after-5")
    head, _, body = received.partition(HEAD_END)
    assert 0 < len(body) < int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    assert ended == "closed"


@pytest.mark.parametrize("stream", [True, False])
def test_reset_before_anything(simulator: SimulatorThread, *, stream: bool) -> None:
    """A reset connection gives nothing but the reset."""
    with Wire(simulator.base_url) as wire:
        wire.post(question("sim-reset", stream=stream))
        assert (wire.rest(), wire.ended) == (b"", "reset")


def test_reset_within_a_stream(simulator: SimulatorThread) -> None:
    """A stream can be torn down after some pieces."""
    payloads, ended, how = streamed(simulator, "sim-reset-after-3")
    assert (ended, how) == (False, "reset")
    assert len(contents(payloads)) == 3


def test_stalled_stream(simulator: SimulatorThread) -> None:
    """A stalled stream sends its pieces and then nothing, until the client leaves, which is noticed."""
    with Wire(simulator.base_url) as wire:
        wire.post(question("sim-stall-after-3", stream=True))
        wire.until(b'"content":" 3"')
        assert simulator.simulator.stats.open == 1
        assert simulator.simulator.stats.closed_early == 0
    until(lambda: simulator.simulator.stats.closed_early == 1, "the client's leaving")
    departure = simulator.simulator.stats.snapshot()["departures"][0]
    assert (
        departure["model"],
        departure["stream"],
        departure["pieces_sent"],
    ) == ("sim-stall-after-3", True, 4)
    assert simulator.simulator.stats.open == 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["sim-hang", "sim-ttft-999s", "sim-chunk-999s"])
def test_client_leaves_before_the_answer(simulator: SimulatorThread, model: str, *, stream: bool) -> None:
    """A client that leaves while it waits is noticed, whole answer or stream."""
    with Wire(simulator.base_url) as wire:
        wire.post(question(model, stream=stream))
        until(lambda: simulator.simulator.stats.open == 1, "the request's arrival")
    until(lambda: simulator.simulator.stats.closed_early == 1, "the client's leaving")
    assert simulator.simulator.stats.snapshot()["open_streams"] == 0


def test_a_complete_answer_is_not_closed_early(simulator: SimulatorThread) -> None:
    """A client that has its whole answer may leave; nothing is counted."""
    streamed(simulator, "sim")
    whole_answer = question("sim-ttft-1ms")
    with Wire(simulator.base_url) as wire:
        wire.post(whole_answer)
        assert wire.answer()[0] == 200
        until(lambda: simulator.simulator.stats.open == 0, "the end of the exchange")
    assert simulator.simulator.stats.closed_early == 0


def test_garbage_in_a_stream(simulator: SimulatorThread) -> None:
    """One event of the stream is JSON that breaks off."""
    payloads, ended, _ = streamed(simulator, "sim-garbage")
    assert ended
    with pytest.raises(json.JSONDecodeError):
        contents(payloads)
    broken = next(index for index, payload in enumerate(payloads) if b"brok" in payload)
    assert len(contents(payloads[:broken] + payloads[broken + 1 :])) == 20


def test_no_done(simulator: SimulatorThread) -> None:
    """The end marker can be left out after a complete answer."""
    payloads, ended, _ = streamed(simulator, "sim-nodone")
    assert ended
    assert b'"usage":{"prompt_tokens"' in payloads[-1]


def test_no_usage(simulator: SimulatorThread) -> None:
    """Usage can be missing although it was asked for."""
    payloads, _, _ = streamed(simulator, "sim-nousage")
    assert b"prompt_tokens" not in b"".join(payloads)


@pytest.mark.parametrize(
    ("model", "pieces"), [("sim-error-in-stream", 2), ("sim-error-in-stream-after-0", 0)]
)
def test_error_in_stream(simulator: SimulatorThread, model: str, pieces: int) -> None:
    """An error takes the place of the rest of the stream."""
    payloads, ended, _ = streamed(simulator, model)
    assert ended
    assert payloads[-1].startswith(b'data: {"error":{"message":')
    assert pieces == len(contents(payloads[:-1]))


SPOILED = [
    ("sim-html", b"text/html", b"<!doctype html>"),
    ("sim-garbage", b"application/json", b'{"id":"chatcmpl-'),
    ("sim-error-in-stream", b"application/json", b'{"error":{'),
]


@pytest.mark.parametrize(("model", "kind", "begins"), SPOILED)
def test_spoiled_whole_answers(simulator: SimulatorThread, model: str, kind: bytes, begins: bytes) -> None:
    """A 200 that is no answer: a web page, half a document, an error."""
    with Wire(simulator.base_url) as wire:
        wire.post(question(model))
        head = wire.until(HEAD_END)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"content-type: " + kind in head
        wire.until(begins)


def test_empty_answer(simulator: SimulatorThread) -> None:
    """A 200 without a body."""
    with Wire(simulator.base_url) as wire:
        wire.post(question("sim-empty"))
        assert wire.answer() == (200, b"")


def statuses(simulator: SimulatorThread, model: str, times: int) -> list[int]:
    """The statuses of several equal requests on one connection."""
    with Wire(simulator.base_url) as wire:
        found = []
        for _ in range(times):
            wire.post(question(model))
            found.append(wire.answer()[0])
        return found


FAILING = [
    ("sim-fail-503", [503, 503, 503]),
    ("sim-fail-500-once", [500, 200, 500, 200]),
    ("sim-fail-503-times-2", [503, 503, 200, 503]),
    ("sim-auth-401", [401]),
    ("sim-nonsense", [404]),
]


@pytest.mark.parametrize(("model", "expected"), FAILING)
def test_failing_statuses(simulator: SimulatorThread, model: str, expected: list[int]) -> None:
    """A failing model fails always, or so many times of several equal requests."""
    assert expected == statuses(simulator, model, len(expected))


@pytest.mark.parametrize(("model", "seconds"), [("sim-fail-429", b"1"), ("sim-fail-429-after-2s", b"2")])
def test_retry_after(simulator: SimulatorThread, model: str, seconds: bytes) -> None:
    """A 429 says when to come back."""
    with Wire(simulator.base_url) as wire:
        wire.post(question(model))
        head = wire.until(HEAD_END)
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: " + seconds + b"\r\n" in head


@pytest.mark.parametrize(("stream", "size"), [(True, 300 * 1024), (False, 300 * 1024)])
def test_big_answers(simulator: SimulatorThread, size: int, *, stream: bool) -> None:
    """A big answer has the size that was asked for, in a stream as one event."""
    if stream:
        payloads, ended, _ = streamed(simulator, "sim-big-300kb")
        assert ended
        assert [size] == [len(piece) for piece in contents(payloads)]
    else:
        with Wire(simulator.base_url) as wire:
            wire.post(question("sim-big-300kb"))
            assert size < len(wire.answer()[1]) < size + 2048


def test_a_slow_reader_gets_everything(simulator: SimulatorThread) -> None:
    """A client that reads late gets a stream larger than every buffer between."""
    with Wire(simulator.base_url) as wire:
        wire.post(question("sim-big-20000kb-chunks-500", stream=True))
        wire.until(b'"role":"assistant"')
        assert simulator.simulator.stats.open == 1
        assert wire.until(b"[DONE]\n\n\r\n0\r\n\r\n").count(b'"content":" simulat') == 500
