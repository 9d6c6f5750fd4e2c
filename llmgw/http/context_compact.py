"""Summing up a conversation on request: the one route of contexts that asks a model."""

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.context.opened import Asker
from llmgw.context.storage.names import CONTEXT_ID
from llmgw.http.asked import MAX_BODY, HttpRequest, actor_of, body_of, if_match_of
from llmgw.http.contexts import described
from llmgw.http.own_calls import begun, recorded
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.call import Conflict, ContextFacts
from llmgw.types.context import ContextOptions
from llmgw.types.context_errors import ContextFenced, ContextLocked, IdempotencyInFlight, RevisionMismatch
from llmgw.types.errors import GatewayError
from llmgw.types.scalars import Seq

_ROUTE = "/v1/contexts/{context:str}/compact"
_ENDPOINT = "/v1/contexts/{id}/compact"


class CompactRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a compaction: by which alias, and how many units at the end stay as they are."""

    alias: str | None = None
    keep_last: Seq = 2


def compact_route(runtime: Runtime) -> HTTPRouteHandler:
    """Make the route."""

    @post(_ROUTE, status_code=200, request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def compact(request: HttpRequest, context: FromPath[str]) -> Response[bytes]:
        wanted = await body_of(request, CompactRequest, default=CompactRequest())
        actor = actor_of(request)
        call = begun(runtime, request, _ENDPOINT)
        facts = call.context = ContextFacts(id=context if CONTEXT_ID.fullmatch(context) else "")
        options = ContextOptions(id=context, if_match=if_match_of(request))
        asker = Asker(tenant=actor.tenant, who=actor.who, op=call.id, trace=call.place.written)
        with recorded(runtime, call):
            try:
                await runtime.generation.gateway.compact(asker, options, wanted.alias, wanted.keep_last, call)
            except GatewayError as error:
                facts.summary, facts.conflict = "failed" if call.inner else "", _conflict(error)
                raise
            facts.summary = "made"
        return described(await runtime.archive.library.info(actor, context, op=""))

    return compact


def _conflict(error: GatewayError) -> Conflict:
    match error:
        case ContextLocked() | IdempotencyInFlight():
            return "locked"
        case RevisionMismatch():
            return "mismatch"
        case ContextFenced():
            return "fenced"
        case _:
            return "none"
