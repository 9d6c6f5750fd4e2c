"""A caller, the store behind the gateway's back, and a provider that waits where it is told to."""

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from llmgw.context.storage.names import Keys
from llmgw.state.connection import State
from llmgw.state.embedded import attach_or_start
from tests.collectors import Collector
from tests.e2e.contexts.desk import Desk
from tests.faults.provider import FakeProvider, Heard, fresh
from tests.running import RunningGateway
from tests.waiting import ROOMY_S


class Scene:
    """A caller, the store behind the gateway's back, and a provider that waits where it is told to."""

    def __init__(self, gateway: RunningGateway, provider: FakeProvider, collector: Collector) -> None:
        self.gateway = gateway
        self.collector = collector
        self.provider = provider
        self.desk = Desk(gateway, gateway.key)

    def behind(self, act: Callable[[State, Keys], Awaitable[Any]], context: str) -> None:
        """Do something to a context in the store itself."""

        async def done(url: str) -> None:
            async with aclosing(State(url, timeout_s=ROOMY_S)) as state:
                await act(state, Keys("default", context))

        with attach_or_start(self.gateway.home / "state") as url:
            asyncio.run(done(url))

    @contextmanager
    def under_way(self, context: str, **headers: str) -> Iterator[tuple[http.client.HTTPResponse, Heard]]:
        """Have a streamed call stand in its middle."""
        model = fresh("g01_paused")
        body = {
            "model": f"fake/{model}",
            "messages": [{"role": "user", "content": "go on"}],
            "llmgw": {"context": context},
            "stream": True,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        whole = {"authorization": f"Bearer {self.gateway.key}", "content-type": "application/json", **headers}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), whole)
        with connection.getresponse() as response:
            assert response.status == 200
            yield response, self.provider.request(model)
        connection.close()
