"""One row as a line of an archive: what `GET /admin/v1/ledger` shows of it, and nothing of it lost."""

import base64
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from llmgw.policy.spending.ledger import ROW_ID, Row
from llmgw.types.errors import InvalidJson
from llmgw.types.json import decode, encode
from llmgw.types.moments import stamp
from llmgw.types.money import signed_usd

_read_who: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


class Who(Struct, frozen=True):
    """Whom a row is counted for."""

    dimension: str
    name: str


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row; `who_bytes` and `data_bytes` (base64) have what is not the JSON that it should be."""

    id: str
    at: str
    at_ms: int
    operation: str
    kind: str
    cost_nano: int | str
    """Text where it passes 2^63."""
    cost_usd: str
    budgets: tuple[str, ...]
    who: tuple[Who, ...]
    detail: msgspec.Raw
    who_bytes: str | UnsetType = UNSET
    data_bytes: str | UnsetType = UNSET


_read_line: Final = msgspec.json.Decoder(Line).decode
_NONE: Final = msgspec.Raw(b"null")
_INT: Final = 2**63


def write_row(row: Row) -> bytes:
    """One line, with its end."""
    who, who_bytes = _who(row.who)
    detail, data_bytes = _detail(row.data)
    line = Line(
        id=row.id,
        at=stamp(row.at_ms),
        at_ms=row.at_ms,
        operation=row.operation,
        kind=row.kind,
        cost_nano=row.cost if -_INT < row.cost < _INT else str(row.cost),
        cost_usd=signed_usd(row.cost),
        budgets=row.budgets,
        who=who,
        detail=detail,
        who_bytes=who_bytes,
        data_bytes=data_bytes,
    )
    return encode(line) + b"\n"


def read_row(line: bytes) -> Row:
    """The row that a line was written from.

    Raises:
        ValueError: it is no such line.
    """
    try:
        found = _read_line(line)
        who = encode([(each.dimension, each.name) for each in found.who])
        data = b"" if found.detail == _NONE else bytes(found.detail)
        if not ROW_ID.fullmatch(found.id):
            raise ValueError("it has no row's id")
        return Row(
            id=found.id,
            operation=found.operation,
            kind=found.kind,
            cost=int(found.cost_nano),
            budgets=found.budgets,
            at_ms=found.at_ms,
            who=who if found.who_bytes is UNSET else base64.b64decode(found.who_bytes, validate=True),
            data=data if found.data_bytes is UNSET else base64.b64decode(found.data_bytes, validate=True),
        )
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _who(stored: bytes) -> tuple[tuple[Who, ...], str | UnsetType]:
    try:
        pairs = _read_who(stored)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (), base64.b64encode(stored).decode()
    exact = encode(pairs) == stored
    return tuple(Who(*each) for each in pairs), UNSET if exact else base64.b64encode(stored).decode()


def _detail(stored: bytes) -> tuple[msgspec.Raw, str | UnsetType]:
    """The detail as it is where it can stand in a line, beside the bytes where it cannot."""
    if not stored:
        return _NONE, UNSET
    try:
        decode(stored)
    except InvalidJson:
        return _NONE, base64.b64encode(stored).decode()
    # A line ends at its first line feed, and JSON's own blanks around a value do not come back.
    if b"\n" in stored or b"\r" in stored or stored == b"null" or stored.strip() != stored:
        return _NONE, base64.b64encode(stored).decode()
    return msgspec.Raw(stored), UNSET
