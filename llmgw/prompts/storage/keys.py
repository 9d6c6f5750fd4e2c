"""What the registry is called in the store: one hash slot for all of it, so that a change is one step."""

from typing import Final

_HEAD: Final = "llmgw:{prompts}"
EPOCH: Final = f"{_HEAD}:epoch"
"""Drawn once in a store's life: a store without it lost its prompts, or never had any."""
GENERATION: Final = f"{_HEAD}:generation"
"""Counts changes, of all tenants."""
CHANGED: Final = f"{_HEAD}:changed"
"""Each prompt by the generation of its last change."""
HEADS: Final = f"{_HEAD}:heads"
"""By tenant, how many events its audit has and the digest of the last."""
CHANNEL: Final = f"{_HEAD}:moved"
"""Where each new generation is told."""

_SEPARATOR: Final = "\x00"


def prompt(tenant: str, name: str) -> str:
    """The hash of one prompt: `info`, `stamp`, `c:` and `g:` with a content's hash for it and its evaluations."""
    return f"{_HEAD}:p:{tenant}:{name}"


def audit(tenant: str) -> str:
    """The list of a tenant's events."""
    return f"{_HEAD}:audit:{tenant}"


def slugs(tenant: str) -> str:
    """The hash that says which prompt is served at which API's address."""
    return f"{_HEAD}:slugs:{tenant}"


def calls(tenant: str, name: str) -> str:
    """The hash of a prompt's callers."""
    return f"{_HEAD}:calls:{tenant}:{name}"


def arms(tenant: str, rollout: str) -> str:
    """The hash of the two sides of a rollout."""
    return f"{_HEAD}:arms:{tenant}:{rollout}"


def flushed(worker: str) -> str:
    """The number of the last batch of counts that a worker has added."""
    return f"{_HEAD}:flushed:{worker}"


def member(tenant: str, name: str) -> str:
    """A prompt among all."""
    return f"{tenant}{_SEPARATOR}{name}"


def split_member(found: bytes) -> tuple[str, str]:
    """Tenant and name of a prompt among all."""
    tenant, _, name = found.decode("utf-8", "replace").partition(_SEPARATOR)
    return tenant, name
