"""Events and webhooks for those who watch: `/admin/v1/events`, whole or as it comes, `/admin/v1/webhooks`."""

from typing import Final, get_args

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from llmgw.http.asked import MAX_PAGE, HttpRequest, answer, caller_of, number_of
from llmgw.http.event_feed import EventFeed, Feeds, Wanted
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.http.runtime import Runtime
from llmgw.http.times import moment_of
from llmgw.policy.signals.events import EventLog, Place
from llmgw.types.errors import InvalidRequest, NotFound
from llmgw.types.signal import EventKind

_PAGE: Final = 100
_EVENTS: Final = "text/event-stream"


def event_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's events are not there."""
    feeds = Feeds(runtime)

    @get("/admin/v1/events", opt={"permission": Permission.VIEW})
    async def events(request: HttpRequest) -> Response[bytes]:
        wanted = await _wanted(request, runtime)
        if _EVENTS in request.headers.get("accept", ""):
            return EventFeed(feeds, wanted)
        limit = number_of(request, "limit", _PAGE, least=1, most=MAX_PAGE)
        log = runtime.signals.log
        page = await log.page(await _tenants(log, wanted), wanted.after, limit, wanted.kinds)
        return answer(
            {"events": [event for _, event in page.items], "next": str(page.last), "more": page.more}
        )

    @get("/admin/v1/webhooks", opt={"permission": Permission.VIEW})
    async def webhooks(request: HttpRequest) -> Response[bytes]:
        return answer({"webhooks": await runtime.webhooks.shown(reach_of(caller_of(request)))})

    return [events, webhooks]


async def _tenants(log: EventLog, wanted: Wanted) -> list[str]:
    return await log.tenants() if wanted.tenant is None else [wanted.tenant]


async def _wanted(request: HttpRequest, runtime: Runtime) -> Wanted:
    """Read what is asked for.

    Raises:
        InvalidRequest: a parameter is out of bounds.
        NotFound: there is no such tenant for this caller.
    """
    reach = reach_of(caller_of(request))
    tenant = request.query_params.get("tenant")
    if reach is not None:
        known = tenant is None or tenant == reach
    else:
        known = tenant is None or tenant in await runtime.signals.log.tenants()
    if not known:
        raise NotFound("there is no such tenant")
    kind = request.query_params.get("kind")
    if kind is not None and kind not in get_args(EventKind):
        raise InvalidRequest(f"kind must be one of {', '.join(get_args(EventKind))}", param="kind")
    return Wanted(
        tenant=tenant if reach is None else reach,
        kinds=() if kind is None else (kind,),
        after=await _start(request, runtime),
    )


async def _start(request: HttpRequest, runtime: Runtime) -> Place:
    """Where to begin: behind what the caller has seen, at a time, or, for a live stream without either, now."""
    live = _EVENTS in request.headers.get("accept", "")
    seen = request.headers.get("last-event-id") if live else None
    name, seen = ("last-event-id", seen) if seen else ("after", request.query_params.get("after"))
    if seen is not None:
        try:
            return Place.read(seen)
        except ValueError:
            raise InvalidRequest(f"{name} is not one that was given out here", param=name) from None
    if live and "since" not in request.query_params:
        return await runtime.signals.log.end()
    return Place.at(moment_of(request, "since", runtime.clock.unix_ns() // 1_000_000, 0))
