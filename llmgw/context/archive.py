"""All that can be done with contexts outside of calls, put together once."""

from llmgw.context.appending import Appending
from llmgw.context.branches import Branches
from llmgw.context.contexts import Contexts
from llmgw.context.erasure import Erasure
from llmgw.context.library import Actor, Library
from llmgw.context.records import Records
from llmgw.context.schemas import Schemas
from llmgw.context.states import States
from llmgw.context.transfer import Transfer
from llmgw.types.context import ContextInfo, ContextOptions
from llmgw.types.json import Json


class Archive:
    """The contexts of one store."""

    def __init__(self, contexts: Contexts, schemas: Schemas) -> None:
        self.schemas = schemas
        self.sessions = contexts.sessions
        self.library = Library(contexts, schemas)
        self.states = States(self.library, schemas)
        self.branches = Branches(self.library, self.states)
        self.erasure = Erasure(self.library, self.branches)
        self.records = Records(self.library)
        self.transfer = Transfer(self.library, self.states)
        self.appending = Appending(self.library)

    async def create(
        self, actor: Actor, options: ContextOptions, state: dict[str, Json] | None = None
    ) -> ContextInfo:
        """Make a context without turns, with a state where one is given.

        Raises:
            SchemaViolation: metadata or state do not fit; nothing is made then.
            GatewayError: as `Library.create` lists.
        """
        if state is not None:
            await self.states.check(actor.tenant, options.policy, state)
        info = await self.library.create(actor, options)
        if state is not None:
            await self.states.replace(actor, info.id, state)
        return info
