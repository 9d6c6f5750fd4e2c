"""Every way in which a connection fails has a name of ours."""

import errno
import socket
import ssl

import pytest
from llmgw.types.errors import (
    GatewayError,
    InternalError,
    Overloaded,
    ProviderBadResponse,
    ProviderTlsError,
    ProviderTooLarge,
    ProviderUnreachable,
    StreamInterrupted,
)
from llmgw.types.target import Endpoint, Target
from llmgw.upstream.connection import HeadTooLarge, Lost, Malformed
from llmgw.upstream.failures import before_head, in_body, means_stale

SECRET = "a-key-in-a-query"
TARGET = Target(
    name="acme/m",
    provider="acme",
    kind="k",
    protocol="p",
    model="m",
    endpoint=Endpoint(base_url=f"http://user:{SECRET}@10.0.0.1/v1?key={SECRET}"),
    features=frozenset(),
)
NAMED: list[tuple[Exception, type[GatewayError]]] = [
    (Lost(None, begun=False), ProviderUnreachable),
    (
        Lost(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), begun=True),
        ProviderUnreachable,
    ),
    (Malformed(SECRET), ProviderBadResponse),
    (HeadTooLarge(SECRET), ProviderTooLarge),
    (OSError(errno.ECONNREFUSED, "Connection refused"), ProviderUnreachable),
    (OSError(SECRET), ProviderUnreachable),
    (TimeoutError(), ProviderUnreachable),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), ProviderUnreachable),
    (socket.gaierror(socket.EAI_NONAME, SECRET), ProviderUnreachable),
    (ssl.SSLError(1, "bad"), ProviderTlsError),
    (ssl.SSLCertVerificationError(1, "bad"), ProviderTlsError),
    (UnicodeError(SECRET), InternalError),
]


@pytest.mark.parametrize(("error", "name"), NAMED)
def test_each_has_its_name_and_tells_no_secret(error: Exception, name: type[GatewayError]) -> None:
    """An error becomes exactly one of ours; its message names the provider and repeats nothing of others."""
    told = before_head(error, TARGET)
    assert type(told) is name
    assert "acme" in told.message
    assert SECRET not in told.message
    cut = in_body(error, TARGET)
    assert type(cut) is StreamInterrupted
    assert SECRET not in cut.message


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_this_machine_lacks_is_no_fault_of_the_provider(number: int) -> None:
    """Being out of descriptors or memory is `Overloaded`."""
    assert type(before_head(OSError(number, "nothing left"), TARGET)) is Overloaded


def test_the_system_says_why() -> None:
    """What an operating system says of an error is told; that of a certificate, too."""
    refused = before_head(OSError(errno.ECONNREFUSED, "Connection refused"), TARGET)
    assert refused.message.endswith("Connection refused")
    reset = Lost(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), begun=False)
    assert in_body(reset, TARGET).message.endswith("Connection reset by peer")


def test_which_errors_mean_a_stale_connection() -> None:
    """A loss before any byte of an answer does; one after it, and whatever else goes wrong, does not."""
    assert means_stale(Lost(None, begun=False))
    assert means_stale(Lost(ConnectionResetError(), begun=False))
    for other in (
        Lost(None, begun=True),
        Malformed(),
        HeadTooLarge(),
        ConnectionRefusedError(),
        ValueError(),
    ):
        assert not means_stale(other)
