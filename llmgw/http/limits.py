"""Limits and budgets, for those who set them: `/admin/v1/limits` and their audit."""

from typing import Any, Final

from litestar import Response, delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from llmgw.http.asked import HttpRequest, answer, body_of, caller_of
from llmgw.http.permissions import Permission
from llmgw.http.reach import reach_of
from llmgw.policy.rules.rule_store import NOTHING, Change
from llmgw.policy.rules.rules import Entry, Rules
from llmgw.policy.rules.terms import Subject, SubjectLimits, amount_problem, subject_problem
from llmgw.types.call import Caller
from llmgw.types.errors import InvalidRequest, NotFound, PermissionDenied

MAX_BODY: Final = 16 * 1024
_ROOT: Final = "/admin/v1/limits"
# A tag may have slashes; the framework keeps the word scope to itself.
_ONE: Final = f"{_ROOT}/{{tenant:str}}/{{kind:str}}/{{name:path}}"


def limit_routes(rules: Rules) -> list[HTTPRouteHandler]:
    """Make the routes; another tenant's limits are not there."""

    @get(_ROOT, opt={"permission": Permission.VIEW})
    async def limits(request: HttpRequest) -> Response[bytes]:
        reach, asked = reach_of(caller_of(request)), request.query_params.get("tenant")
        entries = [
            _told(each)
            for each in await rules.entries()
            if reach in {None, each.tenant} and asked in {None, each.tenant}
        ]
        base = rules.configured
        defaults = {
            name: getattr(base, name) for name in ("default_max_tokens", "on_headroom", "degraded", "lapse")
        }
        return answer({"defaults": defaults, "limits": entries})

    @get("/admin/v1/limits-audit", opt={"permission": Permission.OPERATE})
    async def audit(request: HttpRequest) -> Response[bytes]:
        return answer(await rules.history(reach_of(caller_of(request))))

    @get(_ONE, opt={"permission": Permission.VIEW})
    async def show(
        request: HttpRequest, tenant: FromPath[str], kind: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        return _left(await rules.find(_subject(request, tenant, kind, name)))

    return [limits, audit, show, *_changing_routes(rules)]


def _changing_routes(rules: Rules) -> list[HTTPRouteHandler]:
    @put(_ONE, request_max_body_size=MAX_BODY, opt={"permission": Permission.OPERATE})
    async def set_limits(
        request: HttpRequest, tenant: FromPath[str], kind: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        subject = _subject(request, tenant, kind, name)
        wanted = await body_of(request, SubjectLimits)
        amount = amount_problem(wanted)
        if amount is not None:
            raise InvalidRequest(amount[1], param=f"budgets.{amount[0]}")
        _require_right(caller_of(request), subject, wanted)
        await rules.change(_change(rules, request, subject, wanted))
        return _left(await rules.find(subject))

    @delete(_ONE, status_code=200, opt={"permission": Permission.OPERATE})
    async def unset_limits(
        request: HttpRequest, tenant: FromPath[str], kind: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        subject = _subject(request, tenant, kind, name)
        _require_right(caller_of(request), subject, None)
        await rules.change(_change(rules, request, subject, None))
        configured = rules.of_settings(subject)
        return answer({**subject._asdict(), "removed": True, "settings": configured})

    return [set_limits, unset_limits]


def _subject(request: HttpRequest, tenant: str, kind: str, name: str) -> Subject:
    """Read whose limits are meant.

    Raises:
        NotFound: another tenant's, whatever is asked of it.
        InvalidRequest: nobody can be meant.
    """
    if reach_of(caller_of(request)) not in {None, tenant}:
        raise _nothing()
    subject = Subject(tenant, kind, str(name).removeprefix("/"))  # type: ignore[arg-type]  # looked at next
    problem = subject_problem(subject)
    if problem is not None:
        raise InvalidRequest(problem[1], param=problem[0])
    return subject


def _require_right(caller: Caller, subject: Subject, wanted: SubjectLimits | None) -> None:
    """Refuse to let those who are held to limits loosen them.

    Raises:
        PermissionDenied: somebody else has to do this.
    """
    if reach_of(caller) is not None:
        if subject.scope == "tenant":
            raise PermissionDenied("what a tenant may take as a whole an admin of the tenant default says")
        if wanted is not None and (wanted.degraded == "allow" or wanted.lapse == "release"):
            raise PermissionDenied(
                "'degraded: allow' and 'lapse: release' let calls go uncharged: an admin of the tenant default "
                "says so"
            )
    if subject.scope == "key" and subject.name == caller.key_id and caller.role != "admin":
        raise PermissionDenied("somebody else has to decide what your own key may take")


def _change(rules: Rules, request: HttpRequest, subject: Subject, wanted: SubjectLimits | None) -> Change:
    return Change(
        subject=subject,
        limits=wanted,
        who=caller_of(request).key_id,
        expected=_expected(request),
        configured=rules.of_settings(subject),
    )


def _expected(request: HttpRequest) -> str | None:
    """The entity tag that must be there; `If-None-Match: *` is for who would set what is not set yet."""
    written = request.headers.get("if-match", "").strip()
    if not written and request.headers.get("if-none-match", "").strip() == "*":
        return NOTHING
    return None if written in {"", "*"} else written.removeprefix('"').removesuffix('"')


def _told(entry: Entry) -> dict[str, Any]:
    return {**{name: getattr(entry, name) for name in entry.__struct_fields__}, "etag": entry.etag}


def _left(entry: Entry | None) -> Response[bytes]:
    if entry is None:
        raise _nothing()
    return answer(_told(entry), etag=entry.etag)


def _nothing() -> NotFound:
    return NotFound("there are no limits of this subject")
