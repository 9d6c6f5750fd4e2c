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


def held_by(role: Role) -> list[Permission]:
    """What a role may do, as it is told to its holder."""
    return sorted(_HELD[role] - {Permission.PUBLIC})


def require(caller: Caller, permission: Permission) -> None:
    """Let the caller pass or raise.

    Raises:
        PermissionDenied: the caller's role does not hold the permission.
    """
    if permission not in _HELD[caller.role]:
        raise PermissionDenied(f"this key's role, {caller.role}, does not allow this: it needs {permission}")
