"""Writing requests to Anthropic: the address, the headers and the body together."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from llmgw.providers.anthropic.blocks import PROTOCOL
from llmgw.providers.anthropic.body import counted, foreign_body, native_body
from llmgw.providers.anthropic.compaction import add_compaction
from llmgw.providers.anthropic.marks import keep_latest_marks
from llmgw.providers.base import Framing, UpstreamRequest
from llmgw.providers.headers import credential_of
from llmgw.providers.history import Written, behind_instructions, written
from llmgw.types.invocation import ChatInvocation, CountInvocation
from llmgw.types.json import Json
from llmgw.types.loss import Losses
from llmgw.types.message import Details
from llmgw.types.target import Endpoint, Target

_VERSION: Final = "2023-06-01"
"""What is asked for when the caller names no version.

2026-10-21 only takes away: it refuses temperature, top_p and top_k for every model, documents in assistant
messages and citations in user messages (platform.claude.com/docs/en/api/versioning). The older version knows all
of these and is the one that every host of the protocol knows, so that nothing needs to be looked at twice.
"""

_BETA: Final = "anthropic-beta"
_VERSIONED: Final = re.compile(r"/v\d+$")


def chat_request(invocation: ChatInvocation, target: Target) -> UpstreamRequest:
    """Write the request for a message.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    write = native_body if invocation.wire == PROTOCOL else foreign_body
    body = write(invocation, target, losses)
    betas = add_compaction(body, invocation, target)
    told = _encoded(body, invocation, losses)
    return _request(invocation, target, "/messages", told, losses, betas)


def count_request(invocation: CountInvocation, target: Target) -> UpstreamRequest:
    """Write the request for the number of a conversation's tokens.

    Raises:
        UnsupportedParameter: the target cannot be asked for this.
    """
    losses = Losses()
    write = native_body if invocation.chat.wire == PROTOCOL else foreign_body
    told = _encoded(counted(write(invocation.chat, target, losses)), invocation.chat, losses)
    return _request(invocation.chat, target, "/messages/count_tokens", told, losses)


def address(endpoint: Endpoint, path: str) -> str:
    """The URL of a path of the API.

    Anthropic's own clients leave the version out of the address they are given, other vendors' leave it in.
    """
    base = endpoint.base_url.rstrip("/")
    return f"{base}{path}" if _VERSIONED.search(base) else f"{base}/v1{path}"


def _encoded(body: Details, chat: ChatInvocation, losses: Losses) -> Written:
    told = written(body, "messages", ("system",), stored=chat.stored)
    if told.marked:
        keep_latest_marks(body, losses)
        told = written(body, "messages", ("system",), stored=True)
    system = body.get("system")
    return behind_instructions(told, chat, system, _head) if isinstance(system, list) else told


def _head(system: list[Json]) -> Details:
    return {"system": system}


def _request(
    chat: ChatInvocation,
    target: Target,
    path: str,
    told: Written,
    losses: Losses,
    betas: Sequence[str] = (),
) -> UpstreamRequest:
    endpoint = target.endpoint
    url = address(endpoint, path)
    if endpoint.query:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(endpoint.query)}"
    framing: Framing = "sse" if chat.stream else "whole"
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=_headers(chat, endpoint, betas),
        body=told.body,
        framing=framing,
        losses=losses.noted(),
        history=told.messages,
        history_head=told.head,
        history_at=told.at,
        history_own=told.own,
        history_behind=told.behind,
    )


def _headers(chat: ChatInvocation, endpoint: Endpoint, betas: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The headers of a request: ours, then the caller's of this dialect, then the operator's, later ones first.

    The betas of caller and operator are a list to which both add.
    """
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if chat.stream else "application/json",
        "accept-encoding": "identity",
        "anthropic-version": _VERSION,
    }
    if chat.wire == PROTOCOL:
        headers |= {name.lower(): value for name, value in chat.headers}
    if betas:
        headers[_BETA] = _joined(headers.get(_BETA, ""), ",".join(betas))
    headers |= credential_of(endpoint)
    for given, value in endpoint.headers:
        name = given.lower()
        headers[name] = _joined(headers[name], value) if name == _BETA and name in headers else value
    return tuple(headers.items())


def _joined(ours: str, theirs: str) -> str:
    betas = (beta.strip() for beta in f"{ours},{theirs}".split(","))
    return ",".join(dict.fromkeys(beta for beta in betas if beta))
