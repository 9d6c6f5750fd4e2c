"""What is known of histories that callers keep themselves: `/v1/sessions`."""

from typing import TypeAlias

from litestar import Response, delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime

Name: TypeAlias = FromPath[str]


def session_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    sessions = runtime.archive.sessions

    @get("/v1/sessions/{session:str}", opt={"permission": Permission.INSPECT})
    async def report(request: HttpRequest, session: Name) -> Response[bytes]:
        return answer(await sessions.report(caller_of(request).tenant, session))

    @delete("/v1/sessions/{session:str}", status_code=200, opt={"permission": Permission.CALL})
    async def erase(request: HttpRequest, session: Name) -> Response[bytes]:
        return answer(await sessions.erase(caller_of(request).tenant, session))

    return [report, erase]
