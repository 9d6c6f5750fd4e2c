"""A gateway's view of a local issuer: real fetches over HTTP, and a clock that moves when a test says so."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from llmgw.policy.issuers import Issuer, Issuers
from llmgw.types.errors import InvalidApiKey
from llmgw.upstream import Upstream
from llmgw.upstream.documents import fetch_document
from tests.local_issuer import LocalIssuer
from tests.manual_clock import ManualClock

REFUSED = "this token is not valid: it is not one of a known issuer for this gateway, or has expired"


class Stage:
    """Issuers at work."""

    def __init__(self, issuers: Issuers, clock: ManualClock, upstream: Upstream) -> None:
        self.issuers = issuers
        self.clock = clock
        self.upstream = upstream

    @property
    def now_s(self) -> float:
        """The time, in unix seconds."""
        return self.clock.unix_ns() / 1e9

    async def reason(self, token: str) -> str:
        """Have a token refused, and return the reason that the log is told."""
        with pytest.raises(InvalidApiKey) as refused:
            await self.issuers.authenticate(token)
        assert str(refused.value) == REFUSED
        assert refused.value.status == 401
        assert self.issuers.cached(token) is None
        reason = str(refused.value.__cause__)
        assert not any(part in reason for part in token.split(".") if len(part) > 3)
        return reason


def rules(local: LocalIssuer, **members: Any) -> Issuer:
    """What is believed of a local issuer."""
    given: dict[str, Any] = {
        "name": "corp",
        "issuer": local.url,
        "audience": "llmgw",
        "algorithm": local.algorithm,
        "roles": {"llm-admins": "admin", "llm-devs": "publisher", "llm-viewers": "viewer"},
        "role_claim": "groups",
        "tenant": "default",
        **members,
    }
    return Issuer(**given)


def play(scene: Callable[[Stage], Awaitable[None]], *issuers: Issuer) -> None:
    """Run a test's steps."""

    async def run() -> None:
        clock, upstream = ManualClock(), Upstream()
        stage = Stage(Issuers(issuers, partial(fetch_document, upstream), clock), clock, upstream)
        try:
            await scene(stage)
        finally:
            await stage.issuers.aclose()
            await upstream.aclose()

    asyncio.run(run())
