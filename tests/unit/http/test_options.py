"""How callers that keep their history name their session."""

import json
from typing import Any

import pytest
from llmgw.http.options import session_of_user
from llmgw.wire import WIRES
from llmgw.wire.base import WireFormat

SESSION = "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99"


def _wire(path: str) -> WireFormat:
    return next(wire for wire in WIRES if wire.path == path)


def _named(user: Any, path: str = "/v1/messages") -> str | None:
    body = {
        "model": "m",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "x"}],
        **({"metadata": {"user_id": user}} if path == "/v1/messages" else {"user": user}),
    }
    return session_of_user(_wire(path).decode_request(json.dumps(body).encode()))


@pytest.mark.parametrize(
    "user",
    [
        f"user_{'0f' * 32}_account__session_{SESSION}",
        f"user_{'0f' * 32}_account_{SESSION[::-1]}_session_{SESSION}",
        json.dumps({"device_id": "d", "account_uuid": "", "session_id": SESSION}),
    ],
)
def test_claude_code_names_its_session_as_its_user(user: str) -> None:
    """Behind a mark, as it did at first, and as a member of JSON text, as it does since."""
    assert _named(user) == SESSION


@pytest.mark.parametrize(
    "user",
    [
        "",
        "ada",
        "user_session_",
        f"_session_{SESSION} and more",
        "{",
        "{}",
        '{"session_id": ""}',
        '{"session_id": 7}',
        '{"session_id": null}',
        json.dumps({"session_id": "s" * 257}),
        '{"a":' * 500,
    ],
)
def test_another_users_name_is_no_session(user: str) -> None:
    """Whatever stands there, it is a user's name like any other."""
    assert _named(user) is None


def test_only_the_dialect_of_claude_code_is_read_so() -> None:
    """What another dialect calls a user is one."""
    assert _named(f"user_x_session_{SESSION}", "/v1/chat/completions") is None
