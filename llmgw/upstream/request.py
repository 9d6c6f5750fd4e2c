"""The bytes of a request."""

import re
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
    lines = [
        f"{request.method} {target_of(request.url)} HTTP/1.1\r\nHost: {origin_of(request.url).authority}\r\n"
    ]
    given = set()
    for name, value in request.headers:
        if _NAME.fullmatch(name) is None or _NO_VALUE.search(value) is not None:
            raise ValueError("a header that cannot be written")
        given.add(name.lower())
        lines.append(f"{name}: {value}\r\n")
    lines += [line for name, line in _OURS if name not in given]
    if request.body or request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}\r\n")
    lines.append("Connection: close\r\n\r\n" if last else "\r\n")
    return "".join(lines).encode()
