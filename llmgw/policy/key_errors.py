"""What is said of keys that cannot be used or found, in one place so that it is the same whatever the cause."""

from typing import Literal

from llmgw.types.errors import InvalidApiKey, KeyConflict, NotFound


def wrong_key() -> InvalidApiKey:
    """A key that opens nothing; why is not said."""
    return InvalidApiKey("this API key is not valid: it was never issued, or it has expired or been revoked")


def no_key() -> NotFound:
    """An id that no key in reach has."""
    return NotFound("there is no such key")


def key_over(why: Literal["revoked", "expired"]) -> KeyConflict:
    """A key that has ended, and stays so."""
    return KeyConflict(f"the key is {why}: make another one")
