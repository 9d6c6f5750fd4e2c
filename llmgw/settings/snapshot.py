"""What a configuration was read from, kept as it was then."""

from msgspec import Struct


class Snapshot(Struct, frozen=True, kw_only=True):
    """The text of a settings file, and of the files it refers to by their names in it; all may hold secrets.

    `source` is the path as it was given, or found.
    """

    source: str
    text: str
    files: dict[str, str]

    def __repr__(self) -> str:
        return f"Snapshot({self.source!r})"
