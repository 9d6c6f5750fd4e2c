"""Embeddings without a model."""

import math
from array import array

import pytest
from llmgw.simulator.vectors import embed, little_endian


def cosine(one: str, other: str) -> float:
    """How alike two texts are."""
    return sum(a * b for a, b in zip(embed(one, 256), embed(other, 256), strict=True))


@pytest.mark.parametrize("text", ["hello", "a much longer text, with words", "!!!"])
def test_vectors_have_length_one(text: str) -> None:
    """Every vector is a unit vector of the wished dimension."""
    vector = embed(text, 64)
    assert len(vector) == 64
    assert math.isclose(1.0, math.hypot(*vector), rel_tol=1e-5)


def test_shared_words_bring_texts_closer() -> None:
    """Texts are nearer the more words they share; the same words in another order are near but not equal."""
    assert cosine("the red cat sleeps", "the red cat runs") > cosine(
        "the red cat sleeps", "the green dog runs"
    )
    assert cosine("the green dog runs", "the red cat sleeps") > cosine("a b c", "x y z")
    assert 0.9 < cosine("red cat", "cat red") < 0.9999


def test_bytes_are_the_floats() -> None:
    """The bytes read back as little-endian 32-bit floats are the same numbers."""
    vector = embed("hello", 16)
    assert vector == array("f", little_endian(vector))
