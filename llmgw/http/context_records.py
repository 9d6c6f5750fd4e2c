"""What is written down about a conversation: reports, what calls left behind, who looked at it."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.context.records import Orphan
from llmgw.http.asked import MAX_PAGE, HttpRequest, actor_of, answer, number_of
from llmgw.http.operations import telling
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.errors import InvalidRequest
from llmgw.types.links import SpanLink, place_of

Id: TypeAlias = FromPath[str]

_PAGE: Final = 100
_LATEST: Final = "latest"


def record_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    records = runtime.archive.records

    @get("/v1/contexts/{context:str}/report/{rev:str}", opt={"permission": Permission.INSPECT})
    async def report(request: HttpRequest, context: Id, rev: FromPath[str]) -> Response[bytes]:
        with telling(runtime, request, "read", context):
            found = await records.report(actor_of(request), context, _revision(rev))
        return answer(found)

    @get("/v1/contexts/{context:str}/orphans", opt={"permission": Permission.CALL})
    async def orphans(request: HttpRequest, context: Id) -> Response[bytes]:
        with telling(runtime, request, "read", context) as operation:
            found = await records.orphans(actor_of(request), context)
            operation.links = _links(found)
        return answer({"orphans": found})

    @get("/v1/contexts/{context:str}/access-log", opt={"permission": Permission.INSPECT})
    async def access_log(request: HttpRequest, context: Id) -> Response[bytes]:
        limit = number_of(request, "limit", _PAGE, least=1, most=MAX_PAGE)
        page = request.query_params.get("after")
        with telling(runtime, request, "read", context):
            entries, after = await records.access_log(actor_of(request), context, after=page, limit=limit)
        return answer({"entries": entries, "next": after})

    return [report, orphans, access_log]


def _links(found: Sequence[Orphan]) -> tuple[SpanLink, ...]:
    """The calls that left something behind, as far as it is known where they are told of."""
    places = ((each, place_of(f"{each.trace_id}-{each.span_id}")) for each in found)
    return tuple(
        SpanLink(place=place, call=each.call, reason=each.kind) for each, place in places if place is not None
    )


def _revision(written: str) -> int | None:
    if written == _LATEST:
        return None
    if not (written.isascii() and written.isdigit() and len(written) <= 16):
        raise InvalidRequest("a revision is a whole number, or latest", param="rev")
    return int(written)
