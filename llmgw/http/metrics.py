"""What all workers measure, for Prometheus."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from llmgw.http.asked import HttpRequest, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.telemetry.scraping import Scraping
from llmgw.types.call import DEFAULT_TENANT, Caller
from llmgw.types.errors import PermissionDenied


def metrics_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the route that a scraper asks; where it is open to all, it asks for no key."""
    scraping = runtime.scraping
    if scraping is None:
        return []
    permission = Permission.PUBLIC if runtime.open_metrics else Permission.VIEW

    @get("/metrics", opt={"permission": permission})
    async def metrics(request: HttpRequest) -> Response[bytes]:
        if not runtime.open_metrics:
            _require_all(caller_of(request))
        return await _answer(scraping, request)

    return [metrics]


async def _answer(scraping: Scraping, request: HttpRequest) -> Response[bytes]:
    content_type, body = await scraping.answer(request.headers.get("accept", ""))
    # The framework would take the type apart and put it together otherwise.
    return Response(body, media_type="", headers={"content-type": content_type})


def _require_all(caller: Caller) -> None:
    """Refuse the keys of single tenants: what is shown is of all.

    Raises:
        PermissionDenied: the caller belongs to another tenant than the default one.
    """
    if caller.tenant != DEFAULT_TENANT:
        raise PermissionDenied(
            f"this shows all tenants' sums, so it needs a key of the tenant '{DEFAULT_TENANT}'"
        )
