"""Issuers of tokens, for administrators: `/admin/v1/issuers`."""

from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.asked import HttpRequest, answer, caller_of
from llmgw.http.keys import MAX_BODY
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.policy.issuers import SharedIssuers
from llmgw.types.errors import NotFound

_ROOT: Final = "/admin/v1/issuers"


def issuer_routes(issuers: SharedIssuers | None) -> list[HTTPRouteHandler]:
    """Make the routes, which tell of the worker that answers; issuers of other tenants are not there."""

    @get(_ROOT, opt={"permission": Permission.ADMINISTER})
    async def list_issuers(request: HttpRequest) -> Response[bytes]:
        reach = reach_of(caller_of(request))
        return answer({"issuers": [] if issuers is None else issuers.issuers.list(reach)})

    @post(
        f"{_ROOT}/{{name:str}}/refresh",
        status_code=200,
        request_max_body_size=MAX_BODY,
        opt={"permission": Permission.ADMINISTER},
    )
    async def refresh(request: HttpRequest, name: FromPath[str]) -> Response[bytes]:
        if issuers is None:
            raise NotFound("there is no such issuer")
        return answer(await issuers.refresh(name, reach_of(caller_of(request))))

    return [list_issuers, refresh]
