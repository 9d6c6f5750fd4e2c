"""The corridor: what happens to every call, top to bottom."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from llmgw.accounting.tokens import TokenCounter
from llmgw.context.ids import made_id
from llmgw.context.opened import Asker
from llmgw.context.storage.answers import Replay
from llmgw.gateway.accounts.accounts import Accounts
from llmgw.gateway.accounts.claim import Claim
from llmgw.gateway.asking import Asking, Plain
from llmgw.gateway.compacting import Compacting
from llmgw.gateway.conversation import Conversation
from llmgw.gateway.conversations import Conversations
from llmgw.gateway.dispatch import Dispatch
from llmgw.gateway.linting import models_of
from llmgw.gateway.outputs import InTime, Watch, ends_at, is_judged, judged
from llmgw.gateway.prompting import Prompted, Prompting
from llmgw.gateway.reply import Reply
from llmgw.gateway.token_counts import Count, TokenCounts
from llmgw.prompts.gates.lint import Models
from llmgw.routing.catalog import Alias, Catalog
from llmgw.routing.health import Health
from llmgw.routing.plan import plan
from llmgw.telemetry.trace_context import new_span_id
from llmgw.types.call import DEFAULT_TENANT, Call
from llmgw.types.completion import Completion
from llmgw.types.context import ContextOptions
from llmgw.types.errors import (
    GatewayError,
    InternalError,
    ModelNotFound,
    Unavailable,
    UnsupportedParameter,
    unknown_model,
)
from llmgw.types.event import Usage
from llmgw.types.feature import Feature
from llmgw.types.invocation import ChatInvocation, CountInvocation, Invocation
from llmgw.types.json import Json
from llmgw.types.prompt import PromptRef
from llmgw.types.target import Target


class Answered(NamedTuple):
    """A whole answer, and the reply it came by, which may want to remember what the caller is sent."""

    completion: Completion
    reply: Reply | None = None


class Gateway:
    """Turns an invocation into a reply: resolve the name, plan the targets, open one that answers.

    `draw` gives numbers in [0, 1) for weighted aliases. `conversations` are what calls with a context continue,
    `prompting` has the prompts that calls name.
    """

    def __init__(
        self,
        catalog: Catalog,
        dispatch: Dispatch,
        health: Health,
        counter: TokenCounter,
        draw: Callable[[], float],
        conversations: Conversations,
        prompting: Prompting,
        accounts: Accounts,
    ) -> None:
        self.catalog = catalog
        self._accounts = accounts
        self.prompting = prompting
        self._conversations = conversations
        self._dispatch = dispatch
        self._health = health
        self._counter = counter
        self._token_counts = TokenCounts(counter, conversations.calibration)
        self.calibration = conversations.calibration
        self._draw = draw

    async def invoke(self, invocation: Invocation, call: Call) -> Reply | Replay:
        """Open the answer; nothing has been promised to the caller before this returns.

        A call that was answered before, by its idempotency key, gets that answer again.

        Raises:
            ModelNotFound: no alias or provider of that name.
            ModelNotAllowed: the caller's key has a list without it.
            UnsupportedParameter: no target can honour a member of the request.
            PriceMissing: no target has a price, and only priced ones may be asked.
            NoHealthyTarget: every target is resting.
            ProviderError: every attempt failed; the error is the last one's.
            DeadlineExceeded: the call's time is over.
            Overloaded: no slot came free in time.
            GatewayError: the context it continues refuses it, as `Conversations.open` lists, or the prompt it
                names, as `Prompting.apply` does.
        """
        if invocation.options.prompt is None:
            return await self._open(invocation, invocation, call)
        prompted = await self._prompted(invocation, call)
        if isinstance(prompted, Replay):
            return prompted
        reply = await self._open(prompted.invocation, invocation, call)
        if isinstance(reply, Reply) and prompted.compiled.content.output_schema is not None:
            reply.watched_by(Watch(prompted.compiled, call))
        return reply

    async def complete(self, invocation: Invocation, call: Call) -> Answered | Replay:
        """Answer a call that is not streamed.

        Raises:
            OutputViolation: the answer does not fit the output schema of the API that is called.
            GatewayError: as `invoke` lists.
        """
        asked, compiled = invocation, None
        if invocation.options.prompt is not None:
            prompted = await self._prompted(invocation, call)
            if isinstance(prompted, Replay):
                return prompted
            asked, compiled = prompted
        if isinstance(asked, CountInvocation):
            return Answered(await self._count(asked, call))
        now_ns = self._conversations.contexts.monotonic_ns
        began_ns = 0 if compiled is None else now_ns()
        reply = await self._open(asked, invocation, call)
        if isinstance(reply, Replay):
            return reply
        completion = await reply.completion()
        if compiled is not None and isinstance(asked, ChatInvocation) and is_judged(asked, compiled):
            ask = InTime(partial(self.ask, call), now_ns, ends_at(began_ns, asked, reply.target))
            completion = await judged(completion, asked, compiled, call, ask)
            if call.content is not None:
                call.content.settle(completion)
        return Answered(completion, reply)

    async def _prompted(self, invocation: Invocation, call: Call) -> Prompted | Replay:
        """Join a call with its prompt; one that was answered before gets that answer, though the prompt is gone."""
        named = self._naming_context(invocation, call)
        try:
            return await self.prompting.applied(named, call)
        except GatewayError:
            replay = await self._conversations.again(named.options, call)
            if replay is None:
                raise
            call.prompt = None
            return replay

    def _naming_context(self, invocation: Invocation, call: Call) -> Invocation:
        """Name the context that a call makes before its prompt is chosen, so that all its calls get the same."""
        options = invocation.options
        if options.context is None or options.context.id is not None or not options.context.create:
            return invocation
        tenant = call.caller.tenant if call.caller is not None else DEFAULT_TENANT
        name = made_id(tenant, options.idempotency, self._conversations.contexts.now_ms())
        return replace(invocation, options=replace(options, context=replace(options.context, id=name)))

    async def _open(self, invocation: Invocation, said: Invocation, call: Call) -> Reply | Replay:
        """Open the answer to a call as it is asked; `said` is what its caller says of that."""
        alias = self._resolved(invocation.model, said.options.prompt, call)
        call.alias, call.stream, call.tags = alias.name, invocation.stream, invocation.options.tags
        context = invocation.options.context
        if context is None:
            return await self._plain(self._plan(alias, invocation), invocation, said, call)
        if not isinstance(invocation, ChatInvocation):
            raise UnsupportedParameter("only conversations have a context", param="llmgw.context")
        # Whoever cannot be answered at all takes no lease.
        targets = self._plan(alias, invocation)
        ask = partial(self.ask, call)
        opened = await self._conversations.open(invocation, context, call, ask, alias.policy)
        if isinstance(opened, Replay):
            # It was answered before, by whichever version served it then.
            call.prompt = None
            return opened
        return await self._continued(targets, opened, call)

    async def compact(
        self, asker: Asker, options: ContextOptions, alias: str | None, keep_last: int, call: Call
    ) -> None:
        """Have the beginning of a context summed up in a turn that is told in its place from now on.

        All units but the last `keep_last`. Without an alias the context's `summary_alias` writes it.

        Raises:
            InvalidRequest: there is no alias, or nothing to sum up.
            GatewayError: as `Contexts.open`, `Contexts.commit` and `invoke` list.
        """
        compacting = Compacting(self._conversations.contexts, partial(self.ask, call))
        async with self.counted(call):
            await compacting.compact(asker, options, alias, keep_last)

    def counted(self, call: Call) -> AbstractAsyncContextManager[None]:
        """See `Accounts.counted`."""
        return self._accounts.counted(call)

    def _resolved(self, model: str, prompt: PromptRef | None, call: Call) -> Alias:
        """Find a model that the caller may call.

        Raises:
            ModelNotAllowed: its key's list does not have it.
            ModelNotFound: there is none.
        """
        allowed = call.caller.allowed if call.caller is not None else None
        if allowed is None:
            return self.catalog.resolve(model)
        if model != call.admitted:
            slug = prompt.slug if prompt is not None else ""
            name = call.prompt.name if prompt is not None and call.prompt is not None else ""
            allowed.require(model, slug=slug, prompt=name)
        try:
            return self.catalog.resolve(model)
        except ModelNotFound:
            raise unknown_model() from None

    def _plan(self, alias: Alias, invocation: Invocation) -> tuple[Target, ...]:
        return plan(alias, invocation.needs, self._health, self._draw())

    async def _plain(
        self, targets: tuple[Target, ...], invocation: Invocation, said: Invocation, call: Call
    ) -> Reply:
        """Open the answer to a call that says all there is to say, its history compared beside it.

        What is compared is what the caller says: what a prompt version says is not the caller's to keep.
        """
        verification = None
        if isinstance(said, ChatInvocation) and said.options.verify is not None and said.messages:
            verification = self._conversations.verifier.begin(said, call)
        claim = await self._accounts.claim(call, invocation, targets)
        if call.content is not None and isinstance(invocation, ChatInvocation):
            call.content.told = invocation.messages
        reply = await self._asked(targets, Plain(claim.invocation), call, claim)
        if verification is not None:
            reply.kept_by(verification)
        return reply

    async def _continued(self, targets: tuple[Target, ...], conversation: Conversation, call: Call) -> Reply:
        """Open the answer to a call under its context's lease, which does not outlive a failure."""
        try:
            claim = await self._accounts.claim(call, conversation.invocation, targets, conversation.before)
            if isinstance(claim.invocation, ChatInvocation):
                conversation.say(claim.invocation)
            reply = await self._asked(targets, conversation, call, claim)
        except GatewayError as error:
            await conversation.break_off(error)
            raise
        except BaseException:
            conversation.abandon()
            raise
        reply.kept_by(conversation)
        return reply

    async def _asked(self, targets: Sequence[Target], asking: Asking, call: Call, claim: Claim) -> Reply:
        """Ask under a claim, which does not outlive a failure."""
        try:
            reply = await self._dispatch.open(targets, asking, call, claim)
        except GatewayError:
            await claim.fail()
            raise
        except BaseException:
            claim.abandon()
            raise
        reply.charged_to(claim)
        return reply

    def models(self) -> Models:
        """What the lint of prompts must know of the models that answer."""
        return models_of(self.catalog, self._counter)

    async def ask(self, call: Call, invocation: ChatInvocation) -> Completion:
        """Ask an alias on behalf of a call: in a call of its own, within that one.

        Raises:
            GatewayError: as `invoke` lists.
        """
        inner = call.within(new_span_id, self._conversations.contexts.monotonic_ns())
        call.inner.append(inner)
        try:
            reply = await self.invoke(invocation, inner)
            if isinstance(reply, Replay):
                raise InternalError("a call without a key was answered before")
            completion = await reply.completion()
            inner.status = 200
        except GatewayError as error:
            inner.status, inner.error, inner.error_message = error.status, error.code, error.message
            raise
        finally:
            inner.ended_ns = self._conversations.contexts.monotonic_ns()
            if inner.allotment is not None and call.allotment is not None:
                # It tells of a later moment; requests it does not count.
                call.allotment = replace(inner.allotment, requests=call.allotment.requests)
            # Waiting for a summary is waiting for a provider.
            call.waited_ns += inner.waited_ns
        return replace(completion, cost_nano=inner.cost_nano)

    async def _count(self, invocation: CountInvocation, call: Call) -> Completion:
        """Ask the target that would answer first, if it counts; an alias with one that does not is counted here."""
        alias = self._resolved(invocation.model, invocation.options.prompt, call)
        counting = [_counts(each.target) for each in alias.targets]
        if not counting[0]:
            return await self._estimate(invocation, call)
        if invocation.options.context is not None:
            raise UnsupportedParameter("a context's tokens cannot be counted", param="llmgw.context")
        try:
            reply = await self._open(invocation, invocation, call)
        except GatewayError as error:
            if all(counting) or not (error.fallback or isinstance(error, Unavailable)):
                raise
            return await self._estimate(invocation, call)
        if isinstance(reply, Replay):
            raise InternalError("a count has no idempotency key")
        return await reply.completion()

    async def _estimate(self, invocation: CountInvocation, call: Call) -> Completion:
        """Count here, off the loop: a long conversation takes its time."""
        alias = self.catalog.resolve(invocation.model)
        call.alias, call.estimated = alias.name, True
        targets = (each.target for each in alias.targets if not _counts(each.target))
        target = next(targets, alias.targets[0].target)
        count = await self._token_counts.chat(invocation.chat, target)
        return Completion(
            id=call.id,
            model=target.model,
            created=0,
            usage=Usage(input_tokens=count.tokens),
            facts=count.facts,
        )

    async def count_texts(self, model: str, inputs: Json, call: Call) -> Count:
        """Count texts by themselves, as the target counts them that would answer first; nobody is asked.

        Raises:
            ModelNotFound, ModelNotAllowed: as `invoke` lists.
            InternalError: the installed vocabulary is damaged.
        """
        alias = self._resolved(model, None, call)
        call.alias, call.estimated = alias.name, True
        return await self._token_counts.texts(inputs, alias.targets[0].target)


def _counts(target: Target) -> bool:
    return Feature.COUNT_TOKENS in target.features
