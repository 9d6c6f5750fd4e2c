"""The simulator's HTTP: routes, limits, and requests as clients really cut them."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.simulator.http1 import Malformed, RequestReader
from llmgw.simulator.thread import SimulatorThread
from tests.integration.simulator.raw import Wire, question

BODY = question("sim", "say hi")


def get(simulator: SimulatorThread, path: str, method: str = "GET") -> tuple[int, Any]:
    """One request without a body."""
    with Wire(simulator.base_url) as wire:
        wire.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        status, body = wire.answer()
        return status, json.loads(body)  # an independent reader


def test_routes(simulator: SimulatorThread) -> None:
    """Models, liveness, and errors of OpenAI's shape for unknown paths, models and wrong methods."""
    status, models = get(simulator, "/v1/models")
    assert (status, models["data"][0]["id"]) == (200, "sim")
    assert get(simulator, "/v1/models/sim-ttft-5ms")[1]["id"] == "sim-ttft-5ms"
    assert get(simulator, "/livez") == (200, {"status": "ok"})
    status, error = get(simulator, "/v1/models/sim-nonsense")
    assert (status, error["error"]["code"]) == (404, "model_not_found")
    status, error = get(simulator, "/v1/nothing")
    assert (status, error["error"]["type"]) == (404, "invalid_request_error")
    status, error = get(simulator, "/v1/chat/completions")
    assert (status, error["error"]["code"]) == (405, "method_not_supported")


def test_log_and_stats(simulator: SimulatorThread) -> None:
    """The log tells what was received, a credential only by its end, and can be emptied; the counts stay."""
    with Wire(simulator.base_url) as wire:
        head = f"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: x\r\nX-Trace: 7\r\nContent-Length: {len(BODY)}\r\n"
        wire.send(head.encode() + b"Authorization: Bearer sk-secret-7890\r\n\r\n" + BODY)
        assert wire.answer()[0] == 200
    _, entries = get(simulator, "/_sim/log")
    assert len(entries) == 1
    assert tuple(entries[0][key] for key in ("method", "path", "model")) == (
        "POST",
        "/v1/chat/completions",
        "sim",
    )
    assert ["x-trace", "7"] in entries[0]["headers"]
    assert entries[0]["credentials"] == {"authorization": "7890"}
    assert "sk-secret" not in json.dumps(entries)
    assert entries[0]["body"]["messages"][0]["content"] == "say hi"
    assert len(BODY) == entries[0]["body_bytes"]
    with Wire(simulator.base_url) as wire:
        wire.send(b"DELETE /_sim/log HTTP/1.1\r\nhost: x\r\n\r\n")
        assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 204 ")
    assert get(simulator, "/_sim/log") == (200, [])
    _, stats = get(simulator, "/_sim/stats")
    assert stats["by_path"] == {"/v1/chat/completions": 1}
    assert stats["closed_early"] == 0


def test_equal_requests_have_equal_answers(simulator: SimulatorThread) -> None:
    """But for the time, two answers to one request are the same bytes."""
    answers = []
    with Wire(simulator.base_url) as wire:
        for _ in range(2):
            wire.post(BODY)
            document = json.loads(wire.answer()[1])  # an independent reader
            del document["created"]
            answers.append(document)
    assert answers[0] == answers[1]


def test_pipelined_requests_are_answered_in_order(simulator: SimulatorThread) -> None:
    """Requests sent at once are answered one after the other, a slow one holding up those behind it."""
    with Wire(simulator.base_url) as wire:
        for model in ("sim-chunk-1ms", "sim"):
            wire.post(question(model, f"say {model}"))
        assert b'"content":"sim-chunk-1ms"' in wire.answer()[1]
        assert b'"content":"sim"' in wire.answer()[1]


def test_expect_continue(simulator: SimulatorThread) -> None:
    """A client that waits for permission to send its body gets it."""
    with Wire(simulator.base_url) as wire:
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        wire.send(f"{head}content-length: {len(BODY)}\r\n\r\n".encode())
        assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(BODY)
        assert wire.answer()[0] == 200


def test_http10(simulator: SimulatorThread) -> None:
    """An old client gets an unchunked stream that ends with the connection."""
    with Wire(simulator.base_url) as wire:
        body = question("sim", stream=True)
        wire.send(b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        received = wire.rest()
    assert b"chunked" not in received
    assert received.endswith(b"\n\ndata: [DONE]\n\n")


BAD = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc", 400),
    (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000, 431),
]


@pytest.mark.parametrize(("sent", "status"), BAD)
def test_malformed_requests(simulator: SimulatorThread, sent: bytes, status: int) -> None:
    """What is not HTTP is answered with its status, and the connection is closed."""
    with Wire(simulator.base_url) as wire:
        wire.send(sent)
        received = wire.rest()
    assert received.startswith(b"HTTP/1.1 %d " % status)


CHUNKED = (
    b"POST /a%20b?q HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
)
SIZED = b"\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz"


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(CHUNKED + SIZED)), max_size=6))
def test_requests_may_be_split_anywhere(cuts: list[int]) -> None:
    """However the bytes of two requests are cut, the same two requests are read."""
    data, reader, found = CHUNKED + SIZED, RequestReader(), []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
        while request := reader.next():
            found.append((request.method, request.path, request.body, request.keep_alive))
    assert found == [("POST", "/a b", b"abcde", True), ("POST", "/b", b"xyz", False)]


def test_a_body_beyond_the_limit_is_refused() -> None:
    """More bytes than one request may have are not kept."""
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n")
    with pytest.raises(Malformed, match="too large"):
        reader.next()
