"""Where URLs lead, and what is asked for there."""

import pytest
from llmgw.providers.base import UpstreamRequest
from llmgw.upstream.address import Origin, origin_of, target_of
from llmgw.upstream.request import head_of


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("https://api.example.com/v1", Origin("https", "api.example.com", 443), "api.example.com"),
        ("https://API.example.com:443/", Origin("https", "api.example.com", 443), "api.example.com"),
        ("http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://[::1]:80/x", Origin("http", "::1", 80), "[::1]"),
        ("http://[::1]:81/x", Origin("http", "::1", 81), "[::1]:81"),
        ("https://bücher.example/", Origin("https", "xn--bcher-kva.example", 443), "xn--bcher-kva.example"),
        ("http://user:secret@host.example:1/", Origin("http", "host.example", 1), "host.example:1"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: Origin, authority: str) -> None:
    """Case, default ports and what stands before an @ make no difference; names become ASCII."""
    assert origin_of(url) == origin
    assert origin.authority == authority


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "//host", "ftp://host/", "http://", "http:///x", "http://2130706433/", "http://127.1/",
     "http://host:99999/", "http://host:x/", "http://[::1/", "http://" + "a" * 70 + "é.example/"],
)  # fmt: skip
def test_what_leads_nowhere_is_refused(url: str) -> None:
    """Other schemes, no host, bad ports, and numbers that only some resolvers take for addresses."""
    with pytest.raises(ValueError):
        origin_of(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", "/"),
        ("http://h?a=b", "/?a=b"),
        ("http://h/v1/models/a%2Fb:c?key=%20x", "/v1/models/a%2Fb:c?key=%20x"),
        ("http://h/a#part", "/a"),
        ("http://h/a?b=http://c/d", "/a?b=http://c/d"),
    ],
)
def test_path_and_query_stay_as_they_are_written(url: str, target: str) -> None:
    """Nothing is quoted, unquoted or put in another order; a fragment is not sent."""
    assert target_of(url) == target


@pytest.mark.parametrize("url", ["http://h/a b", "http://h/a\r\nX: y", "http://h/\x7f", "http://h/é"])
def test_a_url_that_would_end_its_line_is_not_sent(url: str) -> None:
    """Spaces, line breaks, controls and anything beyond ASCII cannot stand in a request line."""
    with pytest.raises(ValueError):
        target_of(url)


def request(*headers: tuple[str, str], method: str = "POST") -> UpstreamRequest:
    """A request with these headers."""
    return UpstreamRequest(method=method, url="http://h/x", headers=headers, body=b"", framing="whole")


def test_what_a_request_says_itself_is_said_once() -> None:
    """An `Accept` of the provider's takes the place of ours, whatever its case."""
    head = head_of(request(("ACCEPT", "text/event-stream")), last=False)
    assert head.lower().count(b"accept:") == 1
    assert b"ACCEPT: text/event-stream\r\n" in head


def test_a_get_has_no_length_and_a_post_always_has_one() -> None:
    """An empty POST says that it is empty."""
    assert b"Content-Length" not in head_of(request(method="GET"), last=False)
    assert b"Content-Length: 0\r\n" in head_of(request(), last=False)


@pytest.mark.parametrize(
    "header",
    [("a b", "c"), ("", "c"), ("a:", "c"), ("a\r\nb", "c"), ("a", "c\rd"), ("a", "\x7f"), ("ä", "c")],
)
def test_a_header_that_would_be_another_is_refused(header: tuple[str, str]) -> None:
    """Names are tokens, values hold no control but the tab."""
    with pytest.raises(ValueError):
        head_of(request(header), last=False)
    assert b"a: b\tc" in head_of(request(("a", "b\tc")), last=False)
