"""Segments on their way from the engine to where they are stored."""

from msgspec import Struct


class Piece(Struct, frozen=True, kw_only=True):
    """The rows of one hour; `partition` is as `date=2026-11-27/hour=13`, in UTC."""

    partition: str
    rows: int
    parquet: bytes
