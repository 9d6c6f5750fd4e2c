"""The control plane: keys, targets and the configuration at work, under `/admin/v1`."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.call import DEFAULT_TENANT, Role
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.json import encode

MAX_BODY = 64 * 1024


class NewKeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /admin/v1/keys`."""

    name: str
    role: Role = "caller"
    tenant: str = DEFAULT_TENANT


_new_key_decoder = msgspec.json.Decoder(NewKeyRequest)


def admin_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the control plane's routes."""

    @get("/admin/v1/targets", opt={"permission": Permission.VIEW})
    async def targets() -> Response[bytes]:
        configured = runtime.generation.gateway.catalog.targets()
        return _json({"targets": runtime.health.snapshot(configured)})

    @get("/admin/v1/config", opt={"permission": Permission.VIEW})
    async def config() -> Response[bytes]:
        generation = runtime.generation
        return _json(
            {
                "generation": generation.number,
                "source": generation.source,
                "loaded_at_ms": generation.loaded_unix_ns // 1_000_000,
                "aliases": generation.gateway.catalog.models(),
            }
        )

    return [targets, config, *_key_routes(runtime)]


def _key_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    keyring = runtime.keyring
    if keyring is None:
        return []

    @get("/admin/v1/keys", opt={"permission": Permission.ADMINISTER})
    async def list_keys() -> Response[bytes]:
        return _json({"keys": await keyring.list()})

    @post("/admin/v1/keys", request_max_body_size=MAX_BODY, opt={"permission": Permission.ADMINISTER})
    async def create_key(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            wanted = _new_key_decoder.decode(await request.body())
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"the body does not describe a key: {error}") from None
        created = await keyring.create(wanted.name, wanted.role, tenant=wanted.tenant)
        answer = {
            "id": created.id,
            "name": wanted.name,
            "role": wanted.role,
            "tenant": wanted.tenant,
            "key": created.token.reveal(),
        }
        return _json(answer, status=201)

    @delete("/admin/v1/keys/{key_id:str}", opt={"permission": Permission.ADMINISTER}, status_code=200)
    async def revoke_key(key_id: FromPath[str]) -> Response[bytes]:
        if not await keyring.revoke(key_id):
            raise NotFound("there is no such key")
        return _json({"id": key_id, "revoked": True})

    return [list_keys, create_key, revoke_key]


def _json(value: Any, status: int = 200) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json")
