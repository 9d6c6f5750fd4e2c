"""The calls that the call log remembers, for whoever judges them."""

import re
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from llmgw.calllog.reading import Found
from llmgw.types.errors import StoreUnavailable
from llmgw.types.feedback import KnownCall
from llmgw.types.links import place_of

_CALL: Final = re.compile(r"call_[0-9a-f]{24}(\.\d{1,3})?", re.ASCII)
"""Ids as the gateway makes them: by any other the whole log would be looked through, for nothing."""


class _Row(Struct, frozen=True, kw_only=True):
    """What of a call's row is told of its judgements; columns may be null."""

    id: str
    ended_us: int
    trace_id: str | None = None
    span_id: str | None = None
    alias: str | None = None
    target: str | None = None
    prompt: str | None = None
    prompt_label: str | None = None
    prompt_arm: str | None = None
    context: str | None = None
    verdict: str | None = None
    error: str | None = None


class Log(Protocol):
    """What the call log's `Reading` does here."""

    async def find(self, call_id: str, tenant: str | None) -> Found:
        """Find the one row of a call's id."""


class LoggedCalls:
    """Finds calls in the log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def find(self, tenant: str, call_id: str) -> KnownCall | None:
        """The call of this tenant by its id; None where it has none by that id, or it is forgotten.

        Raises:
            StoreUnavailable: it is in no segment, and what is newer cannot be looked at.
            GatewayError: as `Reading.find` lists.
        """
        if not _CALL.fullmatch(call_id):
            return None
        found = await self._log.find(call_id, tenant)
        if not found.rows:
            if not found.live:
                raise StoreUnavailable(
                    "the calls of the last minute cannot be looked at now", retry_after_s=1
                )
            return None
        row = msgspec.json.decode(found.rows[0], type=_Row)
        return KnownCall(
            id=row.id,
            ended_us=row.ended_us,
            place=place_of(f"{row.trace_id}-{row.span_id}"),
            alias=row.alias or "",
            target=row.target or "",
            prompt=row.prompt or "",
            prompt_label=row.prompt_label or "",
            prompt_arm=row.prompt_arm or "",
            context=row.context or "",
            verdict=row.verdict or "",
            error=row.error or "",
        )
