"""What became of a prompt, who calls it, and its end: history, gates, callers, deprecation, retirement."""

from datetime import UTC, date, datetime, time
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from llmgw.http.asked import MAX_PAGE, HttpRequest, answer, body_of, caller_of, number_of
from llmgw.http.permissions import Permission
from llmgw.http.prompt_asked import MAX_WORDS, ROOT, Desk, done
from llmgw.http.prompt_paths import name_of, paths
from llmgw.prompts.registry.wishes import Deprecate, Retire
from llmgw.types.prompt import Number

_PAGE: Final = 100
_Successor = Annotated[str, Meta(min_length=1, max_length=256)]


class DeprecateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a deprecation; without a version all are meant. `sunset` is the day on which it ends, in UTC."""

    version: Number | None = None
    sunset: date | None = None
    successor: _Successor | None = None


class RetireRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a retirement; without a version all are meant."""

    version: Number | None = None
    successor: _Successor | None = None
    force: bool = False


def lifecycle_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """Make the routes."""
    registry = desk.registry

    @get(paths(ROOT, "/history"), opt={"permission": Permission.VIEW})
    async def history(request: HttpRequest) -> Response[bytes]:
        limit = number_of(request, "limit", _PAGE, least=1, most=MAX_PAGE)
        return answer(await registry.history(caller_of(request).tenant, name_of(request), limit))

    @get(paths(ROOT, "/gates"), opt={"permission": Permission.VIEW})
    async def gates(request: HttpRequest) -> Response[bytes]:
        return answer({"gates": await registry.gates(caller_of(request).tenant, name_of(request))})

    @get(paths(ROOT, "/callers"), opt={"permission": Permission.VIEW})
    async def callers(request: HttpRequest) -> Response[bytes]:
        return answer({"callers": await registry.callers(caller_of(request).tenant, name_of(request))})

    @post(
        paths(ROOT, "/deprecate"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def deprecate(request: HttpRequest) -> Response[bytes]:
        name, author = name_of(request), desk.author(request)
        wanted = await body_of(request, DeprecateRequest, default=DeprecateRequest())
        wish = Deprecate(
            version=wanted.version, sunset_ms=_midnight(wanted.sunset), successor=wanted.successor
        )
        return done(author, await registry.deprecate(author, name, wish))

    @post(
        paths(ROOT, "/retire"),
        status_code=200,
        request_max_body_size=MAX_WORDS,
        opt={"permission": Permission.PUBLISH},
    )
    async def retire(request: HttpRequest) -> Response[bytes]:
        name, author = name_of(request), desk.author(request)
        wanted = await body_of(request, RetireRequest, default=RetireRequest())
        wish = Retire(version=wanted.version, successor=wanted.successor, force=wanted.force)
        return done(author, await registry.retire(author, name, wish))

    return [history, gates, callers, deprecate, retire]


def _midnight(day: date | None) -> int | None:
    return None if day is None else int(datetime.combine(day, time(), UTC).timestamp() * 1000)
