"""Embeddings without a model: texts that share words have vectors that point the same way."""

import hashlib
import math
import sys
from array import array
from functools import lru_cache

from llmgw.simulator import facts

DIMENSIONS = 1536
MOST_DIMENSIONS = 4096
_OWN_WEIGHT = 0.25
"""How much a text is itself, beside its words: enough to tell apart two orders of the same words."""


def embed(text: str, dimensions: int) -> "array[float]":
    """Give the unit vector of a text, as 32-bit floats."""
    total = [component * _OWN_WEIGHT for component in _direction(f"={text}", dimensions)]
    for word in facts.words(text):
        total = [one + other for one, other in zip(total, _direction(word, dimensions), strict=True)]
    length = math.sqrt(sum(component * component for component in total)) or 1.0
    return array("f", (component / length for component in total))


def little_endian(vector: "array[float]") -> bytes:
    """Give the vector's bytes as OpenAI's `base64` format has them before encoding."""
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return vector.tobytes()


@lru_cache(maxsize=2048)
def _direction(word: str, dimensions: int) -> "array[int]":
    """Give a word its direction: components between -32768 and 32767, drawn from its digest."""
    digest = array("h")
    digest.frombytes(hashlib.shake_128(word.encode()).digest(2 * dimensions))
    if sys.byteorder == "big":
        digest.byteswap()
    return digest
