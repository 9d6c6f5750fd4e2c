"""The leases of this room."""

from llmgw.state.connection import State
from llmgw.state.lease import LEASE_MS, Lease


def signal_lease(state: State, name: str, kept_ms: int = LEASE_MS) -> Lease:
    """A lease whose key, like what is written under it, is in the slot of all of this room."""
    return Lease(state, f"llmgw:{{signals}}:lease:{name}", kept_ms)
