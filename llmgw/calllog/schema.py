"""The JSON Schema of a row of the call log, for whoever reads pages, single calls and exports by program."""

from typing import Any, Final

import msgspec

from llmgw.calllog.event import MAX_ITEMS, CallEvent
from llmgw.types.member_docs import describe

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = "urn:llmgw:schema:call_event"
_ENDED_AT: Final = {
    "description": "When it ended, as RFC 3339 has it, in UTC.",
    "type": "string",
    "format": "date-time",
}
_COST_USD: Final = {
    "description": "What its attempts cost, in US dollars, in plain figures.",
    "anyOf": [{"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, {"type": "null"}],
}


def json_schema() -> dict[str, Any]:
    """Describe a row in JSON Schema 2020-12: every member is there, later versions may have more."""
    _, definitions = msgspec.json.schema_components([CallEvent], ref_template="#/$defs/{name}")
    event = definitions[CallEvent.__name__]
    describe(event, CallEvent)
    for member in event["properties"].values():
        # A row has them all: what a member is that was left out is nothing to a reader.
        member.pop("default", None)
        if member.get("type") == "array":
            member["maxItems"] = MAX_ITEMS
    members = {"ended_at": _ENDED_AT, **event["properties"], "cost_usd": _COST_USD}
    return {
        "$schema": _DIALECT,
        "$id": _ID,
        "title": "A call",
        "description": "One call that is over. What does not apply is an empty text or list.",
        "type": "object",
        "properties": members,
        "required": list(members),
    }


def json_schema_text() -> str:
    """Give `json_schema()` as indented JSON, byte for byte what `schemas/api/call_event.json` holds."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"
