"""Every error aiohttp knows has a name of ours."""

import errno
import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from llmgw.types.errors import (
    GatewayError,
    InternalError,
    Overloaded,
    ProviderBadResponse,
    ProviderTimeout,
    ProviderTlsError,
    ProviderTooLarge,
    ProviderUnreachable,
    StreamInterrupted,
)
from llmgw.types.target import Endpoint, Target
from llmgw.upstream.failures import before_head, in_body, means_stale
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

SECRET = "a-key-in-a-query"
_URL = URL(f"http://user:{SECRET}@10.0.0.1/v1?key={SECRET}")
TARGET = Target(
    name="acme/m",
    provider="acme",
    kind="k",
    protocol="p",
    model="m",
    endpoint=Endpoint(base_url=str(_URL)),
    features=frozenset(),
)
_KEY = ConnectionKey("10.0.0.1", 80, False, True, None, None, None)
_INFO = aiohttp.RequestInfo(_URL, "POST", CIMultiDictProxy(CIMultiDict({"authorization": SECRET})), _URL)

_REFUSED = OSError(errno.ECONNREFUSED, "Connection refused")
_PAIRS: list[tuple[Exception, type[GatewayError]]] = [
    (aiohttp.ClientError(SECRET), ProviderBadResponse),
    (aiohttp.ClientConnectionError(SECRET), ProviderUnreachable),
    (aiohttp.ClientConnectionResetError(SECRET), ProviderUnreachable),
    (aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"), ProviderUnreachable),
    (aiohttp.ClientConnectorError(_KEY, _REFUSED), ProviderUnreachable),
    (aiohttp.ClientConnectorDNSError(_KEY, OSError(None, "Domain name not found")), ProviderUnreachable),
    (aiohttp.ClientProxyConnectionError(_KEY, _REFUSED), ProviderUnreachable),
    (UnixClientConnectorError("/run/x", _KEY, _REFUSED), ProviderUnreachable),
    (aiohttp.ClientSSLError(_KEY, ssl.SSLError(1, "bad")), ProviderTlsError),
    (aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "bad")), ProviderTlsError),
    (aiohttp.ClientConnectorCertificateError(_KEY, ssl.CertificateError("bad")), ProviderTlsError),
    (aiohttp.ServerConnectionError(), ProviderUnreachable),
    (aiohttp.ServerDisconnectedError(), ProviderUnreachable),
    (aiohttp.ServerTimeoutError(), ProviderTimeout),
    (aiohttp.ConnectionTimeoutError(SECRET), ProviderUnreachable),
    (aiohttp.SocketTimeoutError(), ProviderTimeout),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1), ProviderTlsError),
    (aiohttp.ClientResponseError(_INFO, ()), ProviderBadResponse),
    (aiohttp.ContentTypeError(_INFO, ()), ProviderBadResponse),
    (aiohttp.TooManyRedirects(_INFO, ()), ProviderBadResponse),
    (aiohttp.WSServerHandshakeError(_INFO, ()), ProviderBadResponse),
    (aiohttp.ClientHttpProxyError(_INFO, ()), ProviderBadResponse),
    (aiohttp.ClientPayloadError(SECRET), StreamInterrupted),
    (aiohttp.InvalidURL(_URL), ProviderUnreachable),
    (aiohttp.InvalidUrlClientError(_URL), ProviderUnreachable),
    (aiohttp.RedirectClientError(SECRET), ProviderUnreachable),
    (aiohttp.NonHttpUrlClientError(SECRET), ProviderUnreachable),
    (aiohttp.InvalidUrlRedirectClientError(_URL), ProviderUnreachable),
    (aiohttp.NonHttpUrlRedirectClientError(SECRET), ProviderUnreachable),
]
NAMED = {type(error): (error, name) for error, name in _PAIRS}
_OPTIONAL = {"UploadAbortedError": ProviderUnreachable}


def _descendants(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def test_every_client_error_is_listed() -> None:
    """A new error of aiohttp fails this test until somebody says what it means here."""
    known = {kind.__name__ for kind in NAMED} | set(_OPTIONAL)
    theirs = {
        kind.__name__ for kind in _descendants(aiohttp.ClientError) if kind.__module__.startswith("aiohttp")
    }
    assert theirs <= known


@pytest.mark.parametrize(("error", "name"), NAMED.values(), ids=[kind.__name__ for kind in NAMED])
def test_each_has_its_name_and_tells_no_secret(error: Exception, name: type[GatewayError]) -> None:
    """An error becomes exactly one of ours; its message names the provider and repeats no URL."""
    told = before_head(error, TARGET)
    assert type(told) is name
    assert told.message.startswith("acme")
    assert SECRET not in told.message
    cut = in_body(error, TARGET)
    assert type(cut) is StreamInterrupted
    assert SECRET not in cut.message


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_this_machine_lacks_is_no_fault_of_the_provider(number: int) -> None:
    """Being out of descriptors or memory is `Overloaded`, raw or wrapped by aiohttp."""
    lack = OSError(number, "nothing left")
    assert type(before_head(lack, TARGET)) is Overloaded
    assert type(before_head(aiohttp.ClientConnectorError(_KEY, lack), TARGET)) is Overloaded


def test_errors_that_are_not_aiohttps_own() -> None:
    """Parser, TLS, operating system and value errors have names as well."""
    assert type(before_head(BadHttpMessage("x"), TARGET)) is ProviderBadResponse
    assert type(before_head(HttpProcessingError(), TARGET)) is ProviderBadResponse
    assert type(before_head(LineTooLong(b"x", 1), TARGET)) is ProviderTooLarge
    assert type(before_head(ssl.SSLError(1, "bad"), TARGET)) is ProviderTlsError
    assert type(before_head(ConnectionResetError(errno.ECONNRESET, "reset"), TARGET)) is ProviderUnreachable
    assert type(before_head(TimeoutError(errno.ETIMEDOUT, "timed out"), TARGET)) is ProviderUnreachable
    assert type(before_head(ValueError(SECRET), TARGET)) is InternalError


def test_which_errors_mean_a_stale_connection() -> None:
    """A loss of a kept connection does, unless an answer had begun; failing to connect or waiting does not."""
    for error in (
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "x"),
        aiohttp.ClientConnectionError(),
    ):
        assert means_stale(error)
    begun = aiohttp.ServerDisconnectedError()
    begun.message = ("HTTP/1.1", 200)  # type: ignore[assignment]
    for other in (
        begun,
        aiohttp.ClientConnectorError(_KEY, _REFUSED),
        aiohttp.SocketTimeoutError(),
        ValueError(),
    ):
        assert not means_stale(other)
