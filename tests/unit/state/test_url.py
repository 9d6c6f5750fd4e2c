"""Store URLs: what they mean, what is refused, and that no password is shown."""

import pytest
from llmgw.state.connection import State
from llmgw.state.url import StoreUrl, StoreUrlError, parse_url, redact
from llmgw.types.secret import Secret


def test_a_socket_path() -> None:
    """`unix://` takes an absolute path, percent-decoded, and a database."""
    url = parse_url("unix:///run/my%20store/valkey.sock?db=2")
    assert (url.topology, url.path, url.db, url.nodes) == ("single", "/run/my store/valkey.sock", 2, ())


def test_one_server() -> None:
    """`redis://` takes a login, a port and a database; all have defaults."""
    assert parse_url("redis://cache") == StoreUrl(
        topology="single", redacted="redis://cache", nodes=(("cache", 6379),)
    )
    url = parse_url("redis://me:p%40ss@cache:7000/3")
    assert (url.nodes, url.db, url.username, url.password) == ((("cache", 7000),), 3, "me", Secret("p@ss"))


def test_tls_and_its_files() -> None:
    """`rediss://` turns TLS on and takes a private authority; verification cannot be turned off."""
    url = parse_url("rediss://cache?ssl_ca_certs=/etc/ca.pem")
    assert (url.tls, url.tls_files) == (True, {"ssl_ca_certs": "/etc/ca.pem"})
    with pytest.raises(StoreUrlError, match="ssl_ca_certs"):
        parse_url("rediss://cache?ssl_cert_reqs=none")


def test_sentinels() -> None:
    """`redis+sentinel://` takes several hosts, the service and the database, and the Sentinels' own login."""
    url = parse_url("redis+sentinel://:p@a,b:26380,[::1]:5/main/1?sentinel_password=q")
    assert url.nodes == (("a", 26379), ("b", 26380), ("::1", 5))
    assert (url.topology, url.service, url.db) == ("sentinel", "main", 1)
    assert (url.password, url.sentinel_password) == (Secret("p"), Secret("q"))


def test_a_cluster() -> None:
    """`redis+cluster://` takes several hosts and no database."""
    url = parse_url("rediss+cluster://a:7000,b:7001")
    assert (url.topology, url.tls, url.nodes) == ("cluster", True, (("a", 7000), ("b", 7001)))


@pytest.mark.parametrize(
    "text",
    [
        "http://cache",
        "cache:6379",
        "redis://",
        "redis://a,b",
        "redis://a:port",
        "redis://a:99999",
        "redis://a/x",
        "redis://a/1/2",
        "redis://a?socket_timeout=9",
        "unix://relative/path.sock",
        "unix://",
        "redis://[::1",
        "redis+sentinel://a",
        "redis+sentinel://a/main/zero",
        "redis+cluster://a/1",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    """Every refusal names `state.url`, so that the operator knows where to look."""
    with pytest.raises(StoreUrlError, match=r"^state\.url"):
        parse_url(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://cache:7000/3", "redis://cache:7000/3"),
        ("redis://me:hunter2@cache", "redis://me:***@cache"),
        ("redis://:hunter2@cache/1", "redis://:***@cache/1"),
        ("redis://hunter2@cache", "redis://***@cache"),
        ("unix:///run/s.sock?db=1", "unix:///run/s.sock?db=1"),
        (
            "redis+sentinel://u:hunter2@a,b/main?sentinel_username=s&sentinel_password=hunter2",
            "redis+sentinel://u:***@a,b/main?sentinel_username=s&sentinel_password=***",
        ),
        ("redis://a:b@hunter2:x@cache", "redis://a:***@cache"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    """The redacted URL keeps everything but the passwords."""
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "redis://me:hunter2@cache:port",
        "redis://me:x/hunter2@cache",
        "redis://me:x?hunter2@cache",
        "redis://me:x#hunter2@cache",
        "redis://me:hunter2/x@cache",
        "redis://me:hunter2[@cache",
        "redis+cluster://me:7/hunter2@cache",
        "hunter2",
    ],
)
def test_an_error_about_a_url_does_not_show_its_password(text: str) -> None:
    """A URL that is refused is not quoted, for an unescaped password may be anywhere in it."""
    with pytest.raises(StoreUrlError) as refused:
        parse_url(text)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "redis://me:hunter2@cache",
        "rediss://me:hunter2@cache",
        "unix://me:hunter2@/run/s.sock",
        "redis+sentinel://me:hunter2@a/main?sentinel_password=hunter2",
        "redis+cluster://me:hunter2@a",
    ],
)
def test_the_connection_does_not_show_its_password(text: str) -> None:
    """Neither the printed object nor its URL holds the password, whatever the topology."""
    state = State(text)
    assert "hunter2" not in f"{state!r} {state.url}"
