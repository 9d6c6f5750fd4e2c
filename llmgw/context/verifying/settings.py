"""What the operator decides about histories that callers keep."""

from msgspec import Struct


class VerifySettings(Struct, frozen=True, kw_only=True):
    """Whether histories are compared, and for how many seconds after its last call a session is remembered."""

    enabled: bool = True
    ttl_s: int = 604_800
