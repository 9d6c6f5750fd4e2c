"""The only socket out: connections to providers, their clocks, and every failure by its own name.

One pool of connections per origin. An answer is never inflated, never redirected and never asked of a proxy
that the environment names. Nothing here takes a caller's URL: a request goes to the origin its target was
configured with or nowhere, so an operator's private address works and a caller's does not exist.

Three clocks bound an attempt, one the call. *Connect* (name, TCP and TLS, where a new connection is made) ends in
`ProviderUnreachable`; *first byte* (connection ready to head of the answer, the upload included) and *idle*
(between two pieces of the body) end in `ProviderTimeout`; *total* ends in `DeadlineExceeded`.

That a kept connection was closed by its server shows only when it is used. Such a failure, before the head of
an answer and on a reused connection only, is mended by one immediate try on a connection of its own, which
`Upstream.stale_retries` counts. Every other retry is the corridor's.
"""

from llmgw.upstream.client import Upstream
from llmgw.upstream.response import UpstreamResponse

__all__ = ["Upstream", "UpstreamResponse"]
