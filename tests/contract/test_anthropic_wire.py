"""Every recorded exchange with Anthropic passes the wire that callers speak, or is listed here with its reason.

Each request is read, written again for the vendor, and must ask for the same; each answer is told to a client,
and must say the same.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
from llmgw.providers.anthropic.protocol import PROVIDER
from llmgw.providers.framing import framer
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.errors import InvalidRequest, ProviderError
from llmgw.types.event import StreamEvent
from llmgw.types.invocation import Invocation
from llmgw.types.target import Endpoint, Target
from llmgw.wire.anthropic.count import WIRE as COUNT
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from tests.contract.recordings import FOLDER, records
from tests.unit.wire.anthropic_client import STREAMED, accumulated, read, read_count, streamed_out, told

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

REJECTED: Final = {
    528: "a message that is a string, which the vendor refused at the same place",
    2504: "a tool call cut by max_tokens: the vendor left its block open, and it has no whole input to compare",
}
"""Records that do not pass on purpose."""

_COUNT: Final = "count_tokens"
_SAYS_NOTHING: Final[dict[str, Any]] = {"is_error": False, "stream": False, "system": []}
"""Members whose value is what holds without them; so is every null."""


def test_recorded_traffic_passes(tell: Callable[[str], None]) -> None:
    """At least 99 in 100 recorded exchanges pass, and the others are exactly the known ones."""
    accepted, rejected = 0, {}
    for record in records("messages", _COUNT):
        if record["provider"] != "anthropic":
            continue
        try:
            _check(record)
        except (InvalidRequest, ProviderError, AssertionError) as failure:
            rejected[record["id"]] = f"{type(failure).__name__}: {failure}"[:2000]
        else:
            accepted += 1
    tell(f"recordings of Anthropic's protocol: {accepted + len(rejected)} records, {accepted} accepted")
    for number, reason in rejected.items():
        tell(f"  {number}: {REJECTED.get(number, reason)}")
    assert rejected.keys() == REJECTED.keys(), rejected
    assert accepted / (accepted + len(rejected)) >= 0.99


def _check(record: dict[str, Any]) -> None:
    counts = record["api"] == _COUNT
    asked = record.get("req")
    if isinstance(asked, dict):
        wire = COUNT if counts else MESSAGES
        invocation: Invocation = wire.decode_request(json.encode(asked))
        sent = PROVIDER.build_request(invocation, _target(asked["model"]))
        assert sent.losses == ()
        assert _meaning(json.decode(sent.body)) == _meaning(asked)
    if record["status"] >= 400:
        return
    body = (record.get("body") or "").encode()
    if record["stream"]:
        _check_stream(body)
    else:
        asked_for = read_count() if counts else read()
        told_again = (COUNT if counts else MESSAGES).encode_completion(fold(_events(asked_for, body)))
        assert _meaning(json.decode(told_again)) == _meaning(json.decode(body))


def _check_stream(body: bytes) -> None:
    events = list(_events(STREAMED, body))
    told_again = accumulated(told(streamed_out(events)))
    assert _meaning(told_again) == _meaning(accumulated(_recorded(body)))
    assert _meaning(json.decode(MESSAGES.encode_completion(fold(events)))) == _meaning(told_again)


def _events(invocation: Invocation, body: bytes) -> Iterable[StreamEvent]:
    framing = framer("sse" if invocation.stream else "whole")
    parser = PROVIDER.parser(invocation, _target("m"))
    for frame in [*framing.feed(body), *framing.close()]:
        yield from parser.feed(frame)
    yield from parser.end()


def _recorded(body: bytes) -> Iterable[dict[str, Any]]:
    for line in body.splitlines():
        if line.startswith(b"data:"):
            yield json.decode(line.removeprefix(b"data:"))


def _meaning(value: Any) -> Any:
    """A value without the members that say nothing."""
    if isinstance(value, dict):
        return {
            name: _meaning(member)
            for name, member in value.items()
            if member is not None and _SAYS_NOTHING.get(name) != member
        }
    return [_meaning(item) for item in value] if isinstance(value, list) else value


def _target(model: str) -> Target:
    return Target(
        name=f"anthropic/{model}",
        provider="anthropic",
        kind="anthropic",
        protocol="anthropic",
        model=model,
        endpoint=Endpoint(base_url="https://api.example"),
        features=frozenset(),
    )
