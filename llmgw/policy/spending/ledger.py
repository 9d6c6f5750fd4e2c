"""The ledger, read: its rows as they were posted, in their order, page by page."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from llmgw.policy.spending import keys
from llmgw.state.connection import State

PAGE: Final = 500
"""Rows that one command reads."""
FIRST: Final = "0-0"
"""Before all rows."""
ROW_ID: Final = re.compile(r"[0-9]{1,16}-[0-9]{1,16}", re.ASCII)


class Row(NamedTuple):
    """One row: its id, which begins with the store's unix ms, and what was posted; `kind` says by which step.

    `cost` is in nano-USD, and negative where an adjustment gives back; `at_ms` is the time by which the step was
    made; `who` is JSON, pairs of a dimension and a name; `data` is what `Charge.detail` was.
    """

    id: str
    operation: str
    kind: str
    cost: int
    budgets: tuple[str, ...]
    at_ms: int
    who: bytes
    data: bytes


async def rows(state: State, tenant: str, after: str = FIRST, last: str = "+") -> AsyncIterator[Row]:
    """Read rows in order: those after one id up to another, or to the end.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    async for page in pages(state, tenant, after, last):
        for row in page:
            yield row


async def pages(state: State, tenant: str, after: str = FIRST, last: str = "+") -> AsyncIterator[list[Row]]:
    """Read the same page by page.

    Raises:
        StoreUnavailable: the store cannot be asked.
    """
    while True:
        page = await state.command("XRANGE", keys.of(tenant, "ledger"), f"({after}", last, "COUNT", PAGE)
        yield [_row(row_id, fields) for row_id, fields in page]
        if len(page) < PAGE:
            return
        after = page[-1][0].decode()


def id_before(unix_ms: int) -> str:
    """The last id that rows posted before a moment can have."""
    return FIRST if unix_ms <= 0 else f"{unix_ms - 1}-{2**64 - 1}"


def id_preceding(row_id: str) -> str:
    """The last id that a row before this one can have."""
    milliseconds, number = order_of(row_id)
    return f"{milliseconds}-{number - 1}" if number else id_before(milliseconds)


def order_of(row_id: str) -> tuple[int, int]:
    """What ids are ordered by."""
    milliseconds, _, number = row_id.partition("-")
    return int(milliseconds), int(number or 0)


def _row(row_id: bytes, fields: Any) -> Row:
    values = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    return Row(
        id=row_id.decode(),
        operation=values[b"op"].decode(),
        kind=values[b"kind"].decode(),
        cost=int(values[b"cost"]),
        budgets=tuple(values[b"budgets"].decode().split()),
        at_ms=int(values[b"at"]),
        who=values[b"who"],
        data=values[b"data"],
    )
