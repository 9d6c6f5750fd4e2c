"""Conversations on their way to another gateway, and from one."""

from collections.abc import AsyncIterator
from typing import TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from llmgw.http.asked import HttpRequest, actor_of, require_json
from llmgw.http.contexts import described
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime

Id: TypeAlias = FromPath[str]

NDJSON = "application/x-ndjson"


def transfer_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    transfer = runtime.archive.transfer
    most = runtime.limits.max_body

    @get("/v1/contexts/{context:str}/export", opt={"permission": Permission.CALL})
    async def export(request: HttpRequest, context: Id) -> Stream:
        lines = transfer.export(actor_of(request), context)
        # What cannot be exported is told before the status is: the first line takes all that may fail.
        first = await anext(lines)

        async def written() -> AsyncIterator[bytes]:
            yield first
            async for line in lines:
                yield line

        name = f'attachment; filename="{context}.ndjson"'
        return Stream(written(), media_type=NDJSON, headers={"content-disposition": name})

    @post("/v1/contexts/import", request_max_body_size=most, opt={"permission": Permission.CALL})
    async def take_over(request: HttpRequest) -> Response[bytes]:
        require_json(request, NDJSON, "application/ndjson", "application/jsonl")
        info = await transfer.take_over(
            actor_of(request),
            await request.body(),
            name=request.query_params.get("id"),
            op=f"op_{runtime.new_id()}",
        )
        return described(info, 201, location=f"/v1/contexts/{info.id}")

    return [export, take_over]
