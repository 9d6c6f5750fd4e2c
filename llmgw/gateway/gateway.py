"""The corridor: what happens to every call, top to bottom."""

from collections.abc import Callable

from llmgw.gateway.dispatch import Dispatch
from llmgw.gateway.reply import Reply
from llmgw.routing.catalog import Catalog
from llmgw.routing.health import Health
from llmgw.routing.plan import plan
from llmgw.types.call import Call
from llmgw.types.invocation import Invocation


class Gateway:
    """Turns an invocation into a reply: resolve the name, plan the targets, open one that answers.

    `draw` gives numbers in [0, 1) for weighted aliases.
    """

    def __init__(
        self, catalog: Catalog, dispatch: Dispatch, health: Health, draw: Callable[[], float]
    ) -> None:
        self.catalog = catalog
        self._dispatch = dispatch
        self._health = health
        self._draw = draw

    async def invoke(self, invocation: Invocation, call: Call) -> Reply:
        """Open the answer; nothing has been promised to the caller before this returns.

        Raises:
            ModelNotFound: no alias or provider of that name.
            UnsupportedParameter: no target can honour a member of the request.
            NoHealthyTarget: every target is resting.
            ProviderError: every attempt failed; the error is the last one's.
            DeadlineExceeded: the call's time is over.
            Overloaded: no slot came free in time.
        """
        alias = self.catalog.resolve(invocation.model)
        call.alias, call.stream, call.tags = alias.name, invocation.stream, invocation.options.tags
        targets = plan(alias, invocation.needs, self._health, self._draw())
        return await self._dispatch.open(targets, invocation, call)
