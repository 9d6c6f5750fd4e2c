"""Recorded calls whose request can be read as a caller's, and whose answer says what it used."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from llmgw.gateway.charging import usage_in
from llmgw.types import json
from llmgw.types.errors import GatewayError
from llmgw.types.event import Start, Usage
from llmgw.types.invocation import ChatInvocation
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.openai.chat import WIRE as CHAT
from tests.contract import anthropic_exchange, exchange
from tests.contract.recordings import records


class RecordedCall(NamedTuple):
    """One of them; `anthropic` says in whose protocol."""

    record: dict[str, Any]
    anthropic: bool
    invocation: ChatInvocation
    start: Start
    usage: Usage


def recorded_calls() -> Iterator[RecordedCall]:
    """All of them, in the order of the files."""
    for record in records("chat", "messages"):
        if record["status"] == 200 and isinstance(record.get("req"), dict):
            found = _read(record)
            if found is not None:
                yield found


def _read(record: dict[str, Any]) -> RecordedCall | None:
    messages = record["api"] == "messages"
    try:
        invocation = (MESSAGES if messages else CHAT).decode_request(json.encode(record["req"]))
        body = (record.get("body") or "").encode()
        if messages:
            asked = anthropic_exchange.STREAMED if record["stream"] else anthropic_exchange.WHOLE
            read = anthropic_exchange.events(asked, [body])
        else:
            read = exchange.events(exchange.STREAMED if record["stream"] else exchange.asked(), [body])
    except GatewayError:
        return None
    usage = usage_in(read)
    if usage is None or not usage.input_tokens or not isinstance(invocation, ChatInvocation):
        return None
    start = next(event for event in read if isinstance(event, Start))
    return RecordedCall(record, messages, invocation, start, usage)
