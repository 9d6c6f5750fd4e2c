"""Tokens of attempts whose providers did not say what they used: counted here, and marked as such."""

import asyncio
from collections.abc import Sequence

from llmgw.accounting.tokens import TokenCounter
from llmgw.gateway.accounts.claim import Claim
from llmgw.gateway.charging import charge
from llmgw.types.call import Call
from llmgw.types.event import Usage
from llmgw.types.invocation import ChatInvocation, Invocation


async def count_unreported(counter: TokenCounter, claim: Claim, said: Sequence[str]) -> None:
    """Note on each such attempt what it took; `said` are the texts of the answer of the last one."""
    for attempt, target in claim.unreported():
        told = said if attempt is claim.call.attempts[-1] else ()
        usage = await asyncio.get_running_loop().run_in_executor(
            None, _counted, counter, claim.invocation, _stored(claim.call), "".join(told), target.model
        )
        attempt.estimated = True
        charge(attempt, target, claim.call, usage)


def _stored(call: Call) -> int:
    """Tokens of a stored conversation as it was told, where the call continues one."""
    context = call.context
    return context.tokens if context is not None and context.mode == "stored" else 0


def _counted(counter: TokenCounter, invocation: Invocation, stored: int, said: str, model: str) -> Usage:
    match invocation:
        case ChatInvocation():
            taken = stored or counter.chat(invocation, model)
            return Usage(input_tokens=taken, output_tokens=counter.text(said, model) if said else 0)
        case _:
            return Usage(input_tokens=0, output_tokens=0)
