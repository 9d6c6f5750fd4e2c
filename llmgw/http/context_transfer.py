"""Conversations on their way to another gateway, and from one."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from llmgw.http.asked import HttpRequest, actor_of, require_json
from llmgw.http.contexts import described
from llmgw.http.operations import left, telling
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
        actor = actor_of(request)

        async def told() -> AsyncGenerator[bytes, None]:
            with telling(runtime, request, "export", context):
                async with aclosing(transfer.export(actor, context)) as lines:
                    async for line in lines:
                        yield line

        lines = told()
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
        document, name = await request.body(), request.query_params.get("id")
        actor, op = actor_of(request), f"op_{runtime.new_id()}"
        with telling(runtime, request, "import", name or "") as operation:
            info = left(operation, await transfer.take_over(actor, document, name=name, op=op))
        return described(info, 201, location=f"/v1/contexts/{info.id}")

    return [export, take_over]
