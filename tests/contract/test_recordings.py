"""Every recorded exchange with an OpenAI-like host passes both codecs, or is listed here with its reason.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from llmgw.providers.openai.protocol import PROVIDER
from llmgw.providers.openai.quirks import OpenAiQuirks
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.errors import GatewayError, InvalidRequest, ProviderAuth, ProviderError, ProviderRefused
from llmgw.wire.base import WireFormat
from llmgw.wire.openai.chat import WIRE as CHAT
from llmgw.wire.openai.embeddings import WIRE as EMBEDDINGS
from tests.contract import semantics
from tests.contract.exchange import STREAMED, asked, events, pieces, streamed_out, target
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

_NO_BODY = "the recording has lost the body of its answer"
_NOT_CHAT = "a trace upload of the recording project, not a chat request"
_NO_END = "says [DONE] although no choice has a finish_reason: nothing tells it from an answer that was cut"

_UNUSUAL: Final = re.compile(rb'^(data: *\{\s*)(?=")', re.MULTILINE)
"""Where a null member says nothing, but keeps a chunk from being read as a usual one."""

REJECTED: Final = {
    269: _NO_BODY,
    271: _NO_BODY,
    273: _NO_BODY,
    3455: _NOT_CHAT,
    3457: _NOT_CHAT,
    3460: _NOT_CHAT,
    3462: _NOT_CHAT,
    7502: _NO_END,
    7504: _NO_END,
}
"""Records that are refused on purpose."""

OTHER_PROTOCOLS: Final[dict[str, str]] = {
    "/v2/embed": "Cohere's own protocol",
    ":batchEmbedContents": "Gemini's own protocol",
    ":embedContent": "Vertex AI's own protocol",
    "/api/embeddings": "Ollama's own protocol",
    "/organization/usage/embeddings": "OpenAI's administration API",
}
"""What recorded paths end in that are not this protocol, although they are about embeddings."""


class Mismatch(AssertionError):
    """A record that is not given back as it came."""


def test_recorded_traffic_passes(tell: Callable[[str], None]) -> None:
    """At least 99 in 100 recorded exchanges pass, and the others are exactly the known ones."""
    accepted, rejected, elsewhere = 0, {}, {}
    for record in records("chat", "embeddings"):
        other = _other_protocol(record)
        if other is not None:
            elsewhere[record["id"]] = other
            continue
        try:
            _check(record)
        except (GatewayError, Mismatch) as failure:
            rejected[record["id"]] = f"{type(failure).__name__}: {failure}"
        else:
            accepted += 1
    tell(
        f"recordings of the OpenAI protocol: {accepted + len(rejected)} records, {accepted} accepted, "
        f"{len(rejected)} rejected; {len(elsewhere)} more are of other protocols"
    )
    for number, reason in {**rejected, **elsewhere}.items():
        tell(f"  {number}: {REJECTED.get(number, reason)}")
    assert REJECTED.keys() == rejected.keys(), rejected
    assert accepted / (accepted + len(rejected)) >= 0.99


def _other_protocol(record: dict[str, Any]) -> str | None:
    return next((name for end, name in OTHER_PROTOCOLS.items() if record["path"].endswith(end)), None)


def _check(record: dict[str, Any]) -> None:
    chat = record["api"] == "chat"
    asked_for = record.get("req")
    if isinstance(asked_for, dict):
        _check_request(record, asked_for, CHAT if chat else EMBEDDINGS)
    body = (record.get("body") or "").encode()
    if record["status"] >= 400:
        _check_error(record, body)
    elif not chat:
        _check_embeddings(body)
    elif record["stream"]:
        _check_stream(body)
    else:
        _check_answer(body)


def _check_request(record: dict[str, Any], request: dict[str, Any], wire: WireFormat) -> None:
    if "model" not in request and "/deployments/" in record["path"] + record["host"]:
        request = {**request, "model": "named-by-the-path"}
    members = {name for message in request.get("messages", ()) for name in message}
    wanted = next((name for name in ("reasoning", "reasoning_content") if name in members), None)
    try:
        invocation = wire.decode_request(json.encode(request))
    except InvalidRequest as refusal:
        said = _reported(record, 400)
        if said is not None and said.get("param") == refusal.param:
            return  # the host refused it for the same reason
        raise
    quirks = OpenAiQuirks(reasoning_member=wanted, reasoning_details=True)  # type: ignore[arg-type]
    sent = json.decode(PROVIDER.build_request(invocation, target(quirks)).body)
    _same(semantics.request(request, wanted), semantics.request(sent, wanted))


def _reported(record: dict[str, Any], status: int) -> dict[str, Any] | None:
    if record["status"] != status:
        return None
    error = json.decode(record["body"].encode()).get("error")
    return error if isinstance(error, dict) else None


def _check_error(record: dict[str, Any], body: bytes) -> None:
    error = PROVIDER.parse_error(record["status"], record.get("headers") or {}, body)
    if not isinstance(error, ProviderError) or error.upstream_status != record["status"]:
        raise Mismatch(f"{record['status']} read as {error!r}")
    reported = _reported(record, record["status"]) if body.strip() else None
    if reported is None:
        return
    code = reported.get("code")
    _same(None if code is None else str(code), error.upstream_code)
    if isinstance(error, ProviderRefused):
        _same((reported["message"], reported.get("param")), (error.message, error.param))
    if isinstance(error, ProviderAuth) and reported["message"] in error.message:
        raise Mismatch("the provider's words about the credential are passed on")


def _check_answer(body: bytes) -> None:
    recorded = json.decode(body) if body.strip() else {}
    if _errs(lambda: events(asked(), [body]), recorded):
        return
    read = events(asked(), [body])
    _same(semantics.answer(recorded), semantics.answer(json.decode(CHAT.encode_completion(fold(read)))))
    for size in (997, 64_000):
        _same(read, events(asked(), pieces(body, size)))


def _check_embeddings(body: bytes) -> None:
    invocation = EMBEDDINGS.decode_request(b'{"model":"m","input":"x"}')
    read = events(invocation, [body])
    written = json.decode(EMBEDDINGS.encode_completion(fold(read)))
    _same(semantics.embeddings(json.decode(body)), semantics.embeddings(written))


def _check_stream(body: bytes) -> None:
    recorded = _chunks(body)
    if _errs(lambda: events(STREAMED, [body]), recorded[-1]):
        return
    read = events(STREAMED, [body])
    written = streamed_out(read)
    _same(semantics.stream(recorded), semantics.stream(_chunks(written)))
    _same(semantics.folded(fold(read)), semantics.folded(fold(events(STREAMED, [written]))))
    _same(events(STREAMED, [_UNUSUAL.sub(rb'\1"nothing": null, ', body)]), read)
    for size in (1, 7) if len(body) < 20_000 else (997,):
        _same(read, events(STREAMED, pieces(body, size)))


def _errs(call: Callable[[], object], last: dict[str, Any]) -> bool:
    """Whether the record reports an error inside a success, and it was read as that."""
    error = last.get("error")
    if not isinstance(error, dict):
        return False
    try:
        call()
    except ProviderError as raised:
        _same(str(error.get("code")), raised.upstream_code)
        return True
    raise Mismatch("an error inside a success was read as an answer")


def _chunks(body: bytes) -> list[dict[str, Any]]:
    lines = (line.removeprefix(b"data:").strip() for line in body.split(b"\n") if line.startswith(b"data:"))
    return [json.decode(line) for line in lines if line != b"[DONE]"]


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
    return f"{place or 'value'}: recorded {str(recorded)[:200]!r}, ours {str(ours)[:200]!r}"
