"""The MACs of what is stored are HMAC-SHA-256, whoever computes them."""

import hmac

import pytest
from llmgw.context.integrity.mac import mac


@pytest.mark.parametrize("length", [0, 1, 32, 63, 64, 65, 200])
def test_a_mac_is_that_of_the_standard_library(length: int) -> None:
    """Keys of every length give the MACs that the standard library computes, one message after the other."""
    key = bytes(range(length))
    for message in (b"", b"a", b"message" * 100):
        assert mac(key, message) == hmac.digest(key, message, "sha256")
