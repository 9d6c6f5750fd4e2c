"""Tokens of attempts whose providers did not say what they used: counted here, and marked as such."""

import asyncio

from msgspec.structs import replace

from llmgw.accounting.calibration import Calibration
from llmgw.accounting.counted import Heard, counted
from llmgw.accounting.tokens import TokenCounter
from llmgw.gateway.accounts.claim import Claim
from llmgw.gateway.charging import charge
from llmgw.types.event import Usage
from llmgw.types.invocation import Invocation
from llmgw.types.target import Target


class Counting:
    """Counts in a thread, as it may take long."""

    def __init__(self, counter: TokenCounter, calibration: Calibration) -> None:
        self._counter = counter
        self._calibration = calibration

    async def fill_in(self, claim: Claim, heard: Heard) -> None:
        """Note on each attempt what it may have cost that nobody reported; `heard` came of the last one."""
        call = claim.call
        for attempt, target in claim.unreported(heard):
            told = heard if attempt is call.attempts[-1] else Heard()
            usage = await asyncio.get_running_loop().run_in_executor(
                None, self._counted, claim.invocation, told, target
            )
            context = call.context
            if context is not None and context.mode == "stored":
                # What the call itself says is the end of what was told.
                usage = replace(usage, input_tokens=max(context.tokens, usage.input_tokens or 0))
            reported = attempt.usage
            if reported is not None:
                # What it counted by then is no more than what it sent.
                output = max(reported.output_tokens or 0, usage.output_tokens or 0)
                usage = replace(reported, output_tokens=output)
            attempt.estimated = True
            charge(attempt, target, call, usage)

    def _counted(self, invocation: Invocation, heard: Heard, target: Target) -> Usage:
        return counted(self._counter, self._calibration, invocation, heard, target)
