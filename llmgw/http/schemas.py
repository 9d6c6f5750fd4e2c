"""Stub."""

from typing import Any


def schema_routes(runtime: Any) -> list[Any]:
    """Stub."""
    return []
