"""Digests of what a model is given besides or before a turn: some seals hold behind that alone."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

from llmgw.types import json
from llmgw.types.invocation import ChatInvocation


class Prefix:
    """Digests of what stands before a turn: which turns are left out before it, and which tools there are."""

    __slots__ = ("_known", "_left_out", "_tools")

    def __init__(self, tools: str, left_out: Sequence[int]) -> None:
        self._tools = tools
        self._left_out = left_out
        self._known: dict[int, str] = {}

    def __call__(self, seq: int) -> str:
        """The digest of what stands before turn `seq`."""
        if not self._left_out:
            return whole_prefix(self._tools)
        count = bisect_left(self._left_out, seq)
        digest = self._known.get(count)
        if digest is None:
            digest = self._known[count] = _prefix_digest(self._tools, self._left_out[:count])
        return digest


@lru_cache(maxsize=256)
def whole_prefix(tools: str) -> str:
    """The digest of what stands before any turn where none is left out."""
    return _prefix_digest(tools, [])


def _prefix_digest(tools: str, left_out: Sequence[int]) -> str:
    return hashlib.blake2b(tools.encode() + json.encode(left_out), digest_size=16).hexdigest()


def toolset_digest(invocation: ChatInvocation) -> str:
    """The digest of the tools a call offers; empty without any."""
    if not invocation.tools:
        return ""
    return f"sha256:{hashlib.sha256(json.encode(invocation.tools)).hexdigest()}"
