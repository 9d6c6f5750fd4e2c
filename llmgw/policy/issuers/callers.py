"""From the claims of a token that is believed to a caller."""

import hashlib
from typing import Any, Final

from llmgw.policy.issuers.rules import RANKS, Issuer
from llmgw.policy.keys import NAME_MAX, is_plain
from llmgw.types.call import TENANT, Caller, Role
from llmgw.types.errors import PermissionDenied

_DIGITS: Final = 16
"""Hexadecimal digits of a subject's digest: 64 bits tell apart all that one issuer has."""


def caller_of(claims: dict[str, Any], issuer: Issuer, ends_s: float) -> Caller:
    """Say who calls.

    Raises:
        PermissionDenied: the settings give such a token no role, or it names no tenant.
    """
    # The issuer is part of what is digested: a name given to another one later is not the same caller.
    about = f"{issuer.issuer}\0{claims['sub']}".encode("utf-8", "surrogatepass")
    key_id = f"jwt:{issuer.name}:{hashlib.sha256(about).hexdigest()[:_DIGITS]}"
    name = claim(claims, issuer.name_claim)
    fit = isinstance(name, str) and 0 < len(name) <= NAME_MAX and is_plain(name)
    return Caller(
        key_id=key_id,
        name=str(name) if fit else key_id,
        role=_role(claims, issuer),
        tenant=_tenant(claims, issuer),
        may_call=issuer.calls,
        expires_ms=round(ends_s * 1000),
    )


def claim(claims: dict[str, Any], name: str) -> Any:
    """Look up a claim by its name, or by a path that begins with a slash; None where there is none."""
    if not name.startswith("/"):
        return claims.get(name)
    found: Any = claims
    for step in name[1:].split("/"):
        member = step.replace("~1", "/").replace("~0", "~")
        found = found.get(member) if isinstance(found, dict) else None
    return found


def _role(claims: dict[str, Any], issuer: Issuer) -> Role:
    said = claim(claims, issuer.role_claim)
    groups = said if isinstance(said, list) else [said]
    given = {issuer.roles[each] for each in groups if isinstance(each, str) and each in issuer.roles}
    for role in RANKS:
        if role in given:
            return role
    if issuer.default is None:
        raise PermissionDenied("this token is good, but the gateway's settings give it no role")
    return issuer.default


def _tenant(claims: dict[str, Any], issuer: Issuer) -> str:
    if issuer.tenant is not None:
        return issuer.tenant
    said = claim(claims, issuer.tenant_claim or "")
    if not isinstance(said, str) or not TENANT.fullmatch(said):
        raise PermissionDenied("this token is good, but it names no tenant")
    return said
