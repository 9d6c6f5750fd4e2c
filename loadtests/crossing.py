"""What it costs to cross protocols: the same stream through every pair of dialect and protocol, chunk by chunk.

The cost of a chunk is the difference between a long stream and a short one, divided by the chunks between: what a
call costs whatever its length falls out. All pairs take turns under the same load in the same minutes.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from loadtests.accounting import family_of, usage_of
from loadtests.generator import Load, Shot
from loadtests.subjects import Gateway
from loadtests.upstream_wire import MARKER

NAME: Final = "crossing"
SHORT, LONG = 20, 220
PROTOCOLS = ("openai", "anthropic", "gemini")
LIMIT = 1.5
"""What a chunk that crosses may cost, as a multiple of one that does not."""


class Pair(Struct, frozen=True):
    """One way through: the dialect callers speak, the protocol the target speaks."""

    wire: str
    protocol: str

    @property
    def same(self) -> bool:
        """Whether nothing is translated."""
        return self.wire == self.protocol


PAIRS = tuple(Pair(wire, protocol) for wire in ("openai", "anthropic") for protocol in PROTOCOLS)


class Cost(Struct, kw_only=True):
    """CPU of the gateway for one pair: seconds and answers by chunks per answer."""

    pair: Pair
    seconds: dict[int, float] = msgspec.field(default_factory=lambda: {SHORT: 0.0, LONG: 0.0})
    answers: dict[int, int] = msgspec.field(default_factory=lambda: {SHORT: 0, LONG: 0})
    errors: int = 0

    def call_us(self, chunks: int) -> float:
        """Microseconds per answer of so many chunks."""
        return 1e6 * self.seconds[chunks] / max(1, self.answers[chunks])

    @property
    def chunk_us(self) -> float:
        """Microseconds per chunk."""
        return (self.call_us(LONG) - self.call_us(SHORT)) / (LONG - SHORT)


def gateway_config(upstream_port: int) -> Mapping[str, Any]:
    """Give the configuration of a gateway with one provider per protocol, all of them the static upstream."""
    root = f"http://127.0.0.1:{upstream_port}"
    key = "static-upstream-key"
    providers = {
        "openai": {"kind": "openai_compatible", "base_url": f"{root}/v1", "api_key": key},
        "anthropic": {"kind": "anthropic", "base_url": root, "api_key": key},
        "gemini": {"kind": "gemini", "base_url": f"{root}/v1beta", "api_key": key},
    }
    return {"auth": {"mode": "keys"}, "providers": providers}


async def measure(gateway: Gateway, *, rounds: int, seconds: float) -> list[Cost]:
    """Measure every pair, `rounds` times for `seconds` each and per length."""
    costs = [Cost(pair=pair) for pair in PAIRS]
    family = family_of(gateway.pid)
    for _ in range(rounds):
        for cost in costs:
            for chunks in (SHORT, LONG):
                marks: list[float] = []
                load = Load(
                    gateway.port,
                    _shot(cost.pair, chunks, gateway.key),
                    rate=None,
                    edge=lambda marks=marks: marks.append(usage_of(family).members_s),  # type: ignore[misc]
                )
                tally = await load.run(0.3, seconds)
                cost.seconds[chunks] += marks[1] - marks[0]
                cost.answers[chunks] += tally.completed
                cost.errors += tally.errors.total()
        gateway.forget_log()
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Draw what was measured; `x same` divides by the same-protocol stream of the caller's own dialect."""
    own = {cost.pair.wire: cost.chunk_us for cost in costs if cost.pair.same}
    of_calls = (f"CPU µs, {chunks} chunks" for chunks in (SHORT, LONG))
    head = ("caller", "target", *of_calls, "CPU µs per chunk", "x same", "errors")
    lines = [f"| {' | '.join(head)} |", "|---|---|---:|---:|---:|---:|---:|"]
    for cost in costs:
        pair = cost.pair
        cells = (
            pair.wire,
            pair.protocol,
            f"{cost.call_us(SHORT):,.0f}",
            f"{cost.call_us(LONG):,.0f}",
            f"{cost.chunk_us:.1f}",
            f"{cost.chunk_us / own[pair.wire]:.2f}",
            str(cost.errors),
        )
        lines.append(f"| {' | '.join(cells)} |")
    title = f"### crossing: streams of {SHORT} and {LONG} chunks through every pair of protocols"
    return "\n".join([title, "", *lines])


def _shot(pair: Pair, chunks: int, key: str) -> Shot:
    body: dict[str, Any] = {
        "model": f"{pair.protocol}/static-{chunks}x0ms",
        "messages": [{"role": "user", "content": "How does a fox jump over a dog?"}],
        "max_tokens": 1024,
        "stream": True,
    }
    path, ending = "/v1/messages", b'data: {"type":"message_stop"}\n\n'
    if pair.wire == "openai":
        path, ending = "/v1/chat/completions", b"data: [DONE]\n\n"
        body["stream_options"] = {"include_usage": True}
    written = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        "anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        f"user-agent: llmgw-loadtests/{os.getpid()}\r\ncontent-length: {len(written)}\r\n\r\n"
    )
    return Shot(payload=head.encode() + written, marker=MARKER, markers=chunks, ending=ending)
