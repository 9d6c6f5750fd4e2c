"""How errors look in OpenAI's dialect: `{"error": {message, type, param, code}}`.

The `type` words are those OpenAI sends: `invalid_request_error` for all that the caller can mend (a bad key
too), `insufficient_quota`, and `server_error` (https://platform.openai.com/docs/guides/error-codes). Its 429 names
the limit that was hit (`tokens`, `requests`); which one it was is not always known here, hence `rate_limit_error`.
"""

from typing import Final

from llmgw.types import json
from llmgw.types.errors import (
    GatewayError,
    ProviderAuth,
    ProviderQuotaExhausted,
    ProviderRefused,
    RequestError,
)
from llmgw.types.limit_errors import BudgetExceeded, LimitExceeded
from llmgw.types.message import Details

PING: Final = b": ping\n\n"
"""A comment, as the dialect has no event for it."""

_ANTHROPICS: Final = frozenset(
    {
        "invalid_request_error",
        "billing_error",
        "not_found_error",
        "request_too_large",
        "rate_limit_error",
        "api_error",
        "timeout_error",
        "overloaded_error",
    }
)
"""Anthropic's words for errors; Google's are told by their capitals (`RESOURCE_EXHAUSTED`)."""

_SERVER: Final = "server_error"


def error_body(error: GatewayError) -> Details:
    """Dress an error; a code of the provider's wins over ours, for callers look for the ones they know.

    Not so the words of other vendors, which they do not know, and those for a bad key: a refused credential of
    the operator's must not read like the caller's own.
    """
    code = error.upstream_code
    if not code or code in _ANTHROPICS or code.isupper() or isinstance(error, ProviderAuth):
        code = error.code
    body: Details = {"message": error.message, "type": _type(error), "param": error.param, "code": code}
    if error.violations:
        body["violations"] = error.violations
    return {"error": body}


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """Write an error as a response body; a fault of ours tells what to quote when reporting it."""
    body = error_body(error)
    if error.status == 500:
        body["error"]["message"] = f"{error.message} (request {request_id})"
    return json.encode(body)


def _type(error: GatewayError) -> str:
    if isinstance(error, BudgetExceeded | ProviderQuotaExhausted):
        return "insufficient_quota"
    if isinstance(error, LimitExceeded):
        return "rate_limit_error"
    if isinstance(error, RequestError | ProviderRefused):
        return "invalid_request_error"
    return "rate_limit_error" if error.status == 429 else _SERVER
