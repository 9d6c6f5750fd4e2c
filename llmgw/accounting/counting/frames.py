"""What workers and the counting process say to each other."""

from msgspec import Struct


class Texts(Struct, frozen=True):
    """Texts to be counted in a vocabulary, each by itself."""

    vocabulary: str
    texts: list[str]


class Counts(Struct, frozen=True):
    """How many tokens each text is; or, with none, why that cannot be told."""

    counts: list[int]
    problem: str = ""
