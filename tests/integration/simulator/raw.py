"""A client that sees every byte: what a broken answer really looks like on the wire."""

import json
import re
import socket
from typing import Any, Self
from urllib.parse import urlsplit

DEADLINE_S = 20.0
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


def question(model: str, text: str = "count to 20", *, stream: bool = False, **members: Any) -> bytes:
    """A chat request's body."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "messages": messages, "stream": stream, **members}).encode()


class Wire:
    """One TCP connection to a simulator."""

    def __init__(self, base_url: str) -> None:
        url = urlsplit(base_url)
        self._socket = socket.create_connection((url.hostname or "", url.port or 0), timeout=DEADLINE_S)
        self.received = bytearray()
        self.ended: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def post(self, body: bytes, path: str = "/v1/chat/completions") -> None:
        """Send one request."""
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        self.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def until(self, mark: bytes) -> bytes:
        """Read until a mark has come; what follows it stays for the next read."""
        looked = 0
        while (start := self.received.find(mark, looked)) < 0:
            looked = max(0, len(self.received) - len(mark))
            if not self._more():
                raise AssertionError(f"ended ({self.ended}) before {mark!r}: {bytes(self.received[:2000])!r}")
        return self._take(start + len(mark))

    def rest(self) -> bytes:
        """Read until the server ends the connection; `ended` then says how: `closed` or `reset`."""
        while self._more():
            pass
        return bytes(self.received)

    def answer(self) -> tuple[int, bytes]:
        """Read one answer with a content-length: status and body."""
        head = self.until(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(self.received) < length:
            assert self._more()
        return int(head.split()[1]), self._take(length)

    def _take(self, length: int) -> bytes:
        part = bytes(self.received[:length])
        del self.received[:length]
        return part

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
        self.received += data
        return bool(data)


def events(chunked: bytes) -> tuple[list[bytes], bool]:
    """Unframe a chunked body into its events, and say whether the body was properly ended."""
    payloads: list[bytes] = []
    position = 0
    while match := _CHUNK.match(chunked, position):
        size = int(match[1], 16)
        if size == 0:
            return payloads, True
        payloads.append(chunked[match.end() : match.end() + size])
        position = match.end() + size + 2
    return payloads, False


def contents(payloads: list[bytes]) -> list[str]:
    """The pieces of text in a stream's events."""
    found = []
    for payload in payloads:
        data = payload.removeprefix(b"data: ").strip()
        if data != b"[DONE]":
            for choice in json.loads(data).get("choices", []):  # an independent reader
                found += [choice["delta"]["content"]] if choice["delta"].get("content") else []
    return found
