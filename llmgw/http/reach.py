"""Whose keys and requests an administrator reaches."""

from llmgw.http.asked import HttpRequest, caller_of
from llmgw.types.call import DEFAULT_TENANT, TENANT, Caller
from llmgw.types.errors import InvalidRequest, NotFound


def reach_of(caller: Caller) -> str | None:
    """The only tenant it reaches; None is all of them, which an admin of the default tenant does."""
    return None if caller.role == "admin" and caller.tenant == DEFAULT_TENANT else caller.tenant


def tenant_of(request: HttpRequest) -> str | None:
    """The only tenant that is asked for; None for all of them.

    Raises:
        NotFound: it is out of the caller's reach.
        InvalidRequest: it can be no tenant's name.
    """
    reach = reach_of(caller_of(request))
    asked: str | None = request.query_params.get("tenant")
    if asked is None:
        return reach
    if not TENANT.fullmatch(asked):
        raise InvalidRequest("tenant is no tenant's name", param="tenant")
    if reach not in {None, asked}:
        raise NotFound("there is no such tenant")
    return asked
