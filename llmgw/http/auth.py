"""Who is calling: from the headers of a request to a `Caller`."""

import logging
from collections.abc import Mapping
from typing import Final

from llmgw.policy.issuers import Issuers
from llmgw.policy.keyring import Keyring
from llmgw.policy.wrong_keys import WrongKeys
from llmgw.types.call import ANYBODY, Caller
from llmgw.types.errors import InvalidApiKey

_log: Final = logging.getLogger(__name__)


class Authenticator:
    """Finds the caller of a request; without a key ring, everybody is let in.

    What looks like a token is one where there are issuers. Wrong keys are counted by the address they come from.
    """

    def __init__(
        self, keyring: Keyring | None, issuers: Issuers | None = None, wrong: WrongKeys | None = None
    ) -> None:
        self._keyring = keyring
        self._issuers = issuers
        self._wrong = wrong

    async def caller(self, headers: Mapping[bytes, bytes], client: tuple[str, int] | None = None) -> Caller:
        """Return who holds the key of this request; `client` is where it comes from.

        Raises:
            InvalidApiKey: no key, or one nobody issued.
            TooManyWrongKeys: one nobody issued, after many others from there.
            PermissionDenied: a token that opens nothing here.
            StoreUnavailable: the key cannot be checked now.
            IssuerUnavailable: the token cannot be checked now.
        """
        keyring, issuers = self._keyring, self._issuers
        if keyring is None:
            return ANYBODY
        key = presented_key(headers)
        try:
            if issuers is not None and issuers.takes(key) and not keyring.is_bootstrap(key):
                return issuers.cached(key) or await issuers.authenticate(key)
            return await keyring.holder(key)
        except InvalidApiKey as error:
            if self._wrong is not None:
                self._wrong.count("" if client is None else client[0])
            if error.__cause__ is not None:
                _log.info("a token was refused: %s", error.__cause__)
            raise


def presented_key(headers: Mapping[bytes, bytes]) -> str:
    """Read the key from where the common SDKs put it.

    `Authorization: Bearer` (OpenAI; Anthropic from 2.0), `x-api-key` (Anthropic before), `api-key` (Azure).

    Raises:
        InvalidApiKey: there is none.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(b" ")
        key = key.strip()
        if key and scheme.lower() == b"bearer":
            return key.decode("latin-1")
    else:
        for name in (b"x-api-key", b"api-key"):
            if headers.get(name):
                return headers[name].decode("latin-1")
    raise InvalidApiKey(
        "no API key: send it as 'Authorization: Bearer <key>' (make one with 'llmgw keys create')"
    )
