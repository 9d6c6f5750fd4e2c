"""A worker's way to the counting process."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmgw.accounting.counting.frames import Counts, Texts
from llmgw.state.local import Connection, connect, receive, send
from llmgw.types.errors import InternalError

_TIMEOUT_S: Final = 60.0
_SILENT_S: Final = 60.0
"""For so long a process that did not answer in time is not asked again: each who waits keeps a thread from others,
who have the addresses of providers looked up there."""


class Away(Exception):  # what happened
    """Nobody counts there."""


class CountingClient:
    """Has texts counted by the process behind a Unix socket; each thread that asks has a connection to itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._resting: list[Connection] = []
        self._silent_until = 0.0

    def counts(self, vocabulary: str, texts: Sequence[str]) -> list[int]:
        """How many tokens each text is.

        Raises:
            Away: there is no such process and none is started, or it does not answer in time, or did not lately.
            InternalError: the installed vocabulary is damaged.
        """
        if time.monotonic() < self._silent_until:
            raise Away("it did not answer")
        asked = Texts(vocabulary, list(texts))
        try:
            # The process may have ended when nobody asked for long, and what rests here leads to it. One that is
            # there and does not answer is not asked the same by another way: each would wait as long.
            while (resting := self._rested()) is not None:
                with contextlib.suppress(ConnectionError, EOFError):
                    return self._asked(resting, asked)
            return self._asked(connect(self._path, _TIMEOUT_S), asked)
        except TimeoutError:
            self._silent_until = time.monotonic() + _SILENT_S
            raise Away("it does not answer") from None
        except (OSError, EOFError) as error:
            raise Away(str(error) or "it ended") from None

    def close(self) -> None:
        """Hang up; it may be asked again."""
        while (resting := self._rested()) is not None:
            resting.close()

    def _rested(self) -> Connection | None:
        try:
            return self._resting.pop()
        except IndexError:
            return None

    def _asked(self, connection: Connection, asked: Texts) -> list[int]:
        try:
            try:
                send(connection, asked)
            except UnicodeEncodeError:
                send(connection, Texts(asked.vocabulary, [*map(_whole, asked.texts)]))
            found = receive(connection, Counts)
        except BaseException:
            connection.close()
            raise
        self._resting.append(connection)
        if found.problem:
            raise InternalError(found.problem)
        return found.counts


def _whole(text: str) -> str:
    """A text with a mark in the place of each half of a character, as the vocabularies read it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
