"""Documents beside the turns: signed, each for its context and its place, so that none can be altered or moved."""

import hmac
from typing import Final

from llmgw.context.integrity.chain_keys import KEY_ID, ChainKeys, UnknownKey
from llmgw.context.integrity.mac import mac
from llmgw.context.storage.names import Keys
from llmgw.types.context_errors import IntegrityFailed

_MAC: Final = 32


def sealed(chain_keys: ChainKeys, keys: Keys, place: str, body: bytes) -> bytes:
    """Write a document for one place in a context: `key-id:`, 32 bytes of HMAC-SHA-256, and the document."""
    key_id = chain_keys.current
    return key_id.encode() + b":" + _mac(chain_keys, keys, place, key_id, body) + body


def unsealed(chain_keys: ChainKeys, keys: Keys, place: str, stored: bytes) -> bytes:
    """Read a document.

    Raises:
        IntegrityFailed: it was not written so, or not for this place, or with a key that is not here.
    """
    written, _, rest = stored.partition(b":")
    signature, body = rest[:_MAC], rest[_MAC:]
    key_id, what = written.decode("ascii", "replace"), place.partition(":")[0]
    if KEY_ID.fullmatch(key_id):
        try:
            if hmac.compare_digest(signature, _mac(chain_keys, keys, place, key_id, body)):
                return body
        except UnknownKey:
            raise IntegrityFailed(
                f"the {what} is signed with a key that is not here: is one missing in contexts.keys?"
            ) from None
    raise IntegrityFailed(f"the {what} is not what was stored")


def _mac(chain_keys: ChainKeys, keys: Keys, place: str, key_id: str, body: bytes) -> bytes:
    key = chain_keys.chain(keys.tenant, key_id)
    return mac(key, f"{place}\0{keys.context}\0".encode() + body)
