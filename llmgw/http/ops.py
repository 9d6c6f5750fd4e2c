"""For those who run the gateway: is it alive, is it ready, and if not, what is missing."""

from math import isfinite

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from llmgw.http.permissions import Permission
from llmgw.http.runtime import Runtime
from llmgw.types.json import Json, encode


def ops_routes(runtime: Runtime) -> list[HTTPRouteHandler]:
    """Make the routes that probes ask; they need no key and tell no secret."""

    @get("/livez", opt={"permission": Permission.PUBLIC})
    async def livez() -> Response[bytes]:
        return Response(b'{"status":"alive"}', media_type="application/json")

    @get("/readyz", opt={"permission": Permission.PUBLIC})
    async def readyz() -> Response[bytes]:
        problems = [*await runtime.state.health(), *await runtime.accounts.identity.problems()]
        missing = [problem.as_json() for problem in problems if problem.fatal]
        refusal = runtime.accounts.refusal
        if refusal is not None:
            missing.append(
                {"code": "journal_unavailable", "message": refusal.detail, "reason": refusal.reason}
            )
        if runtime.draining:
            missing.append({"code": "draining", "message": "the gateway is stopping"})
        body = {
            "status": "not_ready" if missing else "ready",
            "missing": missing,
            "prompts": _prompts(runtime),
        }
        return Response(encode(body), status_code=503 if missing else 200, media_type="application/json")

    return [livez, readyz]


def _prompts(runtime: Runtime) -> Json:
    """How fresh the prompts are; a gateway that serves those that were good last is ready all the same."""
    snapshot = runtime.prompts.snapshot
    age_s = snapshot.age_s
    return {
        "source": snapshot.source,
        "age_s": round(age_s, 1) if isfinite(age_s) else None,
        "problems": [each.as_json() for each in runtime.prompts.problems()],
    }
