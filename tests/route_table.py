"""Every route of the gateway, what it asks of its caller, and what may be sent to it.

A new route is put down here by whoever makes it: its permission is decided twice, and seen by who reads the change.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from litestar import Litestar
from llmgw.app import Secrets, create_app
from llmgw.http.front import Front
from llmgw.http.permissions import Permission
from llmgw.settings import Loaded, defaults
from llmgw.types.secret import Secret

_PARTS = re.compile(r"\{part1\}(/\{part\d\})*")
_KIND = re.compile(r":[a-z]+\}")


class Row(NamedTuple):
    """One route; `{name}` stands for a prompt's name of any number of parts.

    `theirs` is what whoever may is answered where the thing named is another tenant's; None where nothing of a
    tenant is named.
    """

    method: str
    path: str
    permission: Permission
    body: Any = None
    theirs: int | None = 404
    everyones: bool = False
    """Whether it shows what all tenants have, and so only to keys of the default tenant."""
    own_calls: bool = False
    """Whether it tells what its caller's tenant asked, names of what is not there included."""

    @property
    def named(self) -> bool:
        """Whether it is about one thing that is a tenant's."""
        return "{" in self.path and self.theirs is not None


P = Permission
_PROMPT = "/admin/v1/prompts/{name}"
_LABEL = f"{_PROMPT}/labels/{{label}}"
_LIMIT = "/admin/v1/limits/{tenant}/{kind}/{subject}"
_CONTEXT = "/v1/contexts/{context}"

