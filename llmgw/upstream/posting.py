"""Posts to addresses that the operator configured, such as webhooks: the same socket, the same clocks."""

import asyncio
from typing import Final, NamedTuple

from llmgw.providers.base import UpstreamRequest
from llmgw.providers.error_reports import retry_after_s
from llmgw.types.target import Endpoint, Target, Timeouts
from llmgw.upstream.client import Upstream

POST_S: Final = 10.0
"""Seconds that a post may take in all."""
_CONNECT_S: Final = 3.0


class Posted(NamedTuple):
    """What answered a post; its body is not read."""

    status: int
    retry_after_s: float | None


async def post(
    upstream: Upstream, url: str, headers: tuple[tuple[str, str], ...], body: bytes, *, who: str
) -> Posted:
    """Post a body; redirects are answers, and not followed. `who` names the receiver in errors.

    Raises:
        GatewayError: there is no answer.
    """
    target = Target(
        name=who,
        provider=who,
        kind="webhook",
        protocol="http",
        model="",
        endpoint=Endpoint(base_url=url, auth="none"),
        features=frozenset(),
        timeouts=Timeouts(connect_s=_CONNECT_S, first_byte_s=POST_S, idle_s=POST_S, total_s=POST_S),
    )
    request = UpstreamRequest(method="POST", url=url, headers=headers, body=body, framing="whole")
    answer = await upstream.open(request, target, asyncio.get_running_loop().time() + POST_S)
    try:
        return Posted(answer.status, retry_after_s(answer.headers))
    finally:
        answer.close()
