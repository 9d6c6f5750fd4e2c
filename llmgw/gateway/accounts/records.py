"""What the journal is told of a claim, as bytes: enough to end it in another process.

An intent says how far the call had come, a result what it cost. Members that are not known are passed over, so that
a newer gateway's journal can be read.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from llmgw.accounting.detail import detail_of
from llmgw.policy.spending.values import Charge, Reservation
from llmgw.types.call import Attempt, Call
from llmgw.types.json import encode

Stage: TypeAlias = Literal["asked", "sent"]
"""Whether the call was only being admitted, or may have reached a provider."""


class Intent(Struct, frozen=True):
    """A call that has a claim, and how far it has come."""

    reservation: Reservation
    stage: Stage


class Result(Struct, frozen=True):
    """A call that has ended, and what it cost."""

    reservation: Reservation
    charge: Charge


_decode_intent = msgspec.json.Decoder(Intent).decode
_decode_result = msgspec.json.Decoder(Result).decode


def intent_bytes(reservation: Reservation, stage: Stage) -> bytes:
    """Write an intent."""
    return encode(Intent(reservation, stage))


def result_bytes(reservation: Reservation, charge: Charge) -> bytes:
    """Write a result."""
    return encode(Result(reservation, charge))


def read_intent(payload: bytes) -> Intent | None:
    """Read an intent; None where these bytes are none."""
    try:
        return _decode_intent(payload)
    except (msgspec.DecodeError, ValueError):
        return None


def read_result(payload: bytes) -> Result | None:
    """Read a result; None where these bytes are none."""
    try:
        return _decode_result(payload)
    except (msgspec.DecodeError, ValueError):
        return None


def charge_of(
    call: Call, attempts: Sequence[Attempt], reservation: Reservation
) -> tuple[Reservation, Charge]:
    """What some attempts of a call cost, and its reservation, counted for the target that was asked last, too."""
    nano = taken = answered = 0
    for each in attempts:
        charged, usage = each.charge, each.usage
        if charged is not None:
            nano += charged.nano
        if usage is not None:
            taken += usage.input_tokens or 0
            answered += usage.output_tokens or 0
    charge = Charge(
        cost_nano=nano, input_tokens=taken, output_tokens=answered, detail=detail_of(call, attempts)
    )
    if attempts:
        reservation = reservation.used_at(attempts[-1].target)
    return reservation, charge
