"""Calls as those know them who judge one."""

import msgspec

from llmgw.calllog.event import CallEvent
from llmgw.calllog.reading import Reading
from llmgw.types.feedback import KnownCall
from llmgw.types.links import SpanPlace


class LoggedCalls:
    """Remembers every call that the log has."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def find(self, tenant: str, call_id: str) -> KnownCall | None:
        """The call of this tenant by its id; None where it has none by that id, or it is forgotten.

        Raises:
            GatewayError: the log cannot be asked.
        """
        found = await self._reading.find(call_id, tenant)
        if not found.rows:
            return None
        call = msgspec.json.decode(found.rows[0], type=CallEvent)
        return KnownCall(
            id=call.id,
            ended_us=call.ended_us,
            place=_place(call),
            alias=call.alias,
            target=call.target,
            prompt=call.prompt,
            prompt_label=call.prompt_label,
            prompt_arm=call.prompt_arm,
            context=call.context,
            verdict=call.verdict,
            error=call.error,
        )


def _place(call: CallEvent) -> SpanPlace | None:
    if not call.trace_id or not call.span_id:
        return None
    return SpanPlace(trace_id=int(call.trace_id, 16), span_id=int(call.span_id, 16))
