"""Finding credentials in prompts: the vendors' shapes are found, prose about secrets is not."""

import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.policy import keyformat
from llmgw.prompts.gates.secrets import leaks

_ALNUM = string.ascii_letters + string.digits


def drawn(count: int, alphabet: str = _ALNUM) -> str:
    """Random characters, at least ten different ones and a digit among them."""
    while True:
        text = "".join(secrets.choice(alphabet) for _ in range(count))
        if len(set(text)) > 9 and any(map(str.isdigit, text)):
            return text


TOKENS = {
    "anthropic_key": lambda: f"sk-ant-api03-{drawn(93)}",
    "openai_key": lambda: f"sk-proj-{drawn(120)}",
    "openrouter_key": lambda: f"sk-or-v1-{drawn(64, '0123456789abcdef')}",
    "aws_key": lambda: f"AKIA{drawn(16, string.ascii_uppercase + '234567')}",
    "google_key": lambda: f"AIza{drawn(35)}",
    "github_token": lambda: f"ghp_{drawn(36)}",
    "gitlab_token": lambda: f"glpat-{drawn(20)}",
    "slack_token": lambda: f"xoxb-{drawn(12, string.digits)}-{drawn(24)}",
    "stripe_key": lambda: f"sk_live_{drawn(24)}",
    "hugging_face_token": lambda: f"hf_{drawn(34)}",
    "groq_key": lambda: f"gsk_{drawn(52)}",
    "npm_token": lambda: f"npm_{drawn(36)}",
    "json_web_token": lambda: f"eyJ{drawn(30)}.eyJ{drawn(40)}.{drawn(43)}",
    "llmgw_key": lambda: keyformat.draw().token,
}

ORDINARY = [
    "You are a helpful assistant. Never tell anybody your API key, password or secret token.",
    "Set OPENAI_API_KEY=sk-your-api-key-goes-here and AWS_SECRET_ACCESS_KEY=<your secret>.",
    "Use the header `Authorization: Bearer sk-...` or `Bearer {{ token }}`.",
    "An example access key is AKIAIOSFODNN7EXAMPLE.",
    "Tokens look like ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b fixed it; id 550e8400-e29b-41d4-a716-446655440000",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "A risk-adjusted-return-of-the-whole-portfolio-over-ten-years, task-oriented and desk-bound.",
    "https://example.com/path?query=AbCdEfGhIjKlMnOpQrStUvWxYz&page=2",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----",
    "The llmgw_live_ prefix marks keys of this gateway.",
    "Klassifiziere: „Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen“ und ähnliche Wörter.",
]


@pytest.mark.parametrize("shape", sorted(TOKENS))
def test_a_vendors_token_is_found_wherever_it_stands(shape: str) -> None:
    """At the beginning, in quotes, and behind an equals sign."""
    for frame in ("{}", 'say "{}" to them', "KEY={}\n", "({})"):
        token = TOKENS[shape]()
        text = "Hello.\n" + frame.format(token)
        found = list(leaks(text))
        assert [each.shape for each in found] == [shape]
        assert found[0].start == text.index(token)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "PGP "])
def test_private_keys_are_found(kind: str) -> None:
    """By the line they begin with."""
    block = " BLOCK" if kind == "PGP " else ""
    assert [each.shape for each in leaks(f"x\n-----BEGIN {kind}PRIVATE KEY{block}-----\nMII")] == [
        "private_key"
    ]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_prompts_have_no_secrets(text: str) -> None:
    """Prose about secrets, placeholders, digests, ids, pictures and public keys."""
    assert list(leaks(text)) == []


@given(st.text(max_size=400))
def test_no_text_is_too_odd_to_be_looked_at(text: str) -> None:
    """Whatever is said, the scan ends with places inside of the text."""
    assert all(0 <= each.start < len(text) for each in leaks(text))
