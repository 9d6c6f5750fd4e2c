"""What an application remembers beside a conversation: read, patched, replaced."""

from typing import Final, TypeAlias

from litestar import Response, get, patch, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.asked import MAX_BODY, HttpRequest, actor_of, answer, if_match_of, require_json
from llmgw.http.operations import telling
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.context import StateDoc
from llmgw.types.errors import InvalidRequest
from llmgw.types.json import decode

Id: TypeAlias = FromPath[str]

JSON_PATCH: Final = "application/json-patch+json"

_ROUTE: Final = "/v1/contexts/{context:str}/state"


def state_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    states = runtime.archive.states

    @get(_ROUTE, opt={"permission": Permission.CALL})
    async def read(request: HttpRequest, context: Id) -> Response[bytes]:
        with telling(runtime, request, "read", context):
            document = await states.read(actor_of(request), context)
        return _described(document)

    @patch(_ROUTE, request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def change(request: HttpRequest, context: Id) -> Response[bytes]:
        require_json(request, JSON_PATCH, "application/json")
        written = decode(await request.body())
        with telling(runtime, request, "patch_state", context):
            document = await states.patch(actor_of(request), context, written, _revision(request))
        return _described(document)

    @put(_ROUTE, request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def replace(request: HttpRequest, context: Id) -> Response[bytes]:
        require_json(request)
        data = decode(await request.body())
        if not isinstance(data, dict):
            raise InvalidRequest("a state is a JSON object")
        with telling(runtime, request, "replace_state", context):
            document = await states.replace(actor_of(request), context, data, _revision(request))
        return _described(document)

    return [read, change, replace]


def _described(document: StateDoc) -> Response[bytes]:
    return answer(document, etag=str(document.rev))


def _revision(request: HttpRequest) -> int | None:
    """The revision in `If-Match`; a tag that is none matches no revision."""
    tag = if_match_of(request)
    if tag is None:
        return None
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) <= 16 else -1
