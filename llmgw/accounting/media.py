"""What media cost in tokens where nobody looks inside them: what they are counted as, and what they are at most.

Counted by the rules of OpenAI's guides: https://developers.openai.com/api/docs/guides/images-vision#calculating-costs
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from llmgw.types.message import MediaPart
from llmgw.types.target import Target


class _Picture(NamedTuple):
    """Tokens of a picture: in low detail, and the most there can be in high."""

    low: int
    most: int


def _tiles(base: int, tile: int) -> _Picture:
    """At most 2048 by 768 pixels are left after scaling: eight tiles of 512 by 512."""
    return _Picture(base, base + 8 * tile)


def _patches(per_patch: float) -> _Picture:
    """At most 1536 patches of 32 by 32 pixels are left after scaling; 512 by 512 pixels are 256."""
    return _Picture(round(256 * per_patch), round(1536 * per_patch))


_PICTURES: Final = (
    (re.compile(r"gpt-4o-mini"), _tiles(2833, 5667)),
    (re.compile(r"gpt-4\.1-nano|gpt-5[\w.]*-nano"), _patches(2.46)),
    (re.compile(r"gpt-4\.1-mini|gpt-5[\w.]*-mini"), _patches(1.62)),
    (re.compile(r"o4-mini"), _patches(1.72)),
    (re.compile(r"\bo[13]\b"), _tiles(75, 150)),
    (re.compile(r"gpt-5"), _tiles(70, 140)),
)
"""By model, the first that is found in its name; all others count as GPT-4o."""
_OTHERS: Final = _tiles(85, 170)

_AUDIO_BYTES: Final = 800
"""Sound has ten tokens a second; the bytes of a token in speech of 64 kbit/s, the thinnest usual."""
_FILE_BYTES: Final = 4
"""Bytes of a token in a file: as if it were text."""
_UNSEEN: Final = 2000
"""Tokens of a file that is not in the request: a few pages."""


def media_tokens(part: MediaPart, model: str) -> int:
    """Bound the tokens of a medium from its kind, detail and size, without decoding it.

    An image counts by its detail: `low` has a fixed price, anything else that of the largest image. Sounds, films
    and documents count by their size; those only named by a URL or an id as a few pages.
    """
    if part.kind == "image":
        picture = next((found for name, found in _PICTURES if name.search(model)), _OTHERS)
        return picture.low if part.detail == "low" else picture.most
    if part.base64 is None:
        return _UNSEEN
    size = len(part.base64) * 3 // 4
    return -(-size // (_AUDIO_BYTES if part.kind == "audio" else _FILE_BYTES))


_CLAUDE: Final = 4_800
"""Pictures are scaled down to 4,784 tokens: https://platform.claude.com/docs/en/build-with-claude/vision"""
_ORIGINAL: Final = 43_000
"""Newer models of OpenAI look at 6,000 by 6,000 pixels: 35,344 patches at 1.2 tokens."""
_ORIGINALS: Final = re.compile(r"gpt-5\.[4-9]|gpt-[6-9]")
_PICTURE: Final = 16_384
"""All others: the most of Qwen's, which take most; Gemini's are 16 tiles of 258 or 2,240 tokens, Pixtral's 4,160.

https://ai.google.dev/gemini-api/docs/media-resolution and https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct
"""
_RAW: Final = 200
_DENSE: Final = 20
"""Bytes of a token where there are fewest: Gemini hears 32 tokens a second, of 8 kHz in a byte each, or of 8 kbit/s
where sound is compressed; it sees 258 more a second of films: https://ai.google.dev/gemini-api/docs/tokens"""
_PAGE: Final = 5_000
"""Tokens of a page, as it is a picture too."""
_PAGED: Final = 4
"""And of each byte of a document: packed pages of text are some 1.5 KB and 2,500 tokens."""
_ELSEWHERE: Final = 100_000
"""Held back for sounds, films and documents that are not in the request: nothing bounds those."""
_WINDOW: Final = 1_000_000
"""What fits into the models that take most, for targets whose window is not known."""


def media_bound(parts: Sequence[MediaPart], target: Target) -> int:
    """Bound the tokens of media that are no text, at a target: no more than fits into its window."""
    total = sum(_bound(part, target) for part in parts)
    return min(total, target.window or _WINDOW)


def _bound(part: MediaPart, target: Target) -> int:
    if part.kind == "image":
        return _picture_bound(part, target)
    if part.blob is not None:
        # What is kept apart is as long as it was said, whether in base64 or as it is.
        size = part.size or 0
    elif part.base64 is None:
        return _ELSEWHERE
    else:
        size = len(part.base64) * 3 // 4
    if part.kind == "file":
        return _PAGE + _PAGED * size
    raw = part.kind == "audio" and part.media_type in {"audio/wav", "audio/pcm16", "audio/x-wav"}
    return _PAGE + size // (_RAW if raw else _DENSE)


def _picture_bound(part: MediaPart, target: Target) -> int:
    if target.protocol == "anthropic":
        return _CLAUDE
    if target.kind == "openrouter":
        return _ORIGINAL  # any maker's model may answer
    if target.kind not in {"openai", "azure"}:
        return _PICTURE
    if part.detail != "low" and (part.detail == "original" or _ORIGINALS.search(target.model)):
        return _ORIGINAL
    # In a deployment of Azure nobody knows which model it is.
    return max(media_tokens(part, target.model), _PICTURE if target.kind == "azure" else 0)
