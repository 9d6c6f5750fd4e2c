"""Calls that continue contexts, without the HTTP around them: a request written, an answer taken in and stored."""

import itertools
from collections.abc import Sequence

from llmgw.accounting.tokens import TokenCounter
from llmgw.context.records import Records
from llmgw.gateway.conversation import Conversation
from llmgw.gateway.conversations import Conversations
from llmgw.gateway.summaries import Ask
from llmgw.providers import PROVIDERS
from llmgw.types.call import Call, Caller
from llmgw.types.completion import Completion
from llmgw.types.context import ContextOptions
from llmgw.types.event import ChoiceEnd, Finish, Start, StreamEvent, TextDelta, Usage
from llmgw.types.invocation import ChatInvocation
from llmgw.types.preservation import Report
from llmgw.types.target import Target
from tests.integration.context.stage import Worker
from tests.traced_calls import unheard

_COUNTER = TokenCounter()
_numbers = itertools.count(1)


async def nobody(_: ChatInvocation) -> Completion:
    """No summary is asked for here."""
    raise AssertionError("nothing is to be summed up")


async def begun(
    worker: Worker, invocation: ChatInvocation, options: ContextOptions, ask: Ask = nobody
) -> Conversation:
    """Begin a call."""
    call = Call(
        id=f"call_told_{next(_numbers)}",
        request_id="r",
        endpoint="chat",
        trace_id=1,
        span_id=1,
        chat_span_id=1,
        started_ns=0,
        started_unix_ns=0,
        caller=Caller(key_id="tester", name="tester", role="caller", tenant=worker.tenant),
    )
    conversations = Conversations(worker.archive, _COUNTER, unheard().operation)
    conversation = await conversations.open(invocation, options, call, ask, None)
    assert isinstance(conversation, Conversation)
    return conversation


def done(reader: Target) -> list[StreamEvent]:
    """An answer of one word."""
    return [
        Start(id="a", model=reader.model, created=1, protocol=reader.protocol),
        TextDelta(text="Done."),
        ChoiceEnd(reason="stop", native_reason="stop"),
        Finish(usage=Usage(input_tokens=5000, output_tokens=1)),
    ]


async def told(
    worker: Worker,
    reader: Target,
    invocation: ChatInvocation,
    options: ContextOptions,
    events: Sequence[StreamEvent] = (),
    ask: Ask = nobody,
) -> tuple[Report, bytes]:
    """Make a whole call, answered by these events; returns its report and the body of its request."""
    conversation = await begun(worker, invocation, options, ask)
    request = await conversation.request(PROVIDERS[reader.protocol], reader)
    conversation.add(events or done(reader))
    await conversation.finish(b"", streamed=False)
    context = conversation.opened.keys.context
    record = await Records(worker.library).report(worker.actor, context, None)
    return record.report, request.body
