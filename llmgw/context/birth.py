"""Making contexts: what the hash of a new one says."""

import secrets
from typing import Final

from llmgw.context.chance import drawn
from llmgw.context.integrity import lineage
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.cipher import new_context_key
from llmgw.context.integrity.lineage import Genesis, link_of_genesis
from llmgw.context.kept import encode_json
from llmgw.context.storage.names import Keys
from llmgw.state.connection import Argument
from llmgw.types.context import Metadata, Policy

_NOBODY: Final = ""
_UNLIKE_ANY: Final = 48
"""Bits of the numbers that fence and epoch count from: another context that had this name before had others, so
neither a call that outlived it nor what a worker remembers of it is taken for this one's."""


def new_fields(
    chain_keys: ChainKeys,
    keys: Keys,
    ancestry: tuple[Genesis, ...],
    *,
    policy: Policy,
    ttl_s: int | None,
    encrypt: bool,
    subject: str | None = None,
    metadata: Metadata | None = None,
    imported: str | None = None,
) -> dict[str, Argument]:
    """Write the hash of a context that begins with the last member of its lineage; times are unix milliseconds."""
    genesis = ancestry[-1]
    now = genesis.created
    fields: dict[str, Argument] = {
        "status": "active",
        "rev": 0,
        "turns": genesis.at,
        "base": genesis.at,
        "head": link_of_genesis(chain_keys, keys.tenant, genesis).hex(),
        "fence": secrets.randbits(_UNLIKE_ANY),
        "lease": 0,
        "holder": _NOBODY,
        "epoch": secrets.randbits(_UNLIKE_ANY),
        "created": now,
        "updated": now,
        "policy": encode_json(policy),
        "metadata": encode_json(metadata or {}),
        "lineage": lineage.encode(ancestry),
        "bytes": 0,
        "salt": new_salt(),
        "expires": now + ttl_s * 1000 if ttl_s else 0,
    }
    if subject is not None:
        fields["subject"] = subject
    if imported is not None:
        fields["imported"] = imported
    if encrypt:
        fields["dek"] = new_context_key(chain_keys, keys.tenant, keys.context)
    return fields


def new_salt() -> bytes:
    """Draw a salt; all zeros, which would mark a redacted turn, come once in 2^128 times."""
    return drawn()
