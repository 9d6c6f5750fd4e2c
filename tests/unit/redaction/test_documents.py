"""What of JSON is replaced."""

import json

from hypothesis import given
from hypothesis import strategies as st
from llmgw.redaction import redact_body, redact_json
from tests.secret_samples import WHEREVER

TOKEN = WHEREVER["github_token"]
names = st.text(max_size=8) | st.just(TOKEN)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.just(TOKEN),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just(TOKEN), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_a_document_keeps_its_shape_and_loses_its_secrets(value: object) -> None:
    """In texts and in names of members; it is JSON afterwards, with as many members as before."""
    told = redact_json(value)
    assert TOKEN not in json.dumps(told, ensure_ascii=False)
    if isinstance(value, dict):
        assert isinstance(told, dict)
        assert len(told) == len(value)


def test_what_stands_under_a_name_that_says_secret_goes_whatever_it_looks_like() -> None:
    """Texts, numbers and lists of texts; the schema of a tool with such a member stays readable."""
    told = redact_json(
        {
            "db_password": "hunter2",
            "Api-Key": ["a", "b"],
            "pwd": 1234,
            "token": "Hel",
            "max_tokens": 7,
            "secret": None,
            "properties": {"password": {"type": "string", "description": "at least 8"}},
        }
    )
    assert told == {
        "db_password": "[redacted:secret]",
        "Api-Key": ["[redacted:secret]", "[redacted:secret]"],
        "pwd": "[redacted:secret]",
        "token": "[redacted:secret]",
        "max_tokens": 7,
        "secret": None,
        "properties": {"password": {"type": "string", "description": "at least 8"}},
    }


def test_words_that_are_told_as_numbers_go() -> None:
    """Tokens, bytes, a card's number; measures stay."""
    told = redact_json(
        {
            "input": [1, 2, 3, 4],
            "vector": [0.5, 1.5, 2.5, 3.5],
            "n": 3,
            "card": 4111111111111111,
            "at": 10**30,
        }
    )
    assert told == {
        "input": "[redacted:numbers]",
        "vector": [0.5, 1.5, 2.5, 3.5],
        "n": 3,
        "card": "[redacted:card_number]",
        "at": 10**30,
    }


def test_what_tells_an_answer_token_by_token_goes() -> None:
    """No pattern finds a secret in pieces."""
    told = redact_json({"logprobs": {"content": [{"token": "gh"}, {"token": "p_"}]}, "top_logprobs": 5})
    assert told == {"logprobs": "[redacted:logprobs]", "top_logprobs": 5}


def test_two_names_with_the_same_mark_both_stay() -> None:
    """No member is lost."""
    told = redact_json({TOKEN: 1, TOKEN + "x": 2})
    assert told == {"[redacted:github_token]": 1, "[redacted:github_token]#2": 2}


def test_a_body_is_read_before_it_is_looked_at() -> None:
    """Escapes hide nothing, in arguments of tools neither; what is no JSON, or too deep, is read as text."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    assert redact_body(f'{{"a":"{escaped}"}}'.encode()) == b'{"a":"[redacted:github_token]"}'
    arguments = json.dumps({"arguments": json.dumps({"password": "hunter2 and more"})}).encode()
    assert b"hunter2" not in redact_body(arguments)
    assert redact_body(b'{"a": "' + TOKEN.encode() + b"\xff") == b'{"a": "[redacted:github_token]\xef\xbf\xbd'
    deep = b"[" * 300 + f'"{TOKEN}"'.encode() + b"]" * 300
    assert b"[redacted:depth]" in redact_body(deep)
    assert TOKEN.encode() not in redact_body(b"[" * 100_000 + TOKEN.encode())
