"""API keys: made, listed, changed, given another list or secret, and revoked under `/admin/v1/keys`."""

from typing import Final

from litestar import Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.http.asked import HttpRequest, answer, caller_of, read
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.policy.keyring import Keyring
from llmgw.policy.keys import KeyChange, Terms
from llmgw.types.call import Role
from llmgw.types.errors import NotFound, PermissionDenied

MAX_BODY: Final = 64 * 1024
_ROOT: Final = "/admin/v1/keys"
_ONE: Final = f"{_ROOT}/{{key_id:str}}"


class NewKeyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /admin/v1/keys`; without a tenant the key is of its maker's."""

    name: str
    role: Role = "caller"
    tenant: str | None = None
    team: str = ""
    tags: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    note: str = ""
    expires_ms: int | None = None


class RotateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST …/rotate`: for how many seconds older secrets stay good."""

    overlap_s: int


class AllowRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `PUT …/allow`: what the key may call, null for everything."""

    allow: tuple[str, ...] | None


def key_routes(keyring: Keyring) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's keys are not there."""

    @get(_ROOT, opt={"permission": Permission.ADMINISTER})
    async def list_keys(request: HttpRequest) -> Response[bytes]:
        return answer({"keys": await keyring.list(reach_of(caller_of(request)))})

    @get(_ONE, opt={"permission": Permission.ADMINISTER})
    async def show_key(request: HttpRequest, key_id: FromPath[str]) -> Response[bytes]:
        return answer(await keyring.find(key_id, reach_of(caller_of(request))))

    @get("/admin/v1/key-audit", opt={"permission": Permission.ADMINISTER})
    async def audit(request: HttpRequest) -> Response[bytes]:
        return answer(await keyring.audit.history(reach_of(caller_of(request))))

    return [list_keys, show_key, audit, *_changing_routes(keyring), *_editing_routes(keyring)]


def _changing_routes(keyring: Keyring) -> list[HTTPRouteHandler]:
    @post(_ROOT, request_max_body_size=MAX_BODY, opt={"permission": Permission.ADMINISTER})
    async def create_key(request: HttpRequest) -> Response[bytes]:
        wanted = read(await request.body(), NewKeyRequest)
        caller = caller_of(request)
        tenant = caller.tenant if wanted.tenant is None else wanted.tenant
        if reach_of(caller) not in {None, tenant}:
            raise PermissionDenied("an admin of a tenant makes keys of that tenant alone")
        terms = Terms(
            tenant=tenant,
            team=wanted.team,
            tags=wanted.tags,
            allow=wanted.allow,
            note=wanted.note,
            expires_ms=wanted.expires_ms,
        )
        created = await keyring.create(wanted.name, wanted.role, terms, by=caller.key_id)
        made = {
            "id": created.id,
            "name": wanted.name,
            "role": wanted.role,
            "tenant": tenant,
            "key": created.token.reveal(),
        }
        return answer(made, 201)

    @post(
        f"{_ONE}/rotate",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.ADMINISTER},
    )
    async def rotate_key(request: HttpRequest, key_id: FromPath[str]) -> Response[bytes]:
        wanted = read(await request.body(), RotateRequest)
        caller = caller_of(request)
        await keyring.find(key_id, reach_of(caller))
        rotated = await keyring.rotate(key_id, wanted.overlap_s * 1000, by=caller.key_id)
        return answer({"id": key_id, "overlap_s": wanted.overlap_s, "key": rotated.token.reveal()})

    @delete(_ONE, opt={"permission": Permission.ADMINISTER}, status_code=200)
    async def revoke_key(request: HttpRequest, key_id: FromPath[str]) -> Response[bytes]:
        caller = caller_of(request)
        await keyring.find(key_id, reach_of(caller))
        if not await keyring.revoke(key_id, by=caller.key_id):
            raise NotFound("there is no such key")
        return answer({"id": key_id, "revoked": True})

    return [create_key, rotate_key, revoke_key]


def _editing_routes(keyring: Keyring) -> list[HTTPRouteHandler]:
    @put(f"{_ONE}/allow", request_max_body_size=MAX_BODY, opt={"permission": Permission.ADMINISTER})
    async def allow(request: HttpRequest, key_id: FromPath[str]) -> Response[bytes]:
        wanted = read(await request.body(), AllowRequest)
        caller = caller_of(request)
        reach = reach_of(caller)
        await keyring.find(key_id, reach)
        await keyring.allow(key_id, wanted.allow, by=caller.key_id)
        return answer(await keyring.find(key_id, reach))

    @patch(_ONE, request_max_body_size=MAX_BODY, opt={"permission": Permission.ADMINISTER})
    async def change_key(request: HttpRequest, key_id: FromPath[str]) -> Response[bytes]:
        caller = caller_of(request)
        reach = reach_of(caller)
        await keyring.find(key_id, reach)
        wanted = read(await request.body(), KeyChange)
        await keyring.change(key_id, wanted, by=caller.key_id)
        return answer(await keyring.find(key_id, reach))

    return [allow, change_key]
