"""Errors outside a call: the caller's dialect on the vendors' routes, problem documents on our own."""

import logging
from collections.abc import Callable
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from llmgw.http.data_plane import error_headers
from llmgw.http.dialect import dialect_of
from llmgw.http.exchange import request_id
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


def make_error_answer(new_id: Callable[[], str]) -> Callable[[Any, Exception], Response[bytes]]:
    """Make the handler that turns whatever a route or the router raised into an answer."""

    def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        known = error if isinstance(error, GatewayError) else _translated(request, error)
        headers = {name.decode(): value.decode() for name, value in error_headers(known)}
        asked = dict(request.scope["headers"])
        headers["x-request-id"] = request_id(asked, new_id)
        if speaks_problems(request.url.path):
            return Response(
                encode(problem(known)), status_code=known.status, headers=headers, media_type=PROBLEM
            )
        wire = dialect_of(request.url.path, asked)
        body = wire.encode_error(known, headers["x-request-id"])
        headers |= dict.fromkeys(wire.id_headers, headers["x-request-id"])
        return Response(body, status_code=wire.status_of(known), headers=headers, media_type=MediaType.JSON)

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
