"""What a route asks of its caller: every route declares one permission, and a role holds a set of them."""

from enum import StrEnum

from llmgw.types.call import Caller, Role
from llmgw.types.errors import PermissionDenied


class Permission(StrEnum):
    """One right; `PUBLIC` asks for no key at all, `INSPECT` shows what happened but nothing that was said.

    `ROLL_BACK` takes prompts back to what was served before, and nowhere else: for whoever is on call.
    """

    PUBLIC = "public"
    CALL = "call"
    INSPECT = "inspect"
    PUBLISH = "publish"
    ROLL_BACK = "roll_back"
    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"


_HELD: dict[Role, frozenset[Permission]] = {
    "viewer": frozenset({Permission.INSPECT, Permission.VIEW}),
    "caller": frozenset({Permission.CALL, Permission.INSPECT}),
    "publisher": frozenset({
        Permission.CALL, Permission.INSPECT, Permission.PUBLISH, Permission.ROLL_BACK, Permission.VIEW,
    }),
    "operator": frozenset({
        Permission.CALL, Permission.INSPECT, Permission.VIEW, Permission.ROLL_BACK, Permission.OPERATE,
    }),
    "admin": frozenset(Permission),
}  # fmt: skip


def held_by(caller: Caller) -> list[Permission]:
    """What a caller may do, as it is told to it."""
    kept = {Permission.PUBLIC} if caller.may_call else {Permission.PUBLIC, Permission.CALL}
    return sorted(_HELD[caller.role] - kept)


def require(caller: Caller, permission: Permission) -> None:
    """Let the caller pass or raise.

    Raises:
        PermissionDenied: the caller's role does not hold the permission, or it is a token that may not call.
    """
    if permission not in _HELD[caller.role]:
        raise PermissionDenied(f"this key's role, {caller.role}, does not allow this: it needs {permission}")
    if permission is Permission.CALL and not caller.may_call:
        raise PermissionDenied(
            "tokens of this issuer are for the control plane alone: call with an API key, or let its settings say "
            "'calls: true'"
        )
