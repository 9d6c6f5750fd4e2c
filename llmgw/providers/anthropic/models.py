"""What Claude models take and refuse, as data by patterns of their names.

Sources, on platform.claude.com/docs/en: models/overview and the pages of each model (maximum output),
build-with-claude/thinking-troubleshooting (which `thinking` each model takes), build-with-claude/effort,
build-with-claude/mid-conversation-system-messages, build-with-claude/structured-outputs,
models/opus-5-5/whats-new-opus-5-5 (forced tool use), about-claude/models/migration-guide (sampling, prefill).
"""

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct, structs

Thinking: TypeAlias = Literal["none", "budget", "either", "adaptive"]
"""The ways a model can be told to think: by a number of tokens, as it sees fit, by either, or not at all."""

_UP_TO_HIGH: Final = ("low", "medium", "high")
_WITHOUT_XHIGH: Final = (*_UP_TO_HIGH, "max")
_ALL_EFFORTS: Final = (*_UP_TO_HIGH, "xhigh", "max")


class Profile(Struct, frozen=True, kw_only=True):
    """What one family of models takes; the defaults are those of the newest Claude models."""

    max_output_tokens: int = 128_000
    bounded: bool = True
    """Whether a request for more than that is refused, so far as anyone knows."""
    thinking: Thinking = "adaptive"
    thinks_unasked: bool = True
    off: Literal["disabled", "between_tools"] | None = "disabled"
    """How `thinking` is turned off where it is on unasked; None where it always is."""
    efforts: tuple[str, ...] = _ALL_EFFORTS
    """Words `output_config.effort` takes, rising; empty where there is no such member."""
    sampling: Literal["any", "one", "none"] = "none"
    """Whether temperature, top_p and top_k are taken, top_p only without a temperature, or none of them."""
    forced_tools: bool = True
    """Whether a tool choice can demand a call."""
    prefill: bool = False
    """Whether the last message may be the assistant's, which the answer then continues."""
    system_amid: bool = True
    """Whether system messages may stand amid the conversation."""
    structured: bool = True
    """Whether `output_config.format` and strict tools are taken."""
    signed: bool = True
    """Whether thinking goes back only under its signature."""
    compacts: bool = True
    """Whether the vendor sums up conversations with the model by itself."""


_ANOTHER: Final = Profile(
    max_output_tokens=8_192,
    bounded=False,
    thinking="budget",
    thinks_unasked=False,
    efforts=(),
    sampling="any",
    prefill=True,
    system_amid=False,
    structured=False,
    compacts=False,
)
"""A model by a name that says nothing of it, on a host that speaks the protocol: what most of them take.

It may still be a Claude, behind a deployment's name: thinking goes back under a signature alone.
"""

_UNSIGNED: Final = structs.replace(_ANOTHER, signed=False)
"""Models of other makers whose hosts do not sign what they think, and take it back in the clear."""

_TABLE: Final[tuple[tuple[str, Profile], ...]] = (
    (r"(fable|mythos)-5-\d(?!\d)", Profile(off=None, forced_tools=False)),
    (r"(fable|mythos)-5", Profile(off=None)),
    (
        r"mythos-preview",
        Profile(thinking="either", off=None, efforts=_WITHOUT_XHIGH, sampling="one", system_amid=False),
    ),
    (r"opus-5[-.]5", Profile(off=None, forced_tools=False)),
    (r"sonnet-5[-.]5", Profile(off="between_tools", forced_tools=False)),
    (r"sonnet-5", Profile(system_amid=False)),
    (r"opus-4[-.]8", Profile(thinks_unasked=False)),
    (r"opus-4[-.]7", Profile(thinks_unasked=False, system_amid=False)),
    (
        r"(opus|sonnet)-4[-.]6",
        Profile(
            thinking="either",
            thinks_unasked=False,
            efforts=_WITHOUT_XHIGH,
            sampling="one",
            system_amid=False,
        ),
    ),
    (
        r"(opus|sonnet|haiku)-4[-.]5",
        Profile(
            max_output_tokens=64_000,
            compacts=False,
            thinking="budget",
            thinks_unasked=False,
            efforts=(),
            sampling="one",
            prefill=True,
            system_amid=False,
        ),
    ),
    (
        r"opus-4(?![-.]\d(?!\d))|opus-4[-.][01](?!\d)",
        Profile(
            max_output_tokens=32_000,
            compacts=False,
            thinking="budget",
            thinks_unasked=False,
            efforts=(),
            sampling="one",
            prefill=True,
            system_amid=False,
            structured=False,
        ),
    ),
    (
        r"sonnet-4(?![-.]\d(?!\d))|sonnet-4[-.]0(?!\d)|3[-.]7-sonnet",
        Profile(
            max_output_tokens=64_000,
            compacts=False,
            thinking="budget",
            thinks_unasked=False,
            efforts=(),
            sampling="any",
            prefill=True,
            system_amid=False,
            structured=False,
        ),
    ),
    (
        r"3[-.]5-",
        Profile(
            max_output_tokens=8_192,
            compacts=False,
            thinking="none",
            thinks_unasked=False,
            efforts=(),
            sampling="any",
            prefill=True,
            system_amid=False,
            structured=False,
        ),
    ),
    (
        r"claude-(3-|2|instant)",
        Profile(
            max_output_tokens=4_096,
            compacts=False,
            thinking="none",
            thinks_unasked=False,
            efforts=(),
            sampling="any",
            prefill=True,
            system_amid=False,
            structured=False,
        ),
    ),
    (r"claude|opus|sonnet|haiku", Profile()),
    (r"deepseek|kimi|moonshot|glm|minimax|qwen|mimo|longcat", _UNSIGNED),
)
"""The first pattern found in a model's name counts; clouds put their own words before and behind it."""

_PATTERNS: Final = tuple((re.compile(pattern, re.IGNORECASE), profile) for pattern, profile in _TABLE)


@lru_cache(maxsize=256)
def profile_of(model: str) -> Profile:
    """Find what a model takes by its name; a Claude nobody knows yet counts as the newest."""
    return next((profile for pattern, profile in _PATTERNS if pattern.search(model)), _ANOTHER)
