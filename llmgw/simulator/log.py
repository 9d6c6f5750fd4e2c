"""What the simulator really received, for tests to read back; credentials are never kept."""

import hashlib
from collections import deque

from llmgw.simulator.reply import Request
from llmgw.types.errors import InvalidJson
from llmgw.types.json import Json, decode

_KEPT = 200
_LARGEST_BODY = 256 * 1024
_CREDENTIALS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
)
_SHOWN = 4
_SHORTEST_SHOWN = 12


class RequestLog:
    """The newest requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Json]] = deque(maxlen=_KEPT)

    def add(self, request: Request) -> None:
        """Note a request: its credentials only as present, with the last characters of a long one."""
        self._entries.append(_entry(request))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def bodies(self) -> list[tuple[str, bytes]]:
        """Give path and body of each request, the body's bytes as they came; none of one that was very long."""
        return [(entry["path"], entry["body"] or b"") for entry in self._entries]

    def entries(self) -> list[Json]:
        """Give the entries as JSON; `body` is JSON, text where it is none, or null where it was very long."""
        return [_shown(entry) for entry in self._entries]


def _shown(entry: dict[str, Json]) -> dict[str, Json]:
    body = None if entry["body"] is None else _readable(entry["body"])
    return {**entry, "model": body.get("model") if isinstance(body, dict) else None, "body": body}


def _entry(request: Request) -> dict[str, Json]:
    body = request.body
    return {
        "method": request.method,
        "path": request.path,
        "headers": [[name, value] for name, value in request.headers if name not in _CREDENTIALS],
        "credentials": {
            name: value[-_SHOWN:] if len(value) >= _SHORTEST_SHOWN else ""
            for name, value in request.headers
            if name in _CREDENTIALS
        },
        "body_bytes": len(body),
        "body_sha256": hashlib.sha256(body).hexdigest(),
        "body": body if len(body) <= _LARGEST_BODY else None,
    }


def _readable(body: bytes) -> Json:
    try:
        return decode(body)
    except InvalidJson:
        return body.decode("utf-8", errors="replace")
