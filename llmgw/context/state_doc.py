"""Stub."""

from typing import Any

import jsonpatch


def patched(data: Any, patch: Any) -> Any:
    """Stub."""
    return jsonpatch.apply_patch(data, patch)


def merged(base: Any, ours: Any, theirs: Any) -> Any:
    """Stub."""
    return theirs if ours == base else ours
