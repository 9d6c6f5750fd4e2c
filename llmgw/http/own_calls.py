"""Calls that routes of our own make of models: begun and told of as those of the data plane are."""

from collections.abc import Iterator
from contextlib import contextmanager

from llmgw.http.asked import HttpRequest, caller_of
from llmgw.http.exchange import request_id
from llmgw.http.runtime import Runtime
from llmgw.types.call import Call
from llmgw.types.errors import ClientGone, GatewayError, InternalError


def request_id_of(request: HttpRequest, runtime: Runtime) -> str:
    """The request's own id where it has a fit one, else a new one each time."""
    return request_id(dict(request.scope["headers"]), runtime.new_id)


def begun(runtime: Runtime, request: HttpRequest, endpoint: str, *, named: str | None = None) -> Call:
    """Begin the call of a request to `endpoint`; `named` is the request's id where it is known already."""
    call = runtime.recorder.begin(
        request_id=named or request_id_of(request, runtime),
        call_id=f"call_{runtime.new_id()}",
        endpoint=endpoint,
        traceparent=request.headers.get("traceparent"),
        tracestate=request.headers.get("tracestate"),
    )
    runtime.recorder.admit(call, caller_of(request), request.url.path)
    return call


@contextmanager
def recorded(runtime: Runtime, call: Call) -> Iterator[None]:
    """Tell telemetry of a call when the block is over, however it ends; without an error it was answered."""
    try:
        yield
        call.status = 200
    except GatewayError as error:
        call.status, call.error, call.error_message = error.status, error.code, error.message
        raise
    except Exception:
        call.status, call.error = InternalError.status, InternalError.code
        raise
    except BaseException:
        call.status, call.error = ClientGone.status, ClientGone.code
        raise
    finally:
        call.ended_ns = runtime.clock.monotonic_ns()
        runtime.recorder.record(call)
