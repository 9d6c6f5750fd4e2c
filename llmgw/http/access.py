"""Access requests, for those who decide: `/admin/v1/access-requests` and its audit."""

from collections.abc import Awaitable, Callable
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.http.asked import HttpRequest, answer, body_of, caller_of, word_of
from llmgw.http.keys import MAX_BODY
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.policy.access import AccessDesk, AccessRequest, Decider, RequestState
from llmgw.types.call import Caller

_ROOT: Final = "/admin/v1/access-requests"


class DecisionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a decision, which may be left out; the asker reads the reason."""

    reason: str = ""


def access_routes(desk: AccessDesk) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's requests are not there."""

    @get(_ROOT, opt={"permission": Permission.OPERATE})
    async def requests(request: HttpRequest) -> Response[bytes]:
        tenant = reach_of(caller_of(request))
        state = (
            word_of(request, "state", RequestState, "pending") if "state" in request.query_params else None
        )
        return answer({"requests": await desk.requests(tenant, state)})

    @get("/admin/v1/access-audit", opt={"permission": Permission.OPERATE})
    async def audit(request: HttpRequest) -> Response[bytes]:
        return answer(await desk.history(reach_of(caller_of(request))))

    return [requests, audit, _deciding("approve", desk.approve), _deciding("deny", desk.deny)]


def _deciding(word: str, decide: Callable[[str, Decider, str], Awaitable[AccessRequest]]) -> HTTPRouteHandler:
    @post(
        f"{_ROOT}/{{request_id:str}}/{word}",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.OPERATE},
        name=f"access {word}",
    )
    async def handle(request: HttpRequest, request_id: FromPath[str]) -> Response[bytes]:
        said = await body_of(request, DecisionRequest, default=DecisionRequest())
        return answer(await decide(request_id, _decider(caller_of(request)), said.reason))

    return handle


def _decider(caller: Caller) -> Decider:
    return Decider(key_id=caller.key_id, tenant=reach_of(caller), own=caller.role == "admin")
