"""Finding credentials that were left in a prompt, by the shapes in which vendors issue them.

Only shapes that stand for themselves are looked for, never a word like `password` beside some text: a prompt may
talk about secrets. What is made of few different characters, or says that it is an example, is no secret.
Each pattern takes a time linear in the text.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_WORD: Final = r"(?<![A-Za-z0-9_-])"
_SHAPES: Final[tuple[tuple[str, str], ...]] = (
    ("llmgw_key", r"llmgw_[a-z0-9]{1,16}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}"),
    ("anthropic_key", r"sk-ant-[a-z0-9]{3,12}-[A-Za-z0-9_-]{24,}"),
    ("openrouter_key", r"sk-or-v1-[0-9a-f]{48,}"),
    ("openai_key", r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,}|sk-[A-Za-z0-9]{32,}"),
    ("langfuse_key", r"sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("aws_key", r"(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("google_key", r"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{40,}|GOCSPX-[0-9A-Za-z_-]{28}"),
    ("github_token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}"),
    ("gitlab_token", r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}"),
    ("slack_token", r"xox[abeprs]-[0-9]{6,}-[0-9A-Za-z-]{10,}|xapp-[0-9]-[A-Z0-9]{6,}-[0-9A-Za-z-]{10,}"),
    (
        "slack_webhook",
        r"https://hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{20,32}",
    ),
    ("stripe_key", r"(?:[rs]k_(?:live|test)|whsec)_[0-9A-Za-z]{24,}"),
    ("hugging_face_token", r"hf_[A-Za-z0-9]{34,}"),
    ("groq_key", r"gsk_[A-Za-z0-9]{48,}"),
    ("xai_key", r"xai-[A-Za-z0-9]{60,}"),
    ("replicate_token", r"r8_[A-Za-z0-9]{37,}"),
    ("npm_token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    ("sendgrid_key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("twilio_key", r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("digitalocean_token", r"do[opr]_v1_[0-9a-f]{64}"),
    ("shopify_token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("telegram_token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    ("json_web_token", r"eyJ[A-Za-z0-9_-]{12,}\.eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{20,}"),
)
_PRIVATE_KEY: Final = r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_PATTERN: Final = re.compile(
    f"(?P<private_key>{_PRIVATE_KEY})|{_WORD}(?:"
    + "|".join(f"(?P<{name}>{shape})" for name, shape in _SHAPES)
    + ")",
    re.ASCII,
)
_FEWEST_CHARACTERS: Final = 9
"""Different characters of a real token; random ones of these lengths have more."""
_NEVER_LETTERS_ALONE: Final = frozenset({"gitlab_token", "openai_key", "xai_key"})
"""Shapes that ordinary names with hyphens might have; 20 random characters and more hold a digit."""
_EXAMPLES: Final = re.compile(
    r"example|placeholder|redacted|your[_-]|change[_-]?me|xxxx|0123456|abcdefg", re.IGNORECASE
)


class Leak(NamedTuple):
    """A credential by the name of its shape and its place in the text; the text itself is told nowhere."""

    shape: str
    start: int


def leaks(text: str) -> Iterator[Leak]:
    """Find what has the shape of a credential."""
    for found in _PATTERN.finditer(text):
        shape = found.lastgroup or ""
        if shape == "private_key" or not _is_example(shape, found[0]):
            yield Leak(shape, found.start())


def _is_example(shape: str, token: str) -> bool:
    return (
        len(set(token)) < _FEWEST_CHARACTERS
        or (shape in _NEVER_LETTERS_ALONE and not any(map(str.isdigit, token)))
        or _EXAMPLES.search(token) is not None
    )
