"""What an answer's headers say of the prompt version that served it, and of its end.

`Deprecation` is RFC 9745's, `Sunset` RFC 8594's, `successor-version` a link relation of RFC 5829.
"""

import re
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

from llmgw.http.exchange import Headers
from llmgw.types.prompt import PROMPT_NAME, PromptFacts

_API: Final = re.compile(r"/v1/apis/[A-Za-z0-9/_-]+")


def prompt_headers(facts: PromptFacts) -> Headers:
    """Write the headers."""
    headers: Headers = [(b"x-llmgw-prompt", facts.served.encode())]
    if facts.arm is not None:
        headers.append((b"x-llmgw-prompt-arm", facts.arm.encode()))
    if facts.deprecated_ms is not None:
        headers.append((b"deprecation", f"@{facts.deprecated_ms // 1000}".encode()))
        if facts.sunset_ms is not None:
            headers.append((b"sunset", http_date(facts.sunset_ms).encode()))
        if facts.successor:
            headers += successor_link(facts.successor)
    return headers


def http_date(unix_ms: int) -> str:
    """Write a moment as HTTP does: `Fri, 27 Nov 2026 12:00:00 GMT`."""
    return formatdate(unix_ms / 1000, usegmt=True)


def successor_link(successor: str) -> Headers:
    """Link to what is to be called instead."""
    return [(b"link", f'<{successor_url(successor)}>; rel="successor-version"'.encode())]


def successor_url(successor: str) -> str:
    """The address of a successor: of a prompt, `name` or `name@8`, where it is called; else as it is given."""
    name = successor.partition("@")[0]
    if not _API.fullmatch(successor) and PROMPT_NAME.fullmatch(name):
        return f"/v1/prompts/{name}/completions"
    return quote(successor, safe="/:?#[]@!$&'()*+,;=%~")
