"""What secrets look like: those with a beginning of their own, and those whose name stands before them.

A secret with a beginning of its own is found wherever it stands, were it in the middle of a word. Its run takes in
the characters of its own beginning as well, so that two without anything between them go together.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from typing import Final

from llmgw.redaction.finding import Said, Shape

_OWN_SECRET: Final = re.compile(rb"[0-9A-Za-z]{32}")
_SHORTEST_JWT: Final = 20
_LONG_TOKEN: Final = 20
_SHORTEST_TOKEN: Final = 6
_OPENING: Final = (
    *(
        b"?",
        b"&",
        b"access",
        b"account",
        b"admin",
        b"api",
        b"auth",
        b"encryption",
        b"function",
        b"host",
        b"master",
    ),
    *(
        b"private",
        b"secret",
        b"service",
        b"session",
        b"shared",
        b"signing",
        b"ssh",
        b"storage",
        b"subscription",
    ),
)
"""What stands before `key` where that is a secret, in lower case; in an address any key is one."""
_REDACTED: Final = re.compile(rb"\[redacted:[a-z0-9_]+\][\\\"'`,;.)\]}]*")
_DIGIT: Final = re.compile(rb"[0-9]")
_MIXED: Final = (re.compile(rb"[a-z]"), re.compile(rb"[A-Z]"), _DIGIT)


def _begins(kind: str, pattern: bytes, *marks: bytes) -> Shape:
    return Shape(kind, re.compile(pattern), marks)


def _is_own_key(match: Said) -> bool:
    return _OWN_SECRET.search(match[0]) is not None


def _is_jwt(match: Said) -> bool:
    return len(match[0]) >= _SHORTEST_JWT and b"." in match[0]


def _has_digit(match: Said) -> bool:
    return _DIGIT.search(match[0]) is not None


def _is_mixed(match: Said) -> bool:
    return all(each.search(match[0]) for each in _MIXED)


def _is_basic(match: Said) -> bool:
    """Whether it is a name and a password, or a header says that it is one."""
    word = match[1]
    try:
        return b":" in b64decode(word + b"=" * (-len(word) % 4), validate=True)
    except Error:
        return False


def _is_bearer(match: Said) -> bool:
    """Whether it is no word of a sentence."""
    return len(match[1]) >= _LONG_TOKEN or _DIGIT.search(match[1]) is not None


def _is_news(match: Said) -> bool:
    """Whether it is not what was put in the place of a secret before."""
    gone = match[match.lastindex or 0]
    return not gone.startswith(b"[redacted:") or _REDACTED.fullmatch(gone) is None


def _is_key(match: Said) -> bool:
    """Whether the word before `key` makes it one that opens something."""
    return _is_news(match) and _before(match).endswith(_OPENING)


def _is_signature(match: Said) -> bool:
    return _is_news(match) and _before(match).endswith((b"?", b"&", b"sharedaccess", b"x-amz"))


def _is_token(match: Said) -> bool:
    return _is_news(match) and len(match[match.lastindex or 0]) >= _SHORTEST_TOKEN


def _before(match: Said) -> bytes:
    return match.string[max(0, match.start() - 24) : match.start()].rstrip(b" _-")


KEYS: Final = (
    Shape("llmgw_key", re.compile(rb"llmgw_\w*+"), (b"llmgw_",), _is_own_key),
    _begins("anthropic_key", rb"sk-ant-[\w-]{8,}+", b"sk-ant-"),
    _begins(
        "openai_key",
        rb"sk-(?:proj|svcacct|admin|None)-[\w-]{8,}+",
        b"sk-proj-",
        b"sk-svc",
        b"sk-adm",
        b"sk-No",
    ),
    _begins("openrouter_key", rb"sk-or-[\w-]{8,}+", b"sk-or-"),
    _begins("openai_key", rb"sk-[0-9A-Za-z]{16,}+T3BlbkFJ[\w-]*+", b"T3BlbkFJ"),
    Shape("openai_key", re.compile(rb"(?<![0-9A-Za-z])sk-[\w-]{16,}+"), (b"sk-",), _has_digit),
    _begins("aws_key_id", rb"(?:AKIA|ASIA)[0-9A-Z]{16,}+", b"AKIA", b"ASIA"),
    # Nothing tells it from any other base64 of its length but an id of a key beside it.
    Shape("aws_secret", re.compile(rb"[0-9A-Za-z/+]{40,}+"), (b"AKIA", b"ASIA"), _is_mixed),
    _begins("github_token", rb"gh[opsur]_[0-9A-Za-z]{30,}+\w*+", b"ghp_", b"gho_", b"ghs_", b"ghu_", b"ghr_"),
    _begins("github_token", rb"github_pat_\w{22,}+", b"github_pat_"),
    _begins("gitlab_token", rb"glpat-[\w-]{16,}+", b"glpat-"),
    _begins("slack_token", rb"xox[abeoprs]-[\w-]{10,}+", b"xox"),
    _begins("slack_token", rb"xapp-[\w-]{10,}+", b"xapp-"),
    _begins("slack_webhook", rb"hooks\.slack\.com/services/[\w/-]*+", b"hooks.slack.com/services/"),
    _begins("google_key", rb"AIza[\w-]{30,}+", b"AIza"),
    _begins("google_token", rb"ya29\.[\w.-]{16,}+", b"ya29."),
    _begins(
        "stripe_key", rb"[rs]k_(?:live|test)_[0-9A-Za-z]{10,}+\w*+", b"rk_live_", b"sk_live_", b"k_test_"
    ),
    _begins("stripe_secret", rb"whsec_[0-9A-Za-z/+=]{16,}+[\w/+=]*+", b"whsec_"),
    _begins("huggingface_token", rb"hf_[0-9A-Za-z]{30,}+\w*+", b"hf_"),
    _begins("npm_token", rb"npm_[0-9A-Za-z]{30,}+\w*+", b"npm_"),
    _begins("pypi_token", rb"pypi-AgE[\w-]{16,}+", b"pypi-AgE"),
    _begins("groq_key", rb"gsk_[0-9A-Za-z]{32,}+\w*+", b"gsk_"),
    _begins("xai_key", rb"xai-[0-9A-Za-z]{32,}+[\w-]*+", b"xai-"),
    _begins("perplexity_key", rb"pplx-[0-9A-Za-z]{32,}+[\w-]*+", b"pplx-"),
    _begins("nvidia_key", rb"nvapi-[\w-]{32,}+", b"nvapi-"),
    _begins("replicate_token", rb"r8_[0-9A-Za-z]{32,}+\w*+", b"r8_"),
    _begins("sendgrid_key", rb"SG\.[\w-]{16,}+\.[\w-]{16,}+[\w.-]*+", b"SG."),
    Shape("jwt", re.compile(rb"eyJ[\w-]*+(?:\.[\w-]*+)*+"), (b"eyJ",), _is_jwt),
)
"""Secrets with a beginning of their own."""

# After a name: quotes and a sign; then a value up to the same quotes, or a bare one up to what cannot be part of
# it. `\"` are the quotes of a string of JSON within JSON.
_SIGN: Final = rb"\\*+[\"'`]?\s*+(?:[:=]>?|>)\s*+(\\*+[\"'`])?+"
_SCHEME: Final = rb"(?:(?:bearer|basic|digest|negotiate|token|apikey|key)\s++)?"
_BARE: Final = rb"(?:[^\s\"'`&<;,\\]|\\(?![nrt\"'\\])|[;,&](?!\s|$|[\w.-]{1,40}[=:])|<(?![/a-z]))++"
_VALUE: Final = _SIGN + _SCHEME + rb"((?(1)(?:(?!\1)[^\r\n])*+|" + _BARE + rb"))"


def _named(
    kind: str, name: bytes, *marks: bytes, proves: Callable[[Said], bool] = _is_news, value: bytes = _VALUE
) -> Shape:
    return Shape(kind, re.compile(name + value), marks or (name,), proves, folded=True)


NAMED: Final = (
    _named("password", b"passw(?:or)?d", b"password", b"passwd"),
    _named("password", b"passphrase"),
    _named("password", b"pwd"),
    _named("password", b"_pass"),
    _named("secret", b"secret"),
    _named("secret", b"credentials?", b"credential"),
    _named("api_key", b"key", proves=_is_key),
    _named("token", b"token", proves=_is_token),
    _named("authorization", b"authorization"),
    _named("cookie", b"cookie", value=_SIGN + rb"((?(1)(?:(?!\1)[^\r\n])*+|[^\r\n\"'`\\]++))"),
    _named("signature", b"sig(?:nature)?", b"sig", proves=_is_signature),
    _named(
        "password",
        rb"--[a-z-]{0,24}(?:passw(?:or)?d|token|secret|key)",
        b"--",
        value=rb"\s++(" + _BARE + b")",
    ),
    Shape("bearer_token", re.compile(rb"bearer\s++([\w.~+/=-]{8,}+)"), (b"bearer",), _is_bearer, folded=True),
    *(
        Shape("basic_auth", re.compile(word + rb"\s++([0-9A-Za-z+/]{8,}+={0,2}+)"), (word,), _is_basic)
        for word in (b"Basic", b"basic", b"BASIC")
    ),
    # The part of an address before the host; with a password that should have been encoded, up to its last '@'.
    Shape("url_password", re.compile(rb"://([^\s/\"'<>`\\?#]*)@"), (b"://",)),
    Shape(
        "url_password",
        re.compile(rb"://([^\s/:\"'<>@]{0,64}+:(?![0-9]{1,5}+(?:[/?#]|$))[^\s\"'<>@]{0,256}+)@"),
        (b"://",),
    ),
    Shape(
        "private_key",
        re.compile(
            rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[^-]*+(?:-(?!----END)[^-]*+)*+(?:-----END[A-Z0-9 ]*+-*+)?"
        ),
        (b"PRIVATE KEY",),
    ),
)
"""Secrets that are known by what stands before them."""

EAGER: Final = (
    Shape(
        "bearer_token",
        re.compile(rb"\b(?:bearer|basic)\s++([^\s\"',;@]++)"),
        (b"bearer", b"basic"),
        folded=True,
    ),
    Shape("openai_key", re.compile(rb"\bsk-[\w-]{8,}+"), (b"sk-",), folded=True),
)
"""What may be a secret in a sentence about a connection, and is a word in one about anything else."""