ROWS = (
    Row("GET", "/livez", P.PUBLIC),
    Row("GET", "/readyz", P.PUBLIC),
    Row("GET", "/metrics", P.VIEW, everyones=True),
    Row("GET", "/v1/models", P.CALL),
    Row("GET", "/v1/models/{model}", P.CALL, theirs=None),
    Row("*", "/v1/chat/completions", P.CALL, {}),
    Row("*", "/v1/embeddings", P.CALL, {}),
    Row("*", "/v1/messages", P.CALL, {}),
    Row("*", "/v1/messages/count_tokens", P.CALL, {}),
    Row("GET", "/v1/contexts", P.CALL),
    Row("POST", "/v1/contexts", P.CALL, {"metadata": 1}),
    Row("DELETE", "/v1/contexts", P.CALL),
    Row("GET", _CONTEXT, P.CALL),
    Row("DELETE", _CONTEXT, P.CALL),
    Row("GET", f"{_CONTEXT}/turns", P.CALL),
    Row("POST", f"{_CONTEXT}/turns", P.CALL, {"messages": [{"role": "user", "content": "hi"}]}),
    Row("GET", f"{_CONTEXT}/turns/{{seq}}/raw", P.CALL),
    Row("GET", f"{_CONTEXT}/state", P.CALL),
    Row("PUT", f"{_CONTEXT}/state", P.CALL, {"a": 1}),
    Row("PATCH", f"{_CONTEXT}/state", P.CALL, {"a": 1}),
    Row("POST", f"{_CONTEXT}/fork", P.CALL, {}),
    Row("POST", f"{_CONTEXT}/merge", P.CALL, {"source": "zebra-context"}),
    Row("POST", f"{_CONTEXT}/verify", P.CALL, {}),
    Row("POST", f"{_CONTEXT}/redact", P.CALL, {"turns": [1]}),
    Row("POST", f"{_CONTEXT}/compact", P.CALL, {}),
    Row("GET", f"{_CONTEXT}/report/{{rev}}", P.INSPECT),
    Row("GET", f"{_CONTEXT}/orphans", P.CALL),
    Row("GET", f"{_CONTEXT}/access-log", P.INSPECT),
    Row("GET", f"{_CONTEXT}/export", P.CALL),
    Row("POST", "/v1/contexts/import", P.CALL, {}),
    Row("GET", "/v1/schemas", P.CALL),
    Row("GET", "/v1/schemas/{schema}", P.CALL),
    Row("GET", "/v1/schemas/{schema}/{version}", P.CALL),
    # The same name is another schema in another tenant.
    Row("PUT", "/v1/schemas/{schema}/{version}", P.PUBLISH, {"type": 7}, theirs=None),
    Row("GET", "/v1/sessions/{session}", P.INSPECT),
    Row("DELETE", "/v1/sessions/{session}", P.CALL),
    Row("GET", "/v1/prompts", P.CALL),
    Row("POST", "/v1/prompts/{name}/render", P.CALL, {"variables": {"text": "x"}}),
    Row("POST", "/v1/prompts/{name}/completions", P.CALL, {"variables": {"text": "x"}}),
    Row("GET", "/v1/apis", P.CALL),
    Row("GET", "/v1/apis/openapi.json", P.CALL),
    Row("POST", "/v1/apis/{slug}", P.CALL, {"text": "x"}),
    Row("POST", "/v1/apis/{slug}/{major}", P.CALL, {"text": "x"}),
    Row("POST", "/v1/tokens/count", P.CALL, {}),
    Row("GET", "/v1/me", P.INSPECT),
    Row("GET", "/v1/me/usage", P.INSPECT),
    Row("GET", "/v1/me/limits", P.INSPECT),
    Row("POST", "/v1/feedback", P.CALL, {"call_id": "x"}),
    Row("GET", "/v1/me/requests", P.CALL),
    Row("POST", "/v1/me/requests", P.CALL, {"nothing": 1}),
    Row("GET", "/admin/v1/prompts", P.VIEW),
    Row("POST", "/admin/v1/prompts", P.PUBLISH, {"name": "../x"}),
    Row("GET", _PROMPT, P.VIEW),
    Row("GET", f"{_PROMPT}/versions/{{number}}", P.VIEW),
    Row("GET", f"{_PROMPT}/versions/{{number}}/file", P.VIEW),
    Row("GET", f"{_PROMPT}/diff", P.VIEW),
    Row("GET", f"{_PROMPT}/history", P.VIEW),
    Row("GET", f"{_PROMPT}/gates", P.VIEW),
    Row("GET", f"{_PROMPT}/callers", P.VIEW),
    Row("POST", f"{_PROMPT}/versions/{{number}}/render", P.PUBLISH, {"variables": {"text": "x"}}),
    Row("POST", f"{_PROMPT}/versions/{{number}}/publish", P.PUBLISH),
    Row("POST", f"{_PROMPT}/versions/{{number}}/evaluate", P.PUBLISH, {"cases": [{"vars": {"text": "x"}}]}),
    Row("PUT", _LABEL, P.PUBLISH, {"version": 1}),
    Row("DELETE", _LABEL, P.PUBLISH),
    Row("POST", f"{_LABEL}/approve", P.PUBLISH),
    Row("POST", f"{_LABEL}/rollback", P.ROLL_BACK),
    Row("GET", f"{_LABEL}/rollout", P.VIEW),
    Row("POST", f"{_LABEL}/rollout", P.PUBLISH, {"candidate": 2}),
    Row("POST", f"{_LABEL}/rollout/step", P.PUBLISH),
    Row("POST", f"{_LABEL}/rollout/pause", P.ROLL_BACK),
    Row("POST", f"{_LABEL}/rollout/resume", P.PUBLISH),
    Row("POST", f"{_LABEL}/rollout/promote", P.PUBLISH),
    Row("POST", f"{_LABEL}/rollout/abort", P.ROLL_BACK),
    Row("POST", f"{_PROMPT}/deprecate", P.PUBLISH, {"version": 1}),
    Row("POST", f"{_PROMPT}/retire", P.PUBLISH, {"version": 1}),
    Row("GET", "/admin/v1/prompt-archive", P.VIEW),
    Row("POST", "/admin/v1/prompt-archive", P.PUBLISH, {}),
    Row("GET", "/admin/v1/targets", P.VIEW),
    Row("GET", "/admin/v1/config", P.VIEW),
    Row("GET", "/admin/v1/keys", P.ADMINISTER),
    Row("POST", "/admin/v1/keys", P.ADMINISTER, {"name": ""}),
    Row("GET", "/admin/v1/keys/{key_id}", P.ADMINISTER),
    Row("POST", "/admin/v1/keys/{key_id}/rotate", P.ADMINISTER, {"overlap_s": 60}),
    Row("PUT", "/admin/v1/keys/{key_id}/allow", P.ADMINISTER, {"allow": ["x"]}),
    Row("DELETE", "/admin/v1/keys/{key_id}", P.ADMINISTER),
    Row("GET", "/admin/v1/access-requests", P.OPERATE),
    Row("GET", "/admin/v1/access-audit", P.OPERATE),
    Row("POST", "/admin/v1/access-requests/{request_id}/approve", P.OPERATE),
    Row("POST", "/admin/v1/access-requests/{request_id}/deny", P.OPERATE),
    Row("PATCH", "/admin/v1/keys/{key_id}", P.ADMINISTER, {"note": "x"}),
    Row("GET", "/admin/v1/key-audit", P.ADMINISTER),
    Row("GET", "/admin/v1/limits", P.VIEW),
    Row("GET", "/admin/v1/limits-audit", P.OPERATE),
    Row("GET", _LIMIT, P.VIEW),
    Row("PUT", _LIMIT, P.OPERATE, {"concurrent": 9}),
    Row("DELETE", _LIMIT, P.OPERATE),
    Row("GET", "/admin/v1/usage", P.VIEW),
    Row("GET", "/admin/v1/ledger", P.VIEW),
    Row("GET", "/admin/v1/ledger/sums", P.VIEW),
    # Proves books and changes nothing.
    Row("POST", "/admin/v1/reconcile", P.VIEW),
    Row("GET", "/admin/v1/tokens/calibration", P.VIEW),
    Row("GET", "/admin/v1/calls", P.VIEW, own_calls=True),
    Row("GET", "/admin/v1/calls/{call_id}", P.VIEW),
    Row("GET", "/admin/v1/calls/{call_id}/content", P.ADMINISTER),
    Row("GET", "/admin/v1/calls/export", P.VIEW, own_calls=True),
    Row("GET", "/admin/v1/calls/questions", P.VIEW),
    Row("GET", "/admin/v1/calls/questions/{question}", P.VIEW, theirs=None),
    # A SELECT, in a body because it is long.
    Row("POST", "/admin/v1/calls/query", P.ADMINISTER, {"sql": ""}),
    Row("GET", "/admin/v1/events", P.VIEW),
    Row("GET", "/admin/v1/webhooks", P.VIEW),
    Row("GET", "/admin/v1/issuers", P.ADMINISTER),
    Row("POST", "/admin/v1/issuers/{issuer}/refresh", P.ADMINISTER),
)


def routes_of(app: Litestar) -> Iterator[tuple[str, str, object]]:
    """Method, path and declared permission of every handler, those of ASGI with the method `*`."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]
            methods = getattr(handler, "http_methods", None)
            # Litestar adds an OPTIONS handler to each route, which names the methods and touches nothing of ours.
            if methods != {"OPTIONS"}:
                for method in methods or {"*"}:
                    path = _PARTS.sub("{name}", _KIND.sub("}", route.path))
                    yield method, path, handler.opt.get("permission")


def application() -> Litestar:
    """The application as a worker builds it, with keys and without a store."""
    secrets = Secrets(pepper=Secret("p" * 64), context_keys={"k1": Secret("c" * 64)})
    front = create_app(
        Loaded(settings=defaults({})), {}, state_url=Secret("unix:///nowhere"), secrets=secrets
    )
    assert isinstance(front, Front)
    assert isinstance(front.app, Litestar)
    return front.app
