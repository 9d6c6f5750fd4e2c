"""Stored conversations, made, found and erased: `/v1/contexts`."""

from typing import Any, Final, TypeAlias

from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.context.erasure import Forks
from llmgw.http.asked import (
    MAX_BODY,
    MAX_PAGE,
    HttpRequest,
    actor_of,
    answer,
    body_of,
    knows,
    number_of,
    word_of,
)
from llmgw.http.operations import erased, left, telling
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.context import ContextInfo, ContextOptions, Metadata, Policy, Subject
from llmgw.types.errors import InvalidRequest
from llmgw.types.json import Json

Id: TypeAlias = FromPath[str]

_PAGE: Final = 50


class NewContext(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/contexts`; all of it may be left out."""

    id: str | None = None
    subject: Subject | None = None
    metadata: Metadata = {}
    policy: Policy | None = None
    state: dict[str, Json] | None = None


def context_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    archive = runtime.archive

    @post("/v1/contexts", request_max_body_size=MAX_BODY, opt={"permission": Permission.CALL})
    async def create(request: HttpRequest) -> Response[bytes]:
        wanted = await body_of(request, NewContext, default=NewContext())
        options = ContextOptions(
            id=wanted.id, create=True, subject=wanted.subject, metadata=wanted.metadata, policy=wanted.policy
        )
        with telling(runtime, request, "create", wanted.id or "") as operation:
            info = left(operation, await archive.create(actor_of(request), options, wanted.state))
        return described(info, 201, location=f"/v1/contexts/{info.id}")

    @get("/v1/contexts", opt={"permission": Permission.CALL})
    async def find(request: HttpRequest) -> Response[bytes]:
        limit = number_of(request, "limit", _PAGE, least=1, most=MAX_PAGE)
        asked = request.query_params
        found, after = await archive.library.find(
            actor_of(request), asked.get("subject"), after=asked.get("after"), limit=limit
        )
        return answer({"contexts": found, "next": after})

    @delete("/v1/contexts", status_code=200, opt={"permission": Permission.CALL})
    async def erase_subject(request: HttpRequest) -> Response[bytes]:
        subject = request.query_params.get("subject")
        if not subject:
            raise InvalidRequest("say whose contexts are to be erased", param="subject")
        with telling(runtime, request, "erase") as operation:
            receipts = await archive.erasure.erase_subject(actor_of(request), subject)
            erased(operation, *receipts)
        return answer({"subject": subject, "receipts": receipts})

    @get("/v1/contexts/{context:str}", opt={"permission": Permission.CALL})
    async def read(request: HttpRequest, context: Id) -> Response[bytes]:
        with telling(runtime, request, "read", context) as operation:
            info = left(operation, await archive.library.info(actor_of(request), context))
        if knows(request, info.etag):
            return Response(b"", status_code=304, headers={"etag": f'"{info.etag}"'})
        return described(info)

    @delete("/v1/contexts/{context:str}", status_code=200, opt={"permission": Permission.CALL})
    async def erase(request: HttpRequest, context: Id) -> Response[bytes]:
        forks = word_of(request, "forks", Forks, "refuse")
        with telling(runtime, request, "erase", context) as operation:
            receipt = await archive.erasure.erase(actor_of(request), context, forks)
            erased(operation, receipt)
            operation.rev = receipt.rev
        return answer(receipt)

    return [create, find, erase_subject, read, erase]


def described(info: ContextInfo, status: int = 200, **headers: Any) -> Response[bytes]:
    """Answer with a context, its revision as the entity tag."""
    return answer(info, status, etag=info.etag, **headers)
