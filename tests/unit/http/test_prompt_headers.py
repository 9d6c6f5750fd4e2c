"""What an answer's headers say of the prompt that served it."""

import pytest
from llmgw.http.data_plane import error_headers
from llmgw.http.prompt_headers import prompt_headers, successor_url
from llmgw.types.prompt_errors import PromptRetired
from tests.traced_calls import prompted


def test_the_version_and_during_a_rollout_the_arm() -> None:
    """No more is said of a version that is not about to go."""
    assert prompt_headers(prompted()) == [
        (b"x-llmgw-prompt", b"support/triage@7"),
        (b"x-llmgw-prompt-arm", b"candidate"),
    ]
    assert prompt_headers(prompted(arm=None)) == [(b"x-llmgw-prompt", b"support/triage@7")]


def test_the_end_of_a_version_is_announced_as_the_standards_write_it() -> None:
    """RFC 9745, RFC 8594 and RFC 5829."""
    facts = prompted(
        arm=None, deprecated_ms=1_796_083_200_999, sunset_ms=1_798_761_600_000, successor="support/triage@8"
    )
    assert dict(prompt_headers(facts)) == {
        b"x-llmgw-prompt": b"support/triage@7",
        b"deprecation": b"@1796083200",
        b"sunset": b"Fri, 01 Jan 2027 00:00:00 GMT",
        b"link": b'</v1/prompts/support/triage/completions>; rel="successor-version"',
    }


@pytest.mark.parametrize(
    ("successor", "url"),
    [
        ("triage", "/v1/prompts/triage/completions"),
        ("a/b@8", "/v1/prompts/a/b/completions"),
        ("/v1/apis/sort/v2", "/v1/apis/sort/v2"),
        ("https://example.org/new", "https://example.org/new"),
        ('/x>; rel="evil"\r\nx: y', "/x%3E;%20rel=%22evil%22%0D%0Ax:%20y"),
    ],
)
def test_a_successor_is_an_address_and_nothing_else(successor: str, url: str) -> None:
    """What publishers write cannot end the link or the header."""
    assert successor_url(successor) == url


def test_a_retired_version_links_to_its_successor() -> None:
    """On the error."""
    headers = dict(error_headers(PromptRetired("gone", successor="/v1/apis/sort/v2")))
    assert headers[b"link"] == b'</v1/apis/sort/v2>; rel="successor-version"'
    assert b"link" not in dict(error_headers(PromptRetired("gone")))
