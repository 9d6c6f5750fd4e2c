"""All prompts of a tenant on their way to another gateway, and from one: `/admin/v1/prompt-archive`."""

from collections.abc import AsyncIterator
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from llmgw.http.asked import HttpRequest, caller_of, require_json
from llmgw.http.context_transfer import NDJSON
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import Desk, done
from llmgw.http.runtime import Runtime

ARCHIVE: Final = "/admin/v1/prompt-archive"


def archive_routes(runtime: Runtime, desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @get(ARCHIVE, opt={"permission": Permission.VIEW})
    async def export(request: HttpRequest) -> Stream:
        lines = desk.registry.export(caller_of(request).tenant)
        # That the store is away is told before the status is: the second line is the first that asks it.
        beginning = [line async for line in _first(lines, 2)]

        async def told() -> AsyncIterator[bytes]:
            for line in beginning:
                yield line
            async for line in lines:
                yield line

        named = {"content-disposition": 'attachment; filename="prompts.ndjson"'}
        return Stream(told(), media_type=NDJSON, headers=named)

    @post(
        ARCHIVE,
        status_code=200,
        request_max_body_size=runtime.limits.max_body,
        opt={"permission": Permission.PUBLISH},
    )
    async def take_over(request: HttpRequest) -> Response[bytes]:
        require_json(request, NDJSON, "application/ndjson", "application/jsonl")
        author = desk.author(request)
        return done(author, await desk.registry.take_over(author, await request.body()))

    return [export, take_over]


async def _first(lines: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield await anext(lines)
