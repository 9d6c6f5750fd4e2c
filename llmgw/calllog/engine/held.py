"""What an engine has already of the rows that are in no segment, as its worker knows it: only the rest is sent."""

from typing import Final

from msgspec.structs import replace

from llmgw.calllog.engine.frames import Ask, Export, Find, Operation, Page, Source, Sql

MOST: Final = 16 * 1024 * 1024
"""Bytes of a dataset up to which the worker remembers what it sent; of more it sends all of it each time."""


class Held:
    """For one process of an engine, from its start on; what it was not sent, or was told to drop, is not held."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[bytes, int]] = {}
        self._last = 0

    def clear(self) -> None:
        """It has nothing, as after its start."""
        self._numbers.clear()

    def rest_of(self, operation: Operation) -> Operation:
        """The operation with what the engine does not have yet; from now on it has all of it, and nothing else."""
        match operation:
            case Sql():
                return replace(operation, sources=tuple(map(self._rest, operation.sources)))
            case Page() | Find() | Ask() | Export():
                return replace(operation, source=self._rest(operation.source))
            case _:
                return operation

    def _rest(self, source: Source) -> Source:
        before, now = self._numbers.get(source.dataset, {}), dict[bytes, int]()
        held, fresh = list[int](), list[bytes]()
        for lines in source.lines:
            if lines in now:
                continue
            number = before.get(lines)
            if number is None:
                self._last = number = self._last + 1
                fresh.append(lines)
            else:
                held.append(number)
            now[lines] = number
        remembered = sum(map(len, now)) <= MOST
        self._numbers[source.dataset] = now if remembered else {}
        numbers = tuple(now[lines] for lines in fresh)
        return replace(source, lines=tuple(fresh), numbers=numbers, held=tuple(held))
