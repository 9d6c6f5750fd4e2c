"""What of a text is replaced, and what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.redaction import hide_credentials, redact, redact_secrets
from tests.secret_samples import NAMED, PERSONAL, WHEREVER

around = st.text(st.characters(codec=None, exclude_categories=()), max_size=80) | st.lists(
    st.sampled_from(
        [*WHEREVER.values(), *"abcZ9_-./+ \n\"'\\:=@", "eyJ", "sk-", "AKIA", "password=", "-----BEGIN "]
    )
).map("".join)


@given(around, st.sampled_from(sorted(WHEREVER.items())), around)
def test_a_secret_is_gone_whatever_stands_around_it(before: str, sample: tuple[str, str], after: str) -> None:
    """Letters, signs, halves of characters, beginnings of other secrets and whole ones: none hides it."""
    _, secret = sample
    for told in (redact(before + secret + after), redact_secrets(before + secret + after)):
        assert secret not in told
        # Nor is its last half left, which is what an eager neighbour would leave.
        assert before.endswith(secret) or secret[len(secret) // 2 :] not in told or secret in before + after


@pytest.mark.parametrize("kind", sorted(WHEREVER))
def test_a_mark_tells_the_kind(kind: str) -> None:
    """Of each secret that is known by itself, and the words beside it stay."""
    assert redact(f"take {WHEREVER[kind]} please") == f"take [redacted:{kind.strip()}] please"


@pytest.mark.parametrize("text", sorted(NAMED))
def test_a_secret_is_known_by_what_stands_before_it(text: str) -> None:
    """Its name, a scheme, the rest of an address; what stands before the gap stays."""
    told = redact(text.format(NAMED[text]))
    assert NAMED[text] not in told
    assert not any(word in told for word in NAMED[text].split() if len(word) > 4)
    assert "[redacted:" in told


@pytest.mark.parametrize(("kind", "datum"), [(kind, each) for kind in PERSONAL for each in PERSONAL[kind]])
def test_personal_data_go_and_are_no_secrets(kind: str, datum: str) -> None:
    """A mark of their kind stands in their place; where only secrets are to go they stay."""
    assert redact(f"to {datum}, thanks") == f"to [redacted:{kind}], thanks"
    assert redact(f"x{datum}y") == f"x[redacted:{kind}]y" or kind in {"email", "iban"}
    assert datum not in redact(f"x{datum}y")
    assert redact_secrets(f"to {datum}, thanks") == f"to {datum}, thanks"


@pytest.mark.parametrize(
    "text",
    [
        "a basic understanding of bearer tokens",
        "risk-assessment-2026 and desk-research, max_tokens: 100",
        "llmgw_context_upstream_shortfall_ratio_bucket_seconds",
        "from 2026-11-28 01:30:59 to 2026-11-29, v1.2.3-rc1, 192.168.100.200:6379, 1764293459123456789 ns",
        "see https://example.com:8080/@jane/post?id=7#top and git@host",
        "card 4111 1111 1111 1112, iban DE89370400440532013001",
        "key: be patient; tokenizer: o200k; passwords are long; pwdx=1",
        "ghp_short hf_token npm_config_registry eyJ. AKIA sk-learn",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "550e8400-e29b-41d4-a716-446655440000",
        "short",
        "",
    ],
)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    """Words, names of metrics, dates, addresses, numbers whose check digit is wrong."""
    assert redact(text) == text


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=300))
def test_any_text_is_valid_afterwards_and_stays_as_it_is_the_second_time(text: str) -> None:
    """No character is torn, and no mark is taken for a secret."""
    once = redact(text)
    assert redact(once) == once
    assert ("[redacted:" in once) or once == text


def test_a_key_that_is_cut_off_takes_the_rest_along() -> None:
    """A private key without its end goes to the end of the text."""
    secret = WHEREVER["private_key"]
    assert redact(f"so: {secret[:80]}") == "so: [redacted:private_key]"


def test_lines_of_logs_hide_more() -> None:
    """What may be a secret in a sentence about a connection is hidden there, and stays in a conversation."""
    for text in ("Basic s3cr3t-value", "key sk-s3cr3t-value is wrong", "Bearer s3cr3t"):
        assert "s3cr3t" not in hide_credentials(text)
    assert hide_credentials("user jane@example.com") == "user jane@example.com"


@pytest.mark.parametrize(
    "piece", ["eyJ", "hf_", "://a:", 'password="', "4444 ", "-----BEGIN PRIVATE KEY", "sk-"]
)
def test_no_text_is_read_again_and_again(piece: str) -> None:
    """Half a million characters of beginnings end; with a pattern that goes back they would take hours."""
    text = piece * (500_000 // len(piece))
    assert len(redact(text)) <= 3 * len(text)
