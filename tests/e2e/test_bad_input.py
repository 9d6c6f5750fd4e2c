"""What hostile and clumsy requests get: the right status and code, from a worker that lives through it."""

import json
import socket
from typing import Any

import pytest
from tests.running import RunningGateway

CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "demo", "messages": [{"role": "user", "content": "say hi"}]}


def _with(**members: Any) -> bytes:
    return json.dumps({**GOOD, **members}).encode()


BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "invalid_json"),
    ("malformed", b'{"model": "demo", ', 400, "invalid_json"),
    ("trailing bytes", b'{"model": "demo"} x', 400, "invalid_json"),
    ("deep", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
    ("just too deep", b'{"a":' + b"[" * 130 + b"]" * 130 + b"}", 400, "invalid_json"),
    ("NaN", b'{"model":"demo","messages":[],"temperature":NaN}', 400, "invalid_json"),
    ("Infinity", b'{"model":"demo","messages":[],"temperature":-Infinity}', 400, "invalid_json"),
    ("too large a number", b'{"model":"demo","messages":[],"temperature":1e999}', 400, "invalid_json"),
    ("5000 digits", b'{"model":"demo","messages":[],"seed":' + b"9" * 5000 + b"}", 400, "invalid_json"),
    ("invalid UTF-8", b'{"model":"demo\xff","messages":[]}', 400, "invalid_json"),
    ("lone surrogate", b'{"model":"\\ud800","messages":[]}', 400, "invalid_json"),
    ("byte-order mark", b"\xef\xbb\xbf" + _with(), 400, "invalid_json"),
    ("UTF-16", _with().decode().encode("utf-16"), 400, "invalid_json"),
    ("not an object", b"[1, 2]", 400, "invalid_request"),
    ("no messages", b'{"model":"demo"}', 400, "invalid_request"),
    ("no model", b'{"messages":[{"role":"user","content":"x"}]}', 400, "invalid_request"),
    ("model of a wrong type", _with(model=7), 400, "invalid_request"),
    ("unknown role", _with(messages=[{"role": "wizard", "content": "x"}]), 400, "invalid_request"),
    ("stream not a boolean", _with(stream="yes"), 400, "invalid_request"),
    ("unknown model", _with(model="no-such-model"), 404, "model_not_found"),
    ("unknown provider", _with(model="nobody/model"), 404, "model_not_found"),
    ("model with a line break", _with(model="sim/a\r\nx-evil: 1"), 404, "model_not_found"),
    ("api_base", _with(api_base="http://127.0.0.1:1"), 400, "forbidden_field"),
    ("base_url", _with(base_url="http://127.0.0.1:1"), 400, "forbidden_field"),
    ("api_key", _with(api_key="x"), 400, "forbidden_field"),
    ("extra_headers", _with(extra_headers={"a": "b"}), 400, "forbidden_field"),
    ("unknown llmgw member", _with(llmgw={"tiemout_ms": 5}), 400, "invalid_request"),
    ("timeout of zero", _with(llmgw={"timeout_ms": 0}), 400, "invalid_request"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_bad_body_is_refused_by_name(gateway: RunningGateway, body: bytes, status: int, code: str) -> None:
    """Each bad body gets its own status and code, never a 500."""
    answer = gateway.request(CHAT, body)
    assert (status, code) == (answer.status, answer.json()["error"]["code"])
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]


def test_duplicate_keys_mean_one_value(gateway: RunningGateway) -> None:
    """The last of two members counts, for the gateway and for the provider alike."""
    body = b'{"model":"no-such","model":"demo","messages":[{"role":"user","content":"say one thing"}]}'
    answer = gateway.request(CHAT, body)
    assert (answer.status, answer.headers["x-llmgw-target"]) == (200, "sim/sim")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {"content-encoding": "gzip"},
    ],
    ids=["text", "none", "charset", "gzip"],
)
def test_what_does_not_say_json_is_not_read(gateway: RunningGateway, headers: dict[str, str]) -> None:
    """Another media type or an encoding is 415, whatever the bytes are."""
    answer = gateway.request(CHAT, _with(), headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer llmgw_live_x"},
    ],
    ids=["missing", "empty", "basic", "unknown"],
)
def test_a_bad_key_is_401(gateway: RunningGateway, headers: dict[str, str]) -> None:
    """Only a key that is missing or bad is a 401, on every route of the data plane."""
    for path in (CHAT, "/v1/embeddings"):
        answer = gateway.request(path, _with(), headers=headers, key=None)
        assert (answer.status, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert gateway.request("/v1/models", headers=headers, key=None).status == 401
    assert gateway.request("/admin/v1/targets", headers=headers, key=None).status == 401


@pytest.mark.parametrize("header", ["x-api-key", "api-key"])
def test_other_dialects_key_headers_are_read(gateway: RunningGateway, header: str) -> None:
    """SDKs of other vendors send the key under a name of their own."""
    assert gateway.request(CHAT, _with(), headers={header: gateway.key}, key=None).status == 200


def test_a_method_or_path_that_is_not_there(gateway: RunningGateway) -> None:
    """Wrong methods are 405 and wrong paths 404, in the dialect of their side of the house."""
    assert _code(gateway.request(CHAT, method="GET")) == (405, "method_not_allowed")
    assert _code(gateway.request("/v1/no-such", _with())) == (404, "not_found")
    elsewhere = gateway.request("/admin/v1/no-such")
    assert (elsewhere.status, elsewhere.headers["content-type"]) == (404, "application/problem+json")


def test_an_oversize_body_is_refused_before_it_is_read(gateway: RunningGateway) -> None:
    """A declared length over the limit is 413 while no byte of the body was sent."""
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        "content-type: application/json\r\ncontent-length: 999999999\r\n\r\n"
    )
    assert b" 413 " in _first_line(gateway, head.encode())


