"""Whose keys and requests an administrator reaches."""

from llmgw.types.call import DEFAULT_TENANT, Caller


def reach_of(caller: Caller) -> str | None:
    """The only tenant it reaches; None is all of them, which an admin of the default tenant does."""
    return None if caller.role == "admin" and caller.tenant == DEFAULT_TENANT else caller.tenant
