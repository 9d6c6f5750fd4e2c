"""Names that this room makes: they sort by time, and nobody guesses them."""

import hashlib

from llmgw.context.chance import drawn
from llmgw.types.context import Idempotency

_LENGTH = 26


def new_id(kind: str, unix_ms: int) -> str:
    """Draw `ctx_…` or `turn_…`: 12 digits of time, 14 of chance."""
    return f"{kind}_{unix_ms:012x}{drawn()[:7].hex()}"


def made_id(tenant: str, idempotency: Idempotency | None, unix_ms: int) -> str:
    """The id of the context that a call makes without naming it."""
    return new_id("ctx", unix_ms) if idempotency is None else id_for(tenant, idempotency.key)


def id_for(tenant: str, key: str) -> str:
    """The id of the context that a call with this idempotency key makes: a second try makes no second one."""
    return f"ctx_{hashlib.sha256(f'{tenant}/{key}'.encode()).hexdigest()[:_LENGTH]}"
