"""Every recorded exchange in Gemini's protocol passes the codec, or is listed here with its reason.

The folder of recordings is `../shared/recordings` beside the project, or what `LLMGW_RECORDINGS` names.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest
from llmgw.providers.gemini.protocol import PROVIDER
from llmgw.types import json
from llmgw.types.completion import fold
from llmgw.types.errors import GatewayError, ProviderError, ProviderRefused
from llmgw.types.event import StreamEvent, UsageReport
from tests.contract import gemini_semantics as semantics
from tests.contract.gemini_exchange import EMBEDDED, STREAMED, asked, events, pieces, sse
from tests.contract.recordings import FOLDER, records

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER.name}/")

PROVIDERS: Final = ("gemini", "vertexai")

_GIVEN_UP: Final = "ends in MALFORMED_FUNCTION_CALL or its like: no answer that may look whole"

REJECTED: Final[dict[int, str]] = dict.fromkeys((5315, 5440, 5530, 5731, 5785), _GIVEN_UP)
"""Records that are refused on purpose."""


class Mismatch(AssertionError):
    """A record that is not given back as it came."""


def test_recorded_traffic_passes(tell: Callable[[str], None]) -> None:
    """At least 99 in 100 recorded exchanges pass, and the others are exactly the known ones."""
    accepted, rejected = 0, {}
    for record in records("generate", "generate-stream", "embeddings"):
        if record["provider"] not in PROVIDERS:
            continue
        try:
            _check(record)
        except (GatewayError, Mismatch) as failure:
            rejected[record["id"]] = f"{type(failure).__name__}: {failure}"
        else:
            accepted += 1
    tell(
        f"recordings of the Gemini protocol: {accepted + len(rejected)} records, {accepted} accepted, "
        f"{len(rejected)} rejected"
    )
    for number, reason in rejected.items():
        tell(f"  {number}: {REJECTED.get(number, reason)}")
    assert REJECTED.keys() == rejected.keys(), rejected
    assert accepted / (accepted + len(rejected)) >= 0.99


def _check(record: dict[str, Any]) -> None:
    body = (record.get("body") or "").encode()
    if record["status"] >= 400:
        _check_error(record, body)
    elif record["api"] == "embeddings":
        _check_embeddings(body)
    elif record["api"] == "generate":
        _check_answer(body)
    else:
        _check_stream(body)


def _check_error(record: dict[str, Any], body: bytes) -> None:
    error = PROVIDER.parse_error(record["status"], record.get("headers") or {}, body)
    if not isinstance(error, ProviderError) or error.upstream_status != record["status"]:
        raise Mismatch(f"{record['status']} read as {error!r}")
    reported = json.decode(body)["error"]
    _same(reported["status"], error.upstream_code)
    if isinstance(error, ProviderRefused):
        _same(reported["message"], error.message)


def _check_answer(body: bytes) -> None:
    read = events(asked(), [body])
    recorded = semantics.recorded([json.decode(body)])
    _same(recorded, _said(recorded, read))
    _same(semantics.parts_of(recorded), semantics.folded(fold(read)))
    for size in (997, 64_000):
        _same(read, events(asked(), pieces(body, size)))


def _check_embeddings(body: bytes) -> None:
    recorded = json.decode(body)
    vectors = recorded["embeddings"] if "embeddings" in recorded else [recorded["embedding"]]
    read = fold(events(EMBEDDED, [body]))
    _same([vector["values"] for vector in vectors], [vector.embedding for vector in read.vectors])
    usage = recorded.get("usageMetadata")
    _same(usage and usage["promptTokenCount"], read.usage and read.usage.input_tokens)


def _check_stream(body: bytes) -> None:
    chunks = _chunks(body)
    if body.startswith(b"["):
        # Asked without `alt=sse`, which the gateway never does; the same chunks are read as the stream they are.
        body = sse(chunks)
    read = events(STREAMED, [body])
    recorded = semantics.recorded(_chunks(body))
    _same(recorded, _said(recorded, read))
    _same(semantics.parts_of(recorded), semantics.folded(fold(read)))
    # A member that says nothing keeps a chunk from being read as a usual one, whose usage is read at the end only.
    slow = events(STREAMED, [sse({"nothing": None, **chunk} for chunk in chunks)])
    _same(_without_usage(slow), _without_usage(read))
    _same(slow[-1], read[-1])
    for size in (1, 7) if len(body) < 20_000 else (997,):
        _same(read, events(STREAMED, pieces(body, size)))


def _without_usage(read: list[StreamEvent]) -> list[StreamEvent]:
    return [event for event in read if not isinstance(event, UsageReport)]


def _said(recorded: dict[str, Any], read: list[StreamEvent]) -> dict[str, Any]:
    """What events say; the model only where it was recorded, as the gateway knows it anyway."""
    said = semantics.told(read)
    if "modelVersion" not in recorded:
        del said["modelVersion"]
    return said


def _chunks(body: bytes) -> list[dict[str, Any]]:
    if body.startswith(b"["):
        chunks: list[dict[str, Any]] = json.decode(body)
        return chunks
    lines = (line.removeprefix(b"data:").strip() for line in body.split(b"\n") if line.startswith(b"data:"))
    return [json.decode(line) for line in lines if line]


def _same(recorded: object, ours: object) -> None:
    if recorded != ours:
        raise Mismatch(f"recorded {str(recorded)[:1500]!r}, ours {str(ours)[:1500]!r}")
