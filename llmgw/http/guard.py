"""The control plane's lock: no route without a declared permission, no permission without a key that holds it."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from llmgw.http.auth import Authenticator
from llmgw.http.permissions import Permission, require
from llmgw.types.errors import PermissionDenied


def make_guard(authenticator: Authenticator) -> Guard:
    """Make the guard over every ordinary handler; it denies what declares nothing.

    A function and not an object, because Litestar copies guards deeply and everything they hold with them.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        permission = handler.opt.get("permission")
        if permission is None:
            # Only the framework's own OPTIONS handlers come here: a test sees to it that ours declare theirs.
            raise PermissionDenied("this route is not open to anybody")
        if permission is not Permission.PUBLIC:
            caller = await authenticator.caller(
                dict(connection.scope["headers"]), connection.scope.get("client")
            )
            require(caller, permission)
            connection.state.caller = caller

    return guard
