"""The windows of models, by their names."""

import pytest
from llmgw.routing.windows import _TABLE, window_of

WINDOWS = {
    "gpt-6": 1_048_576, "gpt-5.5-pro": 1_000_000, "gpt-5.3": 128_000, "gpt-5.3-codex": 400_000,
    "gpt-5-mini": 400_000, "gpt-4.1-nano": 1_000_000, "gpt-4o-2024-11-20": 128_000, "gpt-4-32k": 32_000,
    "gpt-4": 8_192, "gpt-3.5-turbo": 16_385, "openai/gpt-oss-120b": 131_072, "o3": 200_000, "o1-mini": 128_000,
    "claude-opus-4-6": 1_000_000, "anthropic.claude-sonnet-5-v1:0": 1_000_000, "claude-sonnet-4-5": 200_000,
    "gemini-2.5-flash-preview-tts": 8_192, "gemini-1.5-pro": 2_000_000, "gemini-1.0-pro": 32_768,
    "gemini-3-flash-live": 131_072, "GEMINI-3-PRO": 1_000_000, "mistral-large-4": 524_288,
    "mistral-medium-2508": 256_000, "deepseek-v4": 1_000_000, "deepseek-v3.2": 128_000, "deepseek-chat": 64_000,
    "grok-4-fast": 1_000_000, "grok-4": 256_000, "grok-3-mini": 131_072, "kimi-k3": 1_040_000,
    "kimi-k2-0711-preview": 131_072, "kimi-k2-thinking": 256_000, "glm-5": 1_040_000,
    "meta-llama/Llama-3.1-70B-Instruct": 128_000, "qwen3.6-plus": 1_000_000,
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_a_name_says_how_much_its_model_takes(name: str) -> None:
    """Whatever stands around it, and however it is written."""
    assert window_of(name) == WINDOWS[name]


def test_each_row_counts_for_some_name() -> None:
    """No row stands behind one that takes all its names, or holds a number that nobody is told."""
    told = set(WINDOWS.values())
    assert {window for _, window in _TABLE} <= told


@pytest.mark.parametrize(
    "name", ["", "my-model", "solo-3", "foo1-mini", "model-o31", "x" * 100_000, "gemini"[:5]]
)
def test_a_name_that_says_nothing(name: str) -> None:
    """No window is known, and none is guessed."""
    assert window_of(name) is None


def test_a_name_is_looked_at_only_so_far() -> None:
    """What is too long to be a model's name is not searched to its end, where looking would take ever longer."""
    assert window_of("gemini-" * 100_000 + "tts") == 1_000_000
    assert window_of("x" * 300 + "gpt-4") is None
