"""What a caller has left of its limits after a call, as its answer's headers tell."""

from msgspec import Struct


class RateRoom(Struct, frozen=True):
    """So much of a limit per minute is left, and `reset_s` seconds without calls bring all of it back."""

    limit: int
    remaining: int
    reset_s: float


class Allotment(Struct, frozen=True, kw_only=True):
    """The tightest limit of requests, the tightest of tokens, and the least that a budget leaves, in nano-USD."""

    requests: RateRoom | None = None
    tokens: RateRoom | None = None
    budget_left_nano: int | None = None
