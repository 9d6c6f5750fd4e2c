"""Turns that come without a call: a history brought from elsewhere, or what an application has to add."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmgw.context.giving_back import given_back
from llmgw.context.intake import Intake, examine
from llmgw.context.kept import encode_json
from llmgw.context.library import Actor, Library
from llmgw.context.opened import Asker, Opened
from llmgw.context.storage.answers import Replay
from llmgw.context.taking_in import take_in
from llmgw.types.context import ContextInfo, ContextOptions, Idempotency
from llmgw.types.context_errors import ContextViolation
from llmgw.types.message import Message
from llmgw.types.violation import Violation, pointer_to


class Appended(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A context with turns added: how many there are of these, and what was mended on the way in."""

    context: ContextInfo
    added: int
    violations: tuple[Violation, ...] = ()


class Appending:
    """Adds turns outside of calls."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._contexts = library.contexts

    async def append(
        self,
        actor: Actor,
        context: str,
        messages: Sequence[Message],
        *,
        op: str,
        within: Sequence[str],
        wire: str = "",
        if_match: str | None = None,
        idempotency: Idempotency | None = None,
        pinned: bool = False,
    ) -> Appended:
        """Add messages behind what is there, all or none, by the same rules as in a call.

        `op` names this adding, `within` are the steps to them in the caller's body, `wire` is the protocol their
        `provider_details` are of. With an idempotency key they are added once, however often this is asked.

        Raises:
            ContextViolation: they do not follow from what is stored.
            SchemaViolation: one cannot be stored.
            GatewayError: as `Contexts.open` and `Contexts.commit` list.
        """
        contexts = self._contexts
        options = ContextOptions(id=context, if_match=if_match)
        base = contexts.settings.base(actor.tenant)
        asker = Asker(tenant=actor.tenant, who=actor.who, op=op)
        opened = await contexts.open(asker, options, messages, base, idempotency)
        if isinstance(opened, Replay):
            return await self._again(actor, context, opened)
        async with given_back(contexts, opened):
            intake = self._examined(opened, messages, within)
            take_in(contexts, opened, intake.said, wire, source="import", pinned=pinned)
            if not opened.said:
                raise ContextViolation("there is nothing to add", intake.violations)
            await contexts.commit(opened, opened.said)
        info = await self._library.info(actor, context, op="")
        appended = Appended(context=info, added=len(opened.said), violations=intake.violations)
        await contexts.remember(opened, "application/json", encode_json(appended))
        return appended

    @staticmethod
    def _examined(opened: Opened, messages: Sequence[Message], within: Sequence[str]) -> Intake:
        def place(number: int, part: int | None) -> str:
            pointer = pointer_to(*within, number)
            return pointer if part is None else f"{pointer}{pointer_to('parts', part)}"

        intake = examine(messages, opened.history.course, opened.policy, place, asks=False)
        if intake.refused:
            raise ContextViolation("the turns do not follow from what is stored", intake.refused)
        return intake

    async def _again(self, actor: Actor, context: str, replay: Replay) -> Appended:
        if replay.body:
            return msgspec.json.decode(replay.body, type=Appended)
        # It was added, and the answer to that was never kept.
        info = await self._library.info(actor, context, op="")
        return Appended(context=replace(info, rev=replay.rev, head=replay.head), added=0)
