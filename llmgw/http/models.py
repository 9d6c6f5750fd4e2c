"""What can be called: `/v1/models`, in a shape that both the OpenAI and the Anthropic SDK read."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.asked import HttpRequest, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.routing.catalog import Catalog
from llmgw.types.errors import ModelNotFound, unknown_model
from llmgw.types.json import encode


def model_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes that list models; a name with slashes is one name."""

    @get("/v1/models", opt={"permission": Permission.CALL})
    async def list_models(request: HttpRequest) -> Response[bytes]:
        catalog = runtime.generation.gateway.catalog
        allowed = caller_of(request).allowed
        names = (name for name in catalog.models() if allowed is None or allowed.has_model(name))
        data = [_model(catalog, name) for name in names]
        page = {
            "object": "list",
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
        return Response(encode(page), media_type="application/json")

    @get("/v1/models/{name:path}", opt={"permission": Permission.CALL})
    async def get_model(request: HttpRequest, name: FromPath[str]) -> Response[bytes]:
        name = name.removeprefix("/")
        allowed = caller_of(request).allowed
        if allowed is not None and not allowed.has_model(name):
            raise unknown_model()
        try:
            model = _model(runtime.generation.gateway.catalog, name)
        except ModelNotFound:
            if allowed is None:
                raise
            raise unknown_model() from None
        return Response(encode(model), media_type="application/json")

    return [list_models, get_model]


def _model(catalog: Catalog, name: str) -> dict[str, Any]:
    alias = catalog.resolve(name)
    return {
        "id": alias.name,
        "object": "model",
        "type": "model",
        "display_name": alias.name,
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "owned_by": "llmgw",
        "llmgw": {"targets": [weighted.target.name for weighted in alias.targets]},
    }
