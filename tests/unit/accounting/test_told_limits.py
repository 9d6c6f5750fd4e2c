"""A limit that the gateway sets reaches every provider as if the caller had set it."""

from typing import Any, Final

import pytest
from llmgw.accounting.estimate import with_max_output
from llmgw.providers import PROVIDERS
from llmgw.providers.registry import ROWS
from llmgw.types import json
from llmgw.types.invocation import ChatInvocation
from llmgw.types.target import Endpoint, Target
from llmgw.wire.anthropic.messages import WIRE as MESSAGES
from llmgw.wire.openai.chat import WIRE as CHAT

SAID: Final[dict[str, Any]] = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
LIMITS: Final = (
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "maxOutputTokens",
)
MODELS: Final = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash", "openai": "gpt-5"}
THINKING: Final = {"thinking": {"type": "enabled", "budget_tokens": 6000}, "max_tokens": 9000}
CALLS: Final[dict[str, Any]] = {
    "openai, nothing said": (CHAT, SAID),
    "openai, older name": (CHAT, {**SAID, "max_tokens": 9000}),
    "openai, newer name": (CHAT, {**SAID, "max_completion_tokens": 9000}),
    "openai, other names": (CHAT, {**SAID, "max_output_tokens": 9000, "max_new_tokens": 9000}),
    "openai, thinking": (CHAT, {**SAID, "reasoning_effort": "high", "max_completion_tokens": 90_000}),
    "anthropic": (MESSAGES, {**SAID, "max_tokens": 9000}),
    "anthropic, thinking": (MESSAGES, {**SAID, **THINKING}),
}


def _told(call: str, kind: str, tokens: int) -> dict[str, Any]:
    """The body that a provider of a kind is sent."""
    wire, said = CALLS[call]
    row = ROWS[kind]
    invocation = with_max_output(wire.decode_request(json.encode(said)), tokens)
    target = Target(
        name=f"{kind}/m",
        provider=kind,
        kind=kind,
        protocol=row.protocol,
        model=MODELS[row.protocol],
        endpoint=Endpoint(base_url="https://host.example"),
        features=row.features,
        quirks=row.quirks,
    )
    assert isinstance(invocation, ChatInvocation)
    body: dict[str, Any] = json.decode(PROVIDERS[row.protocol].build_request(invocation, target).body)
    return body


@pytest.mark.parametrize(
    "kind", ["openai", "anthropic", "gemini", "groq", "xai", "mistral", "vllm", "openrouter"]
)
@pytest.mark.parametrize("call", CALLS)
def test_one_limit_is_told_and_no_other(call: str, kind: str) -> None:
    """By the name that the host takes; thinking that has a budget leaves room for the answer."""
    body = _told(call, kind, 2500)
    config = body.get("generationConfig", body)
    assert [config[name] for name in LIMITS if name in config] == [2500]
    budget = (body.get("thinking") or {}).get("budget_tokens")
    assert budget is None or 1024 <= budget < 2500
