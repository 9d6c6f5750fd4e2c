"""What was said: turns read, and added without a call; the provider's own bytes of an answer."""

import zlib
from typing import Final, Literal, TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from llmgw.http.asked import (
    MAX_PAGE,
    HttpRequest,
    actor_of,
    answer,
    if_match_of,
    number_of,
    read,
    require_json,
)
from llmgw.http.operations import left, telling
from llmgw.http.options import idempotency_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.context import MOST_AT_ONCE
from llmgw.types.errors import InvalidRequest
from llmgw.types.invocation import ChatInvocation
from llmgw.types.json import Json, encode
from llmgw.types.message import Message
from llmgw.wire.anthropic.messages import WIRE as ANTHROPIC
from llmgw.wire.base import WireFormat
from llmgw.wire.openai.chat import WIRE as OPENAI

Id: TypeAlias = FromPath[str]
Dialect: TypeAlias = Literal["openai", "anthropic"]

_PAGE: Final = 100
_TOO_MANY: Final = f"one request adds at most {MOST_AT_ONCE} turns: bring the others in further ones"


class NewTurns(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/contexts/{id}/turns`.

    Either `turns`, in the protocol's own words, or `messages`, and `system` beside them, in a vendor's.
    """

    turns: tuple[Message, ...] = ()
    messages: list[Json] | None = None
    system: Json = None
    dialect: Dialect = "openai"
    pinned: bool = False


def turn_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes."""
    archive = runtime.archive
    most = runtime.limits.max_body

    @get("/v1/contexts/{context:str}/turns", opt={"permission": Permission.CALL})
    async def turns(request: HttpRequest, context: Id) -> Response[bytes]:
        first = number_of(request, "first", 0, most=2**53)
        limit = number_of(request, "limit", _PAGE, least=1, most=MAX_PAGE)
        with telling(runtime, request, "read", context) as operation:
            found, info = await archive.library.turns(actor_of(request), context, first, limit)
            operation.rev, operation.turns = info.rev, len(found)
        after = first + len(found)
        page = {
            "turns": found,
            "next": after if after < info.turns else None,
            "rev": info.rev,
            "head": info.head,
        }
        return answer(page, etag=info.etag)

    @post("/v1/contexts/{context:str}/turns", request_max_body_size=most, opt={"permission": Permission.CALL})
    async def append(request: HttpRequest, context: Id) -> Response[bytes]:
        require_json(request)
        body = await request.body()
        wanted = read(body, NewTurns)
        messages, within, wire = _said(wanted)
        with telling(runtime, request, "append", context) as operation:
            appended = await archive.appending.append(
                actor_of(request),
                context,
                messages,
                op=f"op_{runtime.new_id()}",
                within=within,
                wire=wire,
                if_match=if_match_of(request),
                idempotency=idempotency_of(request.headers.get("idempotency-key"), request.url.path, body),
                pinned=wanted.pinned,
            )
            left(operation, appended.context)
            operation.turns = appended.added
        return answer(appended, 201, etag=appended.context.etag)

    @get("/v1/contexts/{context:str}/turns/{seq:int}/raw", opt={"permission": Permission.CALL})
    async def raw(request: HttpRequest, context: Id, seq: FromPath[int]) -> Response[bytes]:
        with telling(runtime, request, "read", context):
            content, encoding = await archive.library.raw(actor_of(request), context, seq)
        if encoding == "deflate":
            content = zlib.decompress(content)
        # Whatever a provider sent, no browser shall take it for a page.
        headers = {"x-content-type-options": "nosniff"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    return [turns, append, raw]


def _said(wanted: NewTurns) -> tuple[tuple[Message, ...], tuple[str, ...], str]:
    """The messages of a body, the steps to them, and the protocol they are written in."""
    if wanted.messages is not None and len(wanted.messages) > MOST_AT_ONCE:
        raise InvalidRequest(_TOO_MANY, param="messages")
    if len(wanted.turns) > MOST_AT_ONCE:
        raise InvalidRequest(_TOO_MANY, param="turns")
    if wanted.messages is None:
        if not wanted.turns:
            raise InvalidRequest("say turns, or messages in a vendor's dialect", param="turns")
        return wanted.turns, ("turns",), ""
    if wanted.turns:
        raise InvalidRequest("say either turns or messages", param="turns")
    wire: WireFormat = ANTHROPIC if wanted.dialect == "anthropic" else OPENAI
    request: dict[str, Json] = {"model": "none", "max_tokens": 1, "messages": wanted.messages}
    if wanted.system is not None:
        request["system"] = wanted.system
    invocation = wire.decode_request(encode(request))
    if not isinstance(invocation, ChatInvocation):
        raise InvalidRequest("these messages are no conversation", param="messages")
    return invocation.messages, ("messages",), wanted.dialect
