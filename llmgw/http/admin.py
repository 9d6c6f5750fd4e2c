"""The control plane under `/admin/v1`: keys, access, limits, targets, the configuration at work; and `/v1/me`."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from llmgw.http.access import access_routes
from llmgw.http.calls import call_routes
from llmgw.http.events import event_routes
from llmgw.http.issuers import issuer_routes
from llmgw.http.keys import key_routes
from llmgw.http.ledger import ledger_routes
from llmgw.http.limits import limit_routes
from llmgw.http.me import me_routes
from llmgw.http.own_limits import own_limit_routes
from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.http.usage import usage_routes
from llmgw.policy.access import AccessDesk
from llmgw.types.json import encode


def admin_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the control plane's routes."""

    @get("/admin/v1/targets", opt={"permission": Permission.VIEW})
    async def targets() -> Response[bytes]:
        configured = runtime.generation.gateway.catalog.targets()
        return _json({"targets": runtime.health.snapshot(configured)})

    @get("/admin/v1/config", opt={"permission": Permission.VIEW})
    async def config() -> Response[bytes]:
        generation = runtime.generation
        return _json(
            {
                "generation": generation.number,
                "source": generation.source,
                "loaded_at_ms": generation.loaded_unix_ns // 1_000_000,
                "aliases": generation.gateway.catalog.models(),
            }
        )

    routes = [
        targets,
        config,
        *usage_routes(runtime),
        *ledger_routes(runtime),
        *event_routes(runtime),
        *call_routes(runtime),
        *limit_routes(runtime.rules),
        *own_limit_routes(runtime),
    ]
    keyring = runtime.keyring
    if keyring is None:
        return [*routes, *me_routes(runtime, None)]
    desk = AccessDesk(runtime.state, keyring, runtime.clock)
    return [
        *routes,
        *key_routes(keyring),
        *access_routes(desk),
        *issuer_routes(runtime.issuers),
        *me_routes(runtime, desk),
    ]


def _json(value: Any, status: int = 200) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json")
