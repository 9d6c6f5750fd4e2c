"""What is asked, of whom, and how often."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from loadtests.generator import Shot
from loadtests.upstream import EMBEDDING_MARKER
from loadtests.upstream_wire import MARKER

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
LIMITED = "limited"
"""The tenant whose calls are held to limits and budgets that they never reach."""
DONE = b"data: [DONE]\n\n"


class Scenario(Struct, frozen=True, kw_only=True):
    """One kind of call.

    `alias` is what callers of the gateway name; `model` is what reaches the upstream, directly and through the
    forwarder. `rate` fixes the paced load in requests per second; without it a saturation run comes first and the
    paced load is a share of what it found.
    """

    name: str
    title: str
    alias: str
    model: str = "static"
    path: str = CHAT
    traced: bool = True
    size: int = 700
    chunks: int = 0
    rate: float | None = None
    limited: bool = False
    """Whether the gateway's caller has limits and budgets."""


SCENARIOS = (
    Scenario(name="chat", title="stateless chat, key checked, 1 % of calls traced", alias="bench"),
    Scenario(
        name="untraced",
        title="the same without a trace collector",
        alias="bench",
        traced=False,
    ),
    Scenario(
        name="limits",
        title="chat by a key with two limits and two budgets, admitted and settled",
        alias="bench",
        limited=True,
    ),
    Scenario(
        name="stream",
        title="stream of 20 chunks, all at once",
        alias="bench-20x0ms",
        model="static-20x0ms",
        chunks=20,
    ),
    Scenario(
        name="paced-stream",
        title="stream of 20 chunks, 10 ms apart",
        alias="bench-20x10ms",
        model="static-20x10ms",
        chunks=20,
        rate=150.0,
    ),
    Scenario(name="embeddings", title="one embedding of 1536 numbers", alias="bench", path=EMBEDDINGS),
    Scenario(name="body-64k", title="chat with 64 KB of messages", alias="bench", size=64_000),
    Scenario(
        name="fallback",
        title="chat; the first target refuses two calls of five with 503",
        alias="bench-fallback",
    ),
    Scenario(
        name="target-down",
        title="chat; the first target always answers 503 and so comes to rest",
        alias="bench-down",
    ),
)


def gateway_config(upstream_port: int, collector_port: int | None) -> Mapping[str, Any]:
    """Give the sections of the gateway's configuration that say where calls and traces go."""
    provider = {
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "static-upstream-key",
    }
    most = {"requests_per_minute": 10**9, "concurrent": 10_000, "budgets": {"month": 1_000_000}}
    config: dict[str, Any] = {
        "auth": {"mode": "keys"},
        "limits": {"tenants": {LIMITED: {**most, "keys": {"*": most}}}},
        "prices": {"models": {"static/*": {"input": 0.001, "output": 0.002}}},
        "providers": {"static": provider, "flaky": provider, "down": provider},
        "aliases": {
            "bench": {"targets": ["static/static"]},
            "bench-20x0ms": {"targets": ["static/static-20x0ms"]},
            "bench-20x10ms": {"targets": ["static/static-20x10ms"]},
            "bench-fallback": {"targets": ["flaky/static-503-2of5", "static/static"]},
            "bench-down": {"targets": ["down/static-503", "static/static"]},
        },
    }
    if collector_port is not None:
        config["telemetry"] = {"otlp_endpoint": f"http://127.0.0.1:{collector_port}", "sample": 0.01}
    return config


def shot(scenario: Scenario, model: str, key: str) -> Shot:
    """Write the scenario's request for one server."""
    body = msgspec.json.encode(_body(scenario, model))
    head = (
        f"POST {scenario.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        "content-type: application/json\r\naccept: application/json\r\nuser-agent: llmgw-loadtests\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    marker = EMBEDDING_MARKER if scenario.path == EMBEDDINGS else MARKER
    return Shot(
        payload=head.encode() + body,
        marker=marker,
        markers=scenario.chunks or 1,
        ending=DONE if scenario.chunks else b"}",
    )


def _body(scenario: Scenario, model: str) -> dict[str, Any]:
    if scenario.path == EMBEDDINGS:
        text = "The quick brown fox jumps over the lazy dog."
        return {"model": model, "input": text, "encoding_format": "base64"}
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a terse assistant who answers in one paragraph."},
            {"role": "user", "content": ("How does a fox jump over a dog? " * 2000)[: scenario.size]},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if scenario.chunks:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body