def test_an_oversize_chunked_body_is_cut(gateway: RunningGateway) -> None:
    """Without a declared length, the limit holds for the bytes that come."""
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert b" 413 " in _first_line(gateway, head, [piece] * 40)


def test_a_body_that_comes_slowly_is_read_whole(gateway: RunningGateway) -> None:
    """A pause inside a body, longer than the gateway takes to look for leavers, loses nothing."""
    body = _with()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head)
        assert gateway.chat("sim/sim-ttft-400ms").status == 200
        connection.sendall(body[:20])
        assert gateway.chat("sim/sim-ttft-400ms").status == 200
        connection.sendall(body[20:])
        assert b" 200 " in connection.recv(65536).split(b"\r\n")[0]


def test_a_request_without_host_is_refused(gateway: RunningGateway) -> None:
    """HTTP/1.1 asks for exactly one Host."""
    assert b" 400 " in _first_line(gateway, b"GET /livez HTTP/1.1\r\n\r\n")


def test_a_flood_of_headers_is_refused(gateway: RunningGateway) -> None:
    """Ten thousand headers, or one of 128 KiB, are 431 or an end of the connection."""
    many = "".join(f"x-{number}: 1\r\n" for number in range(10_000))
    long = "x-long: " + "a" * 131_072 + "\r\n"
    for headers in (many, long):
        line = _first_line(gateway, f"GET /livez HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode())
        assert line == b"" or b" 431 " in line or b" 400 " in line


def test_a_hostile_request_id_is_replaced(gateway: RunningGateway) -> None:
    """An id that could break a header or a log line is not taken over."""
    answer = gateway.request(CHAT, _with(), headers={"x-request-id": "a" * 65})
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_member_that_no_target_can_take_is_named(gateway: RunningGateway) -> None:
    """Where no target has what the call needs, the refusal names the member."""
    answer = gateway.request(CHAT, _with(tools=[{"type": "function"}]))
    assert answer.status == 400
    assert answer.json()["error"]["param"].startswith("tools[0]")


def test_the_worker_lived_through_all_of_it(gateway: RunningGateway) -> None:
    """After every bad request above, the same process still answers."""
    assert gateway.request(CHAT, _with()).status == 200
    assert "unhandled error" not in gateway.log()


def _code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


def _first_line(gateway: RunningGateway, head: bytes, pieces: list[bytes] | None = None) -> bytes:
    """Send raw bytes and return the status line, empty where the connection was just closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        try:
            connection.sendall(head)
            for piece in pieces or []:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return connection.recv(65536).split(b"\r\n")[0]
        except ConnectionResetError:
            return b""
