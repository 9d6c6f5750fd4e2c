"""Names that this room makes: they sort by time, and nobody guesses them."""

import hashlib
import secrets

_LENGTH = 26


def new_id(kind: str, unix_ms: int) -> str:
    """Draw `ctx_…` or `turn_…`: 12 digits of time, 14 of chance."""
    return f"{kind}_{unix_ms:012x}{secrets.token_hex(7)}"


def id_for(tenant: str, key: str) -> str:
    """The id of the context that a call with this idempotency key makes: a second try makes no second one."""
    return f"ctx_{hashlib.sha256(f'{tenant}/{key}'.encode()).hexdigest()[:_LENGTH]}"
