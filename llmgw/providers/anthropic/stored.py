"""Writing a stored conversation for Anthropic: alike whatever dialect the call that goes on with it came in."""

from llmgw.providers.anthropic.blocks import PROTOCOL, BlockWriter
from llmgw.providers.anthropic.foreign import ForeignTurns
from llmgw.providers.anthropic.models import profile_of
from llmgw.providers.stored import Origins
from llmgw.types.invocation import ChatInvocation, TextFormat
from llmgw.types.json import Json
from llmgw.types.loss import Losses
from llmgw.types.target import Target


def stored_conversation(
    invocation: ChatInvocation, target: Target, losses: Losses
) -> tuple[Json, list[Json]]:
    """Write the top-level `system`, None without one, and `messages`.

    Turns are made of messages of several origins, so that what a message says beside its parts has no place.

    Raises:
        UnsupportedParameter: a part cannot be sent.
    """
    origins = Origins(
        invocation,
        PROTOCOL,
        losses,
        native=BlockWriter(target, losses, native=True, stored=True),
        foreign=BlockWriter(target, losses, native=False, stored=True),
    )
    turns = ForeignTurns(origins, losses, answered=_is_answered(invocation, target), memo=invocation.memo)
    return turns.conversation(invocation.messages)


def _is_answered(invocation: ChatInvocation, target: Target) -> bool:
    """Whether the answer may not continue an assistant's message: so it is beside thinking and a schema."""
    wish = invocation.reasoning
    thinks = (
        wish.mode not in {None, "off"}
        or wish.effort not in {None, "none"}
        or bool(wish.budget_tokens)
        or (wish.mode is None and bool(wish.provider_details))
    )
    formed = not isinstance(invocation.output_format, TextFormat | None)
    return thinks or formed or not profile_of(target.model).prefill
