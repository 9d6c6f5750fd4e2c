"""Who is calling: from the headers of a request to a `Caller`."""

from collections.abc import Mapping

from llmgw.policy.keyring import Keyring
from llmgw.types.call import ANYBODY, Caller
from llmgw.types.errors import InvalidApiKey


class Authenticator:
    """Finds the caller of a request; without a key ring, everybody is let in."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring

    async def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return who holds the key of this request.

        Raises:
            InvalidApiKey: no key, or one nobody issued.
            StoreUnavailable: the key cannot be checked now.
        """
        if self._keyring is None:
            return ANYBODY
        key = presented_key(headers)
        return self._keyring.cached(key) or await self._keyring.authenticate(key)


def presented_key(headers: Mapping[bytes, bytes]) -> str:
    """Read the key from where the common SDKs put it.

    `Authorization: Bearer` (OpenAI; Anthropic from 2.0), `x-api-key` (Anthropic before), `api-key` (Azure).

    Raises:
        InvalidApiKey: there is none.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and key.strip():
            return key.strip().decode("latin-1")
    else:
        for name in (b"x-api-key", b"api-key"):
            if headers.get(name):
                return headers[name].decode("latin-1")
    raise InvalidApiKey(
        "no API key: send it as 'Authorization: Bearer <key>' (make one with 'llmgw keys create')"
    )
