"""Where a context's chain begins, and whose turns come before its own.

A context that was made from nothing has one beginning. A fork has its parent's beginnings and one of its own,
at the turn where it left: turns before it lie in the contexts they were stored in.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.mac import mac

_LABEL: Final = b"llmgw/context/1/genesis"


class Genesis(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One beginning: of `context`, made at `created` (unix milliseconds), before turn `at`.

    A fork's names its `parent` and the link its parent's chain had come to.
    """

    context: str
    created: int
    key_id: str
    at: int = 0
    parent: str = ""
    head: str = ""


_decode = msgspec.json.Decoder(tuple[Genesis, ...]).decode
_encode = msgspec.json.Encoder().encode


def link_of_genesis(keys: ChainKeys, tenant: str, genesis: Genesis) -> bytes:
    """The link that a context's first own turn follows: it binds the chain to this context and no other.

    Raises:
        UnknownKey: its key is not here.
    """
    said = _encode((tenant, genesis.context, genesis.created, genesis.at, genesis.parent, genesis.head))
    return mac(keys.chain(tenant, genesis.key_id), _LABEL + said)


def encode(lineage: Sequence[Genesis]) -> bytes:
    """Write a lineage as it is stored."""
    return _encode(lineage)


def decode(stored: bytes) -> tuple[Genesis, ...]:
    """Read a lineage.

    Raises:
        ValueError: it is none.
    """
    lineage = _decode(stored)
    if not lineage or [each.at for each in lineage] != sorted(each.at for each in lineage):
        raise ValueError("a lineage without order")
    return lineage


def home_of(lineage: Sequence[Genesis], seq: int) -> int:
    """Which member of the lineage holds a turn."""
    return max(place for place, each in enumerate(lineage) if each.at <= seq)
