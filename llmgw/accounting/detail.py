"""What a row of the ledger says of its call: each attempt that cost money, with its usage and its price.

A row's `data` is this struct as JSON. Members that are not known are passed over when it is read, so that rows
outlive the version that wrote them; a member never changes its meaning, or `v` counts up.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.types.call import Attempt, Call
from llmgw.types.event import Usage
from llmgw.types.json import encode

VERSION: Final = 1
ATTEMPTS_MAX: Final = 64
"""Attempts that one row tells of; what more cost stands in the row's cost alone."""
TEXT_MAX: Final = 256
"""Characters kept of a provider's own words."""

LedgerLine: TypeAlias = tuple[str, int, str]
"""Kind (`llmgw.types.money.LineKind`), quantity, and rate in yocto-USD, as text: it may pass 2^64."""


class LedgerUsage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens as `llmgw.types.event.Usage` counts them; a member that is not there was not said."""

    input: int | None = None
    output: int | None = None
    cached_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None


class LedgerAttempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at one target that cost money, or used what has no price.

    `at` is when it began, in unix seconds. `nano` is None where there is no price. `prices` is the list of prices
    and its state (`genai-prices@0.2.3`), `priced` the entry in it where that is not the model, `tier` the way of
    serving that was priced. `estimated` says that the tokens were not all reported by the provider. `error` is the
    code of the error with which it broke off.
    """

    target: str
    provider: str
    model: str
    at: int
    answered: str = ""
    nano: int | None = None
    prices: str = ""
    priced: str = ""
    tier: str = ""
    lines: tuple[LedgerLine, ...] = ()
    usage: LedgerUsage | None = None
    estimated: bool = False
    error: str = ""


class LedgerDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call in the ledger: its id, the target and model asked last, who answered, and what it paid for.

    `unverified` says that the call's worker died before it knew what the call cost.
    """

    v: int
    call: str
    target: str = ""
    model: str = ""
    answered: str = ""
    attempts: tuple[LedgerAttempt, ...] = ()
    unverified: bool = False

    @property
    def estimated(self) -> bool:
        """Whether any of its tokens were not reported by a provider."""
        return any(each.estimated for each in self.attempts)

    @property
    def nano(self) -> int:
        """Nano-USD of all attempts told of."""
        return sum(each.nano or 0 for each in self.attempts)


_decode = msgspec.json.Decoder(LedgerDetail).decode


def detail_of(call: Call, attempts: Sequence[Attempt]) -> bytes:
    """Tell of some attempts of a call, as its ledger row has them; calls made for it have rows of their own."""
    last = attempts[-1] if attempts else None
    told = [_attempt(call, each) for each in attempts if each.charge is not None or each.usage is not None]
    return encode(
        LedgerDetail(
            v=VERSION,
            call=call.id,
            target="" if last is None else last.target[:TEXT_MAX],
            model="" if last is None else last.model[:TEXT_MAX],
            answered=(call.answered_model or "")[:TEXT_MAX],
            attempts=tuple(told[:ATTEMPTS_MAX]),
        )
    )


def unverified_detail(call_id: str) -> bytes:
    """Tell of a call of which nobody knows what it used."""
    return encode(LedgerDetail(v=VERSION, call=call_id, unverified=True))


def read_detail(stored: bytes) -> LedgerDetail | None:
    """Read what a row says; None where it says nothing, or in words of another version.

    A hold that lapsed has a row that says nothing: nobody knows what it was for.
    """
    if not stored:
        return None
    try:
        found = _decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.v == VERSION else None


def _attempt(call: Call, attempt: Attempt) -> LedgerAttempt:
    charge, nano, prices, priced, tier = attempt.charge, None, "", "", ""
    lines: tuple[LedgerLine, ...] = ()
    if charge is not None:
        nano, prices, tier = charge.nano, charge.prices, charge.tier[:TEXT_MAX]
        priced = "" if charge.model == attempt.model else charge.model[:TEXT_MAX]
        lines = tuple([(each.kind, each.quantity, str(each.rate)) for each in charge.lines])
    # Only the last attempt can have answered; those before it broke off or were refused.
    last = attempt is call.attempts[-1]
    began_ns = call.started_unix_ns + max(0, attempt.started_ns - call.started_ns)
    return LedgerAttempt(
        target=attempt.target[:TEXT_MAX],
        provider=attempt.provider[:TEXT_MAX],
        model=attempt.model[:TEXT_MAX],
        at=began_ns // 10**9,
        answered=(call.answered_model or "")[:TEXT_MAX] if last else "",
        nano=nano,
        prices=prices,
        priced=priced,
        tier=tier,
        lines=lines,
        usage=_usage(attempt.usage) if attempt.usage is not None else None,
        estimated=attempt.estimated,
        error=attempt.error or "",
    )


def _usage(usage: Usage) -> LedgerUsage:
    return LedgerUsage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached_read=usage.cached_read_tokens,
        cache_write=usage.cache_write_tokens,
        reasoning=usage.reasoning_tokens,
        audio_input=usage.audio_input_tokens,
        audio_output=usage.audio_output_tokens,
    )
