"""What all requests to one target have in common, made once."""

from typing import Final
from urllib.parse import quote, urlencode

from llmgw.providers.headers import headers_of
from llmgw.providers.openai.quirks import quirks_of
from llmgw.types import json
from llmgw.types.target import Target

_MOST: Final = 256
"""Targets that are remembered: callers can name any model."""


class Place:
    """Where a target is asked, and how it is addressed: addresses, headers, and how bodies open.

    `head` is what a body says before its messages, `opening` the same up to the first of them.
    """

    __slots__ = (
        "chat_url",
        "embeddings_url",
        "head",
        "headers",
        "opening",
        "quirks",
        "stream_headers",
        "target",
    )

    def __init__(self, target: Target) -> None:
        endpoint = target.endpoint
        self.target = target
        self.quirks = quirks_of(target)
        self.chat_url = _url(target, self.quirks.chat_path)
        self.embeddings_url = _url(target, self.quirks.embeddings_path)
        self.headers = headers_of(endpoint, "application/json")
        self.stream_headers = headers_of(endpoint, "text/event-stream")
        self.head = json.encode({"model": target.model})
        self.opening = b'%b,"messages":[' % self.head[:-1]


_KNOWN: Final[dict[int, Place]] = {}
"""By the `id` of the target, which is held so that no other can have it."""


def place_of(target: Target) -> Place:
    """What requests to a target have in common."""
    known = _KNOWN.get(id(target))
    if known is None:
        if len(_KNOWN) >= _MOST:
            _KNOWN.clear()
        known = _KNOWN[id(target)] = Place(target)
    return known


def forget_places() -> None:
    """Remember no target: some may be configured otherwise by now, and their old keys are of no more use."""
    _KNOWN.clear()


def _url(target: Target, path: str) -> str:
    endpoint = target.endpoint
    url = f"{endpoint.base_url.rstrip('/')}{path}"
    if "{model}" in url:
        url = url.replace("{model}", quote(target.model, safe=""))
    if endpoint.query:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(endpoint.query)}"
    return url
