"""Errors outside a call: the caller's dialect on the vendors' routes, problem documents on our own."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from litestar import Request, Response
from litestar.exceptions import HTTPException

from llmgw.http.data_plane import error_headers
from llmgw.http.dialect import dialect_of
from llmgw.http.exchange import JSON, Headers, request_id
from llmgw.http.problems import PROBLEM, problem, speaks_problems
from llmgw.types.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTooLarge,
)
from llmgw.types.json import encode

_log = logging.getLogger(__name__)


class Told(NamedTuple):
    """An error as an answer."""

    status: int
    media_type: str
    headers: Headers
    body: bytes


def told(error: GatewayError, path: str, asked: Mapping[bytes, bytes], new_id: Callable[[], str]) -> Told:
    """Write an error as it is told on `path` to whoever sent the headers `asked`."""
    request = request_id(asked, new_id)
    headers = [*error_headers(error), (b"x-request-id", request.encode())]
    if speaks_problems(path):
        return Told(error.status, PROBLEM, headers, encode(problem(error)))
    wire = dialect_of(path, asked)
    headers += [(name.encode(), request.encode()) for name in wire.id_headers if name != "x-request-id"]
    return Told(wire.status_of(error), JSON, headers, wire.encode_error(error, request))


def make_error_answer(new_id: Callable[[], str]) -> Callable[[Any, Exception], Response[bytes]]:
    """Make the handler that turns whatever a route or the router raised into an answer."""

    def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        known = error if isinstance(error, GatewayError) else _translated(request, error)
        status, media_type, headers, body = told(
            known, request.url.path, dict(request.scope["headers"]), new_id
        )
        given = {name.decode(): value.decode() for name, value in headers}
        return Response(body, status_code=status, headers=given, media_type=media_type)

    return answer_error


def make_request_id_stamp(new_id: Callable[[], str]) -> Callable[[Response[Any]], Response[Any]]:
    """Make the hook that gives every answer of an ordinary route a request id."""

    def stamp(response: Response[Any]) -> Response[Any]:
        response.headers.setdefault("x-request-id", f"req_{new_id()}")
        return response

    return stamp


def _translated(request: Request[Any, Any, Any], error: Exception) -> GatewayError:
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return NotFound(f"there is no {request.url.path} here")
        if error.status_code == 405:
            refusal = MethodNotAllowed(f"{request.url.path} does not take {request.method}")
            refusal.allow = (error.headers or {}).get("allow", refusal.allow)
            return refusal
        if error.status_code == 413:
            return RequestTooLarge("the body is over the limit")
        if error.status_code < 500:
            return InvalidRequest(error.detail)
    _log.error("unhandled error in %s %s", request.method, request.url.path, exc_info=error)
    return InternalError("the gateway failed to handle this request")
