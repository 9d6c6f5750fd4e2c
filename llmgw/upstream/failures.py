"""What can go wrong with a connection, in our words.

Texts of others quote addresses, and those may hold a key. None of them is repeated here, and callers raise the
result `from None`, so that no traceback carries them either.
"""

import errno
import socket
import ssl
from typing import Final

from llmgw.types.errors import (
    DeadlineExceeded,
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
from llmgw.types.target import Target
from llmgw.upstream.connection import HeadTooLarge, Lost, Malformed

_STARVED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def before_head(error: Exception, target: Target) -> GatewayError:
    """Name a failure that came before the head of an answer."""
    who = target.provider
    match error:
        case Lost():
            return ProviderUnreachable(
                f"{who}: the connection was lost before an answer: {_reason(error.error)}"
            )
        case HeadTooLarge():
            return ProviderTooLarge(f"{who}: the head of the answer is over its limits")
        case Malformed():
            return ProviderBadResponse(f"{who}: the answer is not HTTP")
        case ValueError() if not isinstance(error, OSError):
            return InternalError(f"a request to {target.name} cannot be written: {type(error).__name__}")
        case _:
            return no_connection(error, target)


def no_connection(error: Exception, target: Target) -> GatewayError:
    """Name a failure to make a connection."""
    who = target.provider
    match error:
        case ssl.SSLError():
            return ProviderTlsError(f"{who}: no safe connection: {_reason(error)}")
        case TimeoutError(errno=None):
            return ProviderUnreachable(f"{who}: no connection within {target.timeouts.connect_s:g} s")
        case socket.gaierror():
            return ProviderUnreachable(f"{who}: the host name does not resolve")
        case OSError(errno=number) if number in _STARVED:
            return Overloaded(f"no resources for another connection: {_reason(error)}", retry_after_s=1.0)
        case _:
            return ProviderUnreachable(f"{who}: no connection: {_reason(error)}")


def nowhere(target: Target) -> GatewayError:
    """The target's base_url leads nowhere."""
    return ProviderUnreachable(f"{target.provider}: its base_url cannot be used")


def in_body(error: Exception, target: Target) -> GatewayError:
    """Name a failure that came after the head: the answer is cut, whatever cut it."""
    cause = error.error if isinstance(error, Lost) else error
    return StreamInterrupted(f"{target.provider}: the answer was cut: {_reason(cause)}")


def means_stale(error: Exception) -> bool:
    """Whether an error on a kept connection, before the head, says that the server had closed it."""
    return isinstance(error, Lost) and not error.begun


def first_byte_late(target: Target) -> GatewayError:
    """The first-byte clock ran out."""
    return ProviderTimeout(f"{target.provider}: no answer within {target.timeouts.first_byte_s:g} s")


def idle_long(target: Target) -> GatewayError:
    """The idle clock ran out."""
    return ProviderTimeout(f"{target.provider}: silent for {target.timeouts.idle_s:g} s in its answer")


def total_over(target: Target) -> GatewayError:
    """The total clock ran out."""
    return DeadlineExceeded(f"the time of the call was over while {target.provider} answered")


def _reason(error: Exception | None) -> str:
    """Say what an operating system or TLS error says of itself, and no more."""
    match error:
        case socket.gaierror():
            return "the host name does not resolve"
        case ssl.SSLCertVerificationError(verify_message=str(message)):
            return message
        case ssl.SSLError(reason=str(reason)):
            return reason.replace("_", " ").lower()
        case OSError(errno=int(), strerror=str(text)):
            return text
        case _:
            return "the connection broke"
