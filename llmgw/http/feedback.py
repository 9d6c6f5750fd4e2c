"""What callers think of answers they got: `POST /v1/feedback`."""

from typing import Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from llmgw.gateway.feedback import Feedbacks, Given
from llmgw.http.asked import HttpRequest, answer, caller_of, read, require_json, trace_of
from llmgw.http.options import idempotency_of
from llmgw.http.permissions import Permission
from llmgw.telemetry.recorder import Recorder
from llmgw.types.clock import Clock

MAX_BODY: Final = 16 * 1024


def feedback_routes(feedbacks: Feedbacks, recorder: Recorder, clock: Clock) -> list[HTTPRouteHandler]:
    """Make the route; another tenant's calls are not there."""

    @post("/v1/feedback", request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def feedback(request: HttpRequest) -> Response[bytes]:
        began = clock.unix_ns()
        require_json(request)
        body = await request.body()
        given = read(body, Given)
        key = request.headers.get("idempotency-key")
        idempotency = idempotency_of(key, request.url.path, body)
        event, new = await feedbacks.give(caller_of(request), given, idempotency)
        if new:
            recorder.feedback(event, began, trace_of(request))
        told = {"id": event.id, "call_id": event.call, "name": event.name, "at_ms": event.ended_us // 1000}
        if event.comment != given.comment:
            told["comment"] = "redacted" if event.comment else "dropped"
        return answer(told, 201, **({} if new else {"x_llmgw_replayed": "true"}))

    return [feedback]
