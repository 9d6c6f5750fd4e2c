"""How errors look in Anthropic's dialect: `{"type": "error", "error": {type, message, details}, "request_id"}`.

The `type` words stand for HTTP statuses (https://platform.claude.com/docs/en/api/errors). What exactly went wrong
is in `details.error_code`, by which the vendor's SDKs choose exceptions: a code the provider gave, else ours.
"""

from typing import Final

from llmgw.types import json
from llmgw.types.errors import (
    GatewayError,
    ProviderOverloaded,
    ProviderQuotaExhausted,
    ProviderRefused,
    UnsupportedParameter,
)
from llmgw.types.limit_errors import BudgetExceeded
from llmgw.types.message import Details
from llmgw.wire.anthropic.request import THREAD

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'

OVERLOADED: Final = 529
"""The dialect's status for a model that has no capacity."""

NO_THREADS: Final = "thread_unsupported_request"
"""The code at which the SDKs send the whole conversation again, without a thread."""

_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}
"""The vendor has no word for 503; what clients do at `overloaded_error`, to come back later, is right for it."""


def error_body(error: GatewayError) -> Details:
    """Dress an error."""
    kind = _kind(error)
    code = error.code
    if isinstance(error, UnsupportedParameter) and error.param == THREAD:
        code = NO_THREADS
    elif isinstance(error, ProviderRefused) and error.upstream_code not in {None, kind}:
        code = error.upstream_code or code
    details: Details = {"error_code": code}
    if error.violations:
        details["violations"] = error.violations
    return {"type": "error", "error": {"type": kind, "message": error.message, "details": details}}


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """Write an error as a response body."""
    return json.encode({**error_body(error), "request_id": request_id or None})


def status_of(error: GatewayError) -> int:
    """The HTTP status for an error: its own, but for a provider that said it has no capacity with 529."""
    if isinstance(error, ProviderOverloaded) and error.upstream_status == OVERLOADED:
        return OVERLOADED
    return error.status


def _kind(error: GatewayError) -> str:
    if isinstance(error, BudgetExceeded | ProviderQuotaExhausted):
        # Not the caller's rate, for which it could wait.
        return "billing_error"
    status = status_of(error)
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
