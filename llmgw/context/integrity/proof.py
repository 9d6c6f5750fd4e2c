"""That stored turns are those that were stored, in their order, and none is missing: link by link."""

from collections.abc import Iterable, Iterator

from llmgw.context.integrity.chain_keys import ChainKeys, UnknownKey
from llmgw.context.integrity.frame import Damaged, Frame, LaterVersion, decode, digest_of, link_of


class BadTurn(Exception):
    """The first turn that is not what was stored, and why."""

    def __init__(self, seq: int, reason: str) -> None:
        super().__init__(f"turn {seq}: {reason}")
        self.seq = seq
        self.reason = reason


class Unprovable(Exception):
    """Nothing can be said of a turn here: its key is not at hand, or a later gateway stored it."""


def proven(
    keys: ChainKeys, tenant: str, frames: Iterable[bytes], first: int, before: bytes
) -> Iterator[Frame]:
    """Take frames apart, each as soon as it is proven to follow the one before; `before` is the link to begin with.

    Raises:
        BadTurn: one does not.
        Unprovable: it was signed with a key that is not here, or is of a later version.
    """
    key_id, key = None, b""
    for seq, stored in enumerate(frames, first):
        try:
            found = decode(stored)
            if found.key_id != key_id:
                key_id, key = found.key_id, keys.chain(tenant, found.key_id)
        except LaterVersion as error:
            raise Unprovable(f"turn {seq} is {error}: a later gateway stored it") from None
        except Damaged as error:
            raise BadTurn(seq, str(error)) from None
        except UnknownKey as error:
            raise Unprovable(
                f"turn {seq} is signed with the key {error}, which is not among contexts.keys"
            ) from None
        digest = found.digest
        if digest_of(found.salt, found.body) != digest and not found.redacted:
            raise BadTurn(seq, "its bytes are not those that were stored")
        link = link_of(key, before, digest, found.meta)
        if link != found.link:
            raise BadTurn(seq, "it does not follow the turn before it")
        before = link
        yield found
