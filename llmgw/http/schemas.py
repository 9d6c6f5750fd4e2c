"""The schemas a tenant registers for its states and metadata: `/v1/schemas`."""

from typing import Final, Literal, TypeAlias

from litestar import Response, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.context.schemas import SCHEMA_MAX, SchemaVersion
from llmgw.http.asked import HttpRequest, answer, caller_of, require_json, word_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime

Name: TypeAlias = FromPath[str]
Version: TypeAlias = FromPath[str]
Compatibility: TypeAlias = Literal["backward", "none"]
"""`backward`: the version takes each document that the last one took."""

SCHEMA_JSON: Final = "application/schema+json"

_ROUTE: Final = "/v1/schemas/{name:str}/{version:str}"


def schema_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    schemas = runtime.archive.schemas

    # Somewhat more than a schema may have, so that a larger one is refused in words.
    @put(_ROUTE, request_max_body_size=2 * SCHEMA_MAX, opt={"permission": Permission.PUBLISH})
    async def register(request: HttpRequest, name: Name, version: Version) -> Response[bytes]:
        require_json(request, SCHEMA_JSON, "application/json")
        compatibility = word_of(request, "compatibility", Compatibility, "backward")
        described, is_new = await schemas.register(
            caller_of(request).tenant,
            f"{name}/{version}",
            await request.body(),
            compatible=compatibility == "backward",
        )
        return _described(described, 201 if is_new else 200)

    @get(_ROUTE, opt={"permission": Permission.CALL})
    async def read(request: HttpRequest, name: Name, version: Version) -> Response[bytes]:
        document = await schemas.document(caller_of(request).tenant, f"{name}/{version}")
        return Response(document, media_type=SCHEMA_JSON, headers={"x-content-type-options": "nosniff"})

    @get("/v1/schemas/{name:str}", opt={"permission": Permission.CALL})
    async def versions(request: HttpRequest, name: Name) -> Response[bytes]:
        return answer(await schemas.versions(caller_of(request).tenant, name))

    @get("/v1/schemas", opt={"permission": Permission.CALL})
    async def names(request: HttpRequest) -> Response[bytes]:
        return answer({"schemas": await schemas.names(caller_of(request).tenant)})

    return [register, read, versions, names]


def _described(version: SchemaVersion, status: int) -> Response[bytes]:
    location = f"/v1/schemas/{version.name}/{version.version}"
    return answer(version, status, location=location)
