"""Fetches one small document that the operator or an issuer named."""

import asyncio
import ipaddress
from typing import Final

from llmgw.providers.base import UpstreamRequest
from llmgw.types.errors import GatewayError, ProviderBadResponse, ProviderTooLarge
from llmgw.types.target import Endpoint, Target, Timeouts
from llmgw.upstream.address import origin_of
from llmgw.upstream.client import Upstream

DOCUMENT_MAX: Final = 64 * 1024
"""Longest document, in bytes."""
WITHIN_S: Final = 10.0
"""Seconds for the whole of it."""


async def fetch_document(upstream: Upstream, url: str) -> bytes:
    """Get a document over TLS, or from this machine; redirects are not followed.

    Raises:
        GatewayError: it cannot be had, is too long, or may not be asked for; the text does not repeat the answer.
    """
    try:
        host = origin_of(url).host
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not url.startswith("https://") and not (local and url.startswith("http://")):
        raise ProviderBadResponse("a document is only fetched over https")
    target = Target(
        name="document",
        provider="document",
        kind="document",
        protocol="document",
        model="",
        endpoint=Endpoint(base_url=url, auth="none"),
        features=frozenset(),
        timeouts=Timeouts(connect_s=5.0, first_byte_s=WITHIN_S, idle_s=WITHIN_S, total_s=WITHIN_S),
    )
    request = UpstreamRequest(
        method="GET", url=url, headers=(("accept", "application/json"),), body=b"", framing="whole"
    )
    answer = await upstream.open(request, target, asyncio.get_running_loop().time() + WITHIN_S)
    try:
        if answer.status != 200:
            raise ProviderBadResponse(f"status {answer.status} in the place of a document")
        pieces, size = list[bytes](), 0
        while piece := await answer.chunk():
            pieces.append(piece)
            size += len(piece)
            if size > DOCUMENT_MAX:
                raise ProviderTooLarge(f"a document of more than {DOCUMENT_MAX} bytes")
    except GatewayError:
        answer.close()
        raise
    return b"".join(pieces)
