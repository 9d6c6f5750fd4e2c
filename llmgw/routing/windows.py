"""How many tokens models take, by patterns of their names: the vendors' published context windows.

Where hosts of one model differ, the smallest is here: a view that is cut too early is mended in the settings
(`providers.*.windows`), one that is cut too late is refused by the provider. Figures as of 2026-11, from the model
pages of OpenAI, Anthropic, Google, Mistral, DeepSeek, xAI, Moonshot, Z.ai, Alibaba and Meta.
"""

import re
from functools import lru_cache
from typing import Final

_TABLE: Final[tuple[tuple[str, int], ...]] = (
    (r"gpt-(6|5\.[6-9])", 1_048_576),
    (r"gpt-5\.5-pro|gpt-5\.4-pro", 1_000_000),
    (r"gpt-5\.3(?!-codex)", 128_000),
    (r"gpt-5", 400_000),
    (r"gpt-4\.1-(mini|nano)", 1_000_000),
    (r"gpt-4\.1|gpt-4o|gpt-4-turbo|gpt-4-vision|gpt-audio|\bo1-(mini|preview)", 128_000),
    (r"gpt-4-32k", 32_000),
    (r"gpt-4", 8_192),
    (r"gpt-3\.?5", 16_385),
    (r"gpt-oss", 131_072),
    (r"\bo[134](-|$)", 200_000),
    (r"(fable|mythos)-\d|(opus|sonnet|haiku)-5|(opus-4[-.][6-8])|sonnet-4[-.]6", 1_000_000),
    (r"claude|(opus|sonnet|haiku)-\d", 200_000),
    (r"gemini-[\w.-]*tts", 8_192),
    (r"gemini-(1\.5-pro)", 2_000_000),
    (r"gemini-(1\.0|pro\b)", 32_768),
    (r"gemini-[\w.-]*live", 131_072),
    (r"gemini", 1_000_000),
    (r"mistral-large-[4-9]", 524_288),
    (r"mistral-(large|medium|small)-(2[5-9]|3)\d*|codestral", 256_000),
    (r"deepseek-v4", 1_000_000),
    (r"deepseek-v3", 128_000),
    (r"deepseek", 64_000),
    (r"grok-4[.-](1-fast|fast|[23])", 1_000_000),
    (r"grok-(4|code)", 256_000),
    (r"grok-3", 131_072),
    (r"kimi-k3", 1_040_000),
    (r"kimi-k2-0711", 131_072),
    (r"kimi-k2", 256_000),
    (r"glm-5", 1_040_000),
    (r"llama-?3\.[13]-(70|405)b", 128_000),
    (r"qwen3\.[6-9]-(plus|flash|max|omni)", 1_000_000),
)
"""The first pattern found in a model's name counts."""

_LONGEST_NAME: Final = 256
"""Characters of a name that are looked at: callers choose it, and some patterns look ahead from each place."""
_PATTERNS: Final = tuple((re.compile(pattern, re.IGNORECASE), window) for pattern, window in _TABLE)


@lru_cache(maxsize=512)
def window_of(model: str) -> int | None:
    """How many tokens a model takes, its answer included; None where its name says nothing."""
    name = model[:_LONGEST_NAME]
    return next((window for pattern, window in _PATTERNS if pattern.search(name)), None)
