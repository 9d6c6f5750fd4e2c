"""A publisher who changes prompts in the gateway's store, and waits until the gateway serves them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.registry import Registry
from llmgw.prompts.registry.wishes import LabelMove, Push
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.prompt import PromptContent
from tests.e2e.contexts.desk import Desk
from tests.running import RunningGateway
from tests.waiting import ROOMY_S, until

T = TypeVar("T")
AUTHOR = Author(tenant="default", who="ann", call="call_0")


class Publisher:
    """Publishes for the tenant `default`."""

    def __init__(self, gateway: RunningGateway, store_url: str) -> None:
        self._gateway = gateway
        self._store_url = store_url

    def do(self, act: Callable[[Registry], Awaitable[T]]) -> T:
        """Do something with the registry."""

        async def done() -> T:
            async with aclosing(State(self._store_url, timeout_s=ROOMY_S)) as state:
                return await act(Registry(state, PromptSettings()))

        return asyncio.run(done())

    def publish(self, name: str, content: PromptContent, label: str | None = "production") -> int:
        """Have a content served, behind a label if one is named; returns its number."""

        async def act(registry: Registry) -> int:
            pushed = await registry.push(AUTHOR, name, Push(content=content))
            number = pushed.info.number
            await registry.publish(AUTHOR, name, number)
            return number

        number = self.do(act)
        if label is not None:
            self.move(name, label, number)
        until(lambda: self._leads(name, label, number), f"{name} to be served")
        return number

    def move(self, name: str, label: str, number: int) -> None:
        """Have a label lead to a version that is there."""
        move = LabelMove(version=number, break_glass=True, reason="a test")
        self.do(lambda registry: registry.move(AUTHOR, name, label, move))

    def listed(self, name: str) -> dict[str, Any]:
        """What the gateway tells callers of a prompt; empty for none."""
        prompts = self._gateway.request("/v1/prompts").json()["prompts"]
        return next((each for each in prompts if each["name"] == name), {})

    def _leads(self, name: str, label: str | None, number: int) -> bool:
        there = self.listed(name)
        return bool(there) and (
            there["latest"] >= number if label is None else there["labels"].get(label) == number
        )


def line_of(desk: Desk, call: str) -> dict[str, Any]:
    """The line of a call in the log, which comes when the call is over."""

    def found() -> dict[str, Any] | None:
        lines = (json.loads(line) for line in desk.gateway.log().splitlines() if line.startswith("{"))
        return next((each for each in lines if each.get("call_id") == call), None)

    line = until(found, f"the line of {call}")
    assert line is not None
    return line
