"""Which tool call a piece of a stream belongs to."""

from llmgw.types.event import ToolCallDelta
from llmgw.types.json import Json


class CallNumbers:
    """Which of our tool call numbers a piece belongs to, for hosts that number oddly."""

    __slots__ = ("_by_index", "_ids", "_named")

    def __init__(self) -> None:
        self._by_index: dict[int, int] = {}
        self._ids: list[str | None] = []
        self._named: list[bool] = []

    def number(self, index: Json, delta: ToolCallDelta) -> int:
        """Find the call; a new id with a name under a used index is a new call (Gemini sends 0 for all of them)."""
        if not isinstance(index, int):
            index = self._index_without_one(delta)
        known = self._by_index.get(index)
        opens = delta.id is not None and delta.name is not None
        if known is None or (opens and self._named[known] and self._ids[known] != delta.id):
            known = self._by_index[index] = len(self._ids)
            self._ids.append(delta.id)
            self._named.append(delta.name is not None)
        else:
            self._ids[known] = self._ids[known] or delta.id
            self._named[known] = self._named[known] or delta.name is not None
        return known

    def _index_without_one(self, delta: ToolCallDelta) -> int:
        for index, known in self._by_index.items():
            if delta.id is not None and self._ids[known] == delta.id:
                return index
        last = max(self._by_index, default=-1)
        return last + 1 if delta.id is not None or last < 0 else last
