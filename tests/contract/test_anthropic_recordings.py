"""Every recorded exchange with Anthropic passes both codecs, or is listed here with its reason.

Without loss means: a request is sent on as it was said, and an answer's events, folded or streamed, are given back
as the provider's JSON, up to the normal form of `anthropic_semantics`. The folder of recordings is
`../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from llmgw.providers.anthropic.protocol import PROVIDER
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.errors import GatewayError, InvalidRequest, ProviderAuth, ProviderError, ProviderRefused
from llmgw.wire.anthropic.count import WIRE as COUNT
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from tests.contract import anthropic_semantics as semantics
from tests.contract.anthropic_exchange import STREAMED, WHOLE, events, streamed_out, target
from tests.contract.exchange import pieces
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

_UNUSUAL: Final = re.compile(rb'^(data: *\{)(?=")', re.MULTILINE)
"""Where a null member says nothing, but keeps an event from being read as a usual one."""

REJECTED: Final[dict[int, str]] = {}
"""Records that are refused on purpose."""


class Mismatch(AssertionError):
    """A record that is not given back as it came."""


def test_recorded_traffic_passes(tell: Callable[[str], None]) -> None:
    """At least 99 in 100 recorded exchanges pass, and the others are exactly the known ones."""
    accepted, rejected = 0, {}
    for record in records("messages", "count_tokens"):
        if record["provider"] != "anthropic":
            continue
        try:
            _check(record)
        except (GatewayError, Mismatch) as failure:
            rejected[record["id"]] = f"{type(failure).__name__}: {failure}"
        else:
            accepted += 1
    tell(
        f"recordings of Anthropic's protocol: {accepted + len(rejected)} records, {accepted} accepted, "
        f"{len(rejected)} rejected"
    )
    for number, reason in rejected.items():
        tell(f"  {number}: {REJECTED.get(number, reason)}")
    assert REJECTED.keys() == rejected.keys(), rejected
    assert accepted / (accepted + len(rejected)) >= 0.99


def _check(record: dict[str, Any]) -> None:
    counts = record["api"] == "count_tokens"
    if isinstance(record.get("req"), dict):
        _check_request(record, counts=counts)
    body = (record.get("body") or "").encode()
    if record["status"] >= 400:
        _check_error(record, body)
    elif counts:
        invocation = COUNT.decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
        written = json.decode(COUNT.encode_completion(fold(events(invocation, [body]))))
        _same(semantics.answer(json.decode(body)), semantics.answer(written))
    elif record["stream"]:
        _check_stream(body)
    else:
        _check_answer(body)


def _check_request(record: dict[str, Any], *, counts: bool) -> None:
    try:
        invocation = (COUNT if counts else MESSAGES).decode_request(json.encode(record["req"]))
    except InvalidRequest:
        if record["status"] == 400:
            return  # the vendor refused it, too
        raise
    request = PROVIDER.build_request(invocation, target(record["req"]["model"]))
    _same(semantics.request(record["req"]), semantics.request(json.decode(request.body)))
    _same((), request.losses)


def _check_error(record: dict[str, Any], body: bytes) -> None:
    error = PROVIDER.parse_error(record["status"], record.get("headers") or {}, body)
    if not isinstance(error, ProviderError) or error.upstream_status != record["status"]:
        raise Mismatch(f"{record['status']} read as {error!r}")
    message = json.decode(body)["error"]["message"]
    if isinstance(error, ProviderRefused):
        _same(message, error.message)
    if isinstance(error, ProviderAuth) and message in error.message:
        raise Mismatch("the provider's words about the credential are passed on")


def _check_answer(body: bytes) -> None:
    read = events(WHOLE, [body])
    written = json.decode(MESSAGES.encode_completion(fold(read)))
    _same(semantics.answer(json.decode(body)), semantics.answer(written))
    _same(read, events(WHOLE, pieces(body, 997)))


def _check_stream(body: bytes) -> None:
    read = events(STREAMED, [body])
    written = streamed_out(read)
    _same(semantics.stream(body), semantics.stream(written))
    _same(fold(read), fold(events(STREAMED, [written])))
    _same(events(STREAMED, [_UNUSUAL.sub(rb'\1"nothing":null,', body)]), read)
    for size in (1, 7) if len(body) < 20_000 else (997,):
        _same(read, events(STREAMED, pieces(body, size)))


def _same(recorded: object, ours: object) -> None:
    if recorded != ours:
        raise Mismatch(_difference(recorded, ours))


def _difference(recorded: Any, ours: Any, place: str = "") -> str:
    """Name the first place where two values differ."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in sorted(recorded.keys() | ours.keys(), key=str):
            if recorded.get(name) != ours.get(name):
                return _difference(recorded.get(name), ours.get(name), f"{place}.{name}")
    if isinstance(recorded, list | tuple) and isinstance(ours, list | tuple) and len(recorded) == len(ours):
        for position, (one, other) in enumerate(zip(recorded, ours, strict=True)):
            if one != other:
                return _difference(one, other, f"{place}[{position}]")
    return f"{place or 'value'}: recorded {str(recorded)[:300]!r}, ours {str(ours)[:300]!r}"
