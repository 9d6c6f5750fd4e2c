"""What is asked, of whom, and how often."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
LIMITED: Final = "limited"
"""The tenant whose calls are held to limits and budgets that they never reach."""
DONE: Final = b"data: [DONE]\n\n"

Flavour: TypeAlias = Literal["main", "untraced", "all traced", "forgetful"]
"""The gateway that is asked: 1 % of calls traced, none, all, or with a cache of conversations of one MiB."""

MODELS: Final = ("static", "static-20x0ms", "static-200x0ms", "static-20x10ms", "static-24x250ms")
"""What the static upstream is asked for; callers of every gateway use the same names."""


class Scenario(Struct, frozen=True, kw_only=True):
    """One kind of call.

    `model` is what reaches the upstream; `alias` is what callers of the gateway name, where that differs. `rate`
    fixes the paced load in requests per second; without it a saturation run comes first and the paced load is a
    share of what it found. `turns` is the mean number of turns of a stored conversation, before the call.
    """

    name: str
    title: str
    model: str = "static"
    alias: str = ""
    path: str = CHAT
    gateway: Flavour = "main"
    size: int = 700
    chunks: int = 0
    rate: float | None = None
    lanes: int = 32
    """Connections of the closed loop."""
    limited: bool = False
    """Whether the gateway's caller has limits and budgets."""
    turns: int = 0
    prompt: bool = False
    """Whether the gateway is told a prompt's label in the place of a system message."""
    peers: bool = False
    """Whether other gateways do the same work."""


_ALL_ON: Final = Scenario(
    name="all-on",
    title="key, limits, budgets, a context of 10 turns, a prompt by label, 1 % traced",
    limited=True,
    turns=10,
    prompt=True,
    size=400,
)

SCENARIOS = (
    Scenario(name="chat", title="stateless chat, key checked, 1 % of calls traced", peers=True),
    _ALL_ON,
    replace(_ALL_ON, name="all-on-traced", title="the same, and every call traced", gateway="all traced"),
    replace(
        _ALL_ON,
        name="all-on-stream",
        title="the same as all-on, streamed in 20 chunks, all at once",
        model="static-20x0ms",
        chunks=20,
    ),
    Scenario(name="untraced", title="stateless chat without a trace collector", gateway="untraced"),
    Scenario(
        name="limits",
        title="chat by a key with two limits and two budgets, admitted and settled",
        limited=True,
    ),
    Scenario(name="prompt", title="chat with a prompt by label, rendered for each call", prompt=True),
    Scenario(name="context-10", title="context of 10 turns, warm", turns=10, size=400),
    Scenario(name="context-100", title="context of 100 turns, warm", turns=100, size=400),
    Scenario(name="context-1000", title="context of 1,000 turns, warm", turns=1_000, size=400, lanes=8),
    Scenario(
        name="context-10-cold", title="context of 10 turns, cold", turns=10, size=400, gateway="forgetful"
    ),
    Scenario(
        name="context-100-cold", title="context of 100 turns, cold", turns=100, size=400, gateway="forgetful"
    ),
    Scenario(
        name="context-1000-cold",
        title="context of 1,000 turns, cold",
        turns=1_000,
        size=400,
        lanes=8,
        gateway="forgetful",
    ),
    Scenario(
        name="stream",
        title="stream of 20 chunks, all at once",
        model="static-20x0ms",
        chunks=20,
        peers=True,
    ),
    Scenario(
        name="stream-200",
        title="stream of 200 chunks, all at once",
        model="static-200x0ms",
        chunks=200,
        peers=True,
    ),
    Scenario(
        name="paced-stream",
        title="stream of 20 chunks, 10 ms apart",
        model="static-20x10ms",
        chunks=20,
        rate=150.0,
    ),
    Scenario(name="embeddings", title="one embedding of 1536 numbers", path=EMBEDDINGS, peers=True),
    Scenario(name="body-64k", title="chat with 64 KB of messages", size=64_000, peers=True),
    Scenario(name="body-1m", title="chat with 1 MB of messages", size=1_000_000, lanes=8, peers=True),
    Scenario(
        name="fallback",
        title="chat; the first target refuses two calls of five with 503",
        alias="fallback",
    ),
    Scenario(
        name="target-down",
        title="chat; the first target always answers 503 and so comes to rest",
        alias="down",
    ),
)


def gateway_config(flavour: Flavour, upstream_port: int, collector_port: int) -> Mapping[str, Any]:
    """Give the sections of the gateway's configuration that say where calls and traces go."""
    provider = {
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "static-upstream-key",
        # Many slow streams are measured; ordinarily a worker has 256 calls open at a provider.
        "max_concurrency": 1024,
    }
    most = {"requests_per_minute": 10**9, "concurrent": 10_000, "budgets": {"month": 1_000_000}}
    config: dict[str, Any] = {
        "auth": {"mode": "keys"},
        "limits": {"tenants": {LIMITED: {**most, "keys": {"*": most}}}},
        "prices": {"models": {"static/*": {"input": 0.001, "output": 0.002}}},
        "providers": {"static": provider, "flaky": provider, "down": provider},
        "aliases": {
            **{model: {"targets": [f"static/{model}"]} for model in MODELS},
            "fallback": {"targets": ["flaky/static-503-2of5", "static/static"]},
            "down": {"targets": ["down/static-503", "static/static"]},
        },
    }
    if flavour == "forgetful":
        config["contexts"] = {"cache_mib": 1}
    if flavour != "untraced":
        sample = 1.0 if flavour == "all traced" else 0.01
        config["telemetry"] = {"otlp_endpoint": f"http://127.0.0.1:{collector_port}", "sample": sample}
    return config
