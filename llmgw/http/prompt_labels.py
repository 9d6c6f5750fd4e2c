"""Where labels lead, and who must agree: `/admin/v1/prompts/{name}/labels/{label}`."""

from typing import Annotated

from litestar import Response, delete, post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from llmgw.http.asked import HttpRequest, body_of
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import MAX_WORDS, ROOT, Desk, done, expected_of, left
from llmgw.http.prompt_paths import label_of, name_of, paths
from llmgw.prompts.registry.wishes import Back, LabelMove
from llmgw.types.prompt import Number

_LABEL = "/labels/{label:str}"


class MoveRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `PUT …/labels/{label}`."""

    version: Number
    reason: Annotated[str, Meta(max_length=1024)] = ""
    break_glass: bool = False


class BackRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a rollback; all of it may be left out."""

    to: Number | None = None
    reason: Annotated[str, Meta(max_length=1024)] = ""


class Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that says nothing."""


def label_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""

    @put(paths(ROOT, _LABEL), request_max_body_size=MAX_WORDS, opt={"permission": Permission.PUBLISH})
    async def move(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        wanted = await body_of(request, MoveRequest)
        wish = LabelMove(
            version=wanted.version,
            reason=wanted.reason,
            break_glass=wanted.break_glass,
            if_match=expected_of(request),
        )
        return left(author, await desk.registry.move(author, name, label, wish))

    @post(
        paths(ROOT, f"{_LABEL}/approve"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def approve(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        await body_of(request, Nothing, default=Nothing())
        return left(author, await desk.registry.approve(author, name, label, expected_of(request)))

    @delete(paths(ROOT, _LABEL), status_code=200, opt={"permission": Permission.PUBLISH})
    async def remove(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        await desk.registry.remove_label(author, name, label, expected_of(request))
        return done(author, {"name": name, "label": label, "removed": True})

    @post(
        paths(ROOT, f"{_LABEL}/rollback"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.ROLL_BACK},
    )
    async def roll_back(request: HttpRequest) -> Response[bytes]:
        name, label, author = name_of(request), label_of(request), desk.author(request)
        wanted = await body_of(request, BackRequest, default=BackRequest())
        wish = Back(to=wanted.to, reason=wanted.reason, if_match=expected_of(request))
        return left(author, await desk.registry.rollback(author, name, label, wish))

    return [move, approve, remove, roll_back]
