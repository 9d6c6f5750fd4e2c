"""What becomes of a conversation: forked, merged, summed up, proven, redacted."""

from typing import Literal, TypeAlias

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.http.asked import MAX_BODY, HttpRequest, actor_of, answer, body_of
from llmgw.http.context_compact import compact_route
from llmgw.http.contexts import described
from llmgw.http.operations import examined, left, telling
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.scalars import ContextId, Seq

Id: TypeAlias = FromPath[str]


class ForkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a fork: before which turn, by default at the end, and what it is to be called."""

    at_seq: Seq | None = None
    id: str | None = None


class MergeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a merge: whose turns are taken in."""

    source: ContextId
    strategy: Literal["fast_forward", "append"] = "append"


class RedactRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a redaction: the numbers of the turns."""

    turns: tuple[Seq, ...]


def branch_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    archive = runtime.archive

    @post(
        "/v1/contexts/{context:str}/fork", request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL}
    )
    async def fork(request: HttpRequest, context: Id) -> Response[bytes]:
        wanted = await body_of(request, ForkRequest, default=ForkRequest())
        actor = actor_of(request)
        with telling(runtime, request, "fork", context) as operation:
            info = await archive.branches.fork(actor, context, at=wanted.at_seq, child=wanted.id)
            left(operation, info)
            operation.forked_from = context
        return described(info, 201, location=f"/v1/contexts/{info.id}")

    @post(
        "/v1/contexts/{context:str}/merge",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.CALL},
    )
    async def merge(request: HttpRequest, context: Id) -> Response[bytes]:
        wanted = await body_of(request, MergeRequest)
        actor, op = actor_of(request), f"op_{runtime.new_id()}"
        with telling(runtime, request, "merge", context) as operation:
            info = left(
                operation,
                await archive.branches.merge(actor, context, wanted.source, wanted.strategy, op),
            )
        return described(info)

    @post(
        "/v1/contexts/{context:str}/verify",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.CALL},
    )
    async def verify(request: HttpRequest, context: Id) -> Response[bytes]:
        with telling(runtime, request, "verify", context) as operation:
            found = await archive.library.verify(actor_of(request), context)
            examined(operation, found)
        return answer(found)

    @post(
        "/v1/contexts/{context:str}/redact",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.CALL},
    )
    async def redact(request: HttpRequest, context: Id) -> Response[bytes]:
        wanted = await body_of(request, RedactRequest)
        with telling(runtime, request, "redact", context) as operation:
            info = left(operation, await archive.library.redact(actor_of(request), context, wanted.turns))
            operation.turns = len(set(wanted.turns))
        return described(info)

    return [fork, merge, verify, redact, compact_route(runtime)]
