"""What a caller may know of its own key, and ask for: `/v1/me`."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.keys import MAX_BODY
from llmgw.http.permissions import Permission, held_by
from llmgw.http.runtime import Runtime
from llmgw.policy.access import AccessDesk, Wish
from llmgw.policy.keyring import BOOTSTRAP_ID, Keyring
from llmgw.types.call import Caller


def me_routes(runtime: Runtime, desk: AccessDesk | None) -> list[HTTPRouteHandler]:
    """Make the routes; without keys there is nothing to ask for."""

    @get("/v1/me", opt={"permission": Permission.INSPECT})
    async def me(request: HttpRequest) -> Response[bytes]:
        return answer(await _told(runtime.keyring, caller_of(request)))

    return [me, *([] if desk is None else _request_routes(desk))]


def _request_routes(desk: AccessDesk) -> list[HTTPRouteHandler]:
    @get("/v1/me/requests", opt={"permission": Permission.CALL})
    async def requests(request: HttpRequest) -> Response[bytes]:
        return answer({"requests": await desk.of(caller_of(request).key_id)})

    @post("/v1/me/requests", request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def ask(request: HttpRequest) -> Response[bytes]:
        wish = await body_of(request, Wish)
        asked, new = await desk.ask(caller_of(request), wish)
        return answer(asked, 201 if new else 200)

    return [requests, ask]


async def _told(keyring: Keyring | None, caller: Caller) -> dict[str, Any]:
    told: dict[str, Any] = {
        "key_id": caller.key_id,
        "name": caller.name,
        "tenant": caller.tenant,
        "team": caller.team,
        "role": caller.role,
        "rights": held_by(caller),
        "tags": caller.tags,
        "allow": None if caller.allowed is None else caller.allowed.entries,
        "expires_ms": caller.expires_ms,
    }
    if keyring is not None and caller.expires_ms is None and caller.key_id != BOOTSTRAP_ID:
        record = await keyring.find(caller.key_id)
        told.update(allow=record.allow, expires_ms=record.expires_ms)
    return told
