"""The bytes of a request."""

import re
from functools import lru_cache
from typing import Final

from llmgw import __version__
from llmgw.providers.base import UpstreamRequest
from llmgw.upstream.address import origin_of, target_of

_OURS: Final = (
    ("accept", "Accept: */*\r\n"),
    ("accept-encoding", "Accept-Encoding: identity\r\n"),
    ("user-agent", f"User-Agent: llmgw/{__version__}\r\n"),
)
"""Said of every request that does not say otherwise."""

_NO_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def head_of(request: UpstreamRequest, *, last: bool) -> bytes:
    """Write everything before the body; with `last` the connection is asked to end behind the answer.

    Raises:
        ValueError: the URL or a header cannot be written as it is; nothing of it is repeated.
    """
    head = _lines(request.method, request.url, request.headers)
    size = len(request.body)
    length = b"Content-Length: %d\r\n" % size if size or request.method != "GET" else b""
    return head + length + (b"Connection: close\r\n\r\n" if last else b"\r\n")


def forget_heads() -> None:
    """Keep nothing of requests to targets that may be configured otherwise now, such as their old keys."""
    _lines.cache_clear()


@lru_cache(maxsize=256)
def _lines(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """What a head has in common with that of the next request to the same target."""
    lines = [f"{method} {target_of(url)} HTTP/1.1\r\nHost: {origin_of(url).authority}\r\n"]
    given = set()
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _NO_VALUE.search(value) is not None:
            raise ValueError("a header that cannot be written")
        given.add(name.lower())
        lines.append(f"{name}: {value}\r\n")
    lines += [line for name, line in _OURS if name not in given]
    return "".join(lines).encode()
