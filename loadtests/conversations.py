"""Requests that continue stored conversations, each by one call at a time, near the length that is measured.

A call stores two turns, so that no conversation keeps its length: each is used for a few calls around it and then
laid aside for another. Ten turns means 4 to 16 before the call, a hundred 90 to 110, a thousand 950 to 1,050, each
evenly, so that the mean is what the title says.

Warm: the worker has served the conversation before, and those in use are few. Cold: there are more than the worker
can keep, and all have their turn before one comes again, so that none is found in its cache.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from typing import Final

from msgspec import Struct

from loadtests.generator import Shot
from loadtests.requests import WORDS, written
from loadtests.scenarios import Scenario

USES: Final = {10: 7, 100: 11, 1_000: 51}
"""Calls of one conversation by the turns it is to have."""
LEAST: Final = {10: 600, 100: 120, 1_000: 40}
"""Conversations that are more than a cache of one MiB holds, and more than a closed loop has connections."""
_AT_ONCE: Final = 8
_SOON, _STEP = 7, 20
_FINE: Final = range(200, 300)


class Conversation(Struct, kw_only=True):
    """One stored conversation: the request that continues it, how many turns it has, and for how many calls."""

    shot: Shot
    turns: int
    left: int


class Pool:
    """Conversations to be continued; who takes one gives it back after the answer."""

    def __init__(self, *, cold: bool) -> None:
        self.calls = 0
        self.prior_turns = 0
        self._cold = cold
        self._idle: deque[Conversation] = deque()

    def __len__(self) -> int:
        return len(self._idle)

    @property
    def mean_turns(self) -> float:
        """Turns before a call, on average."""
        return self.prior_turns / self.calls if self.calls else 0.0

    @property
    def left(self) -> int:
        """Calls that may be made before conversations grow beyond what is measured."""
        return sum(each.left for each in self._idle)

    def add(self, conversation: Conversation) -> None:
        """Take in another one."""
        self._idle.append(conversation)

    def take(self) -> Conversation:
        """Hand out the one used last, or, cold, the one used longest ago.

        Raises:
            IndexError: all are taken.
        """
        taken = self._idle.popleft() if self._cold else self._idle.pop()
        self.calls += 1
        self.prior_turns += taken.turns
        return taken

    def give(self, conversation: Conversation) -> None:
        """Take back; one that has grown too long is used again only when there is no other."""
        conversation.turns += 2
        conversation.left = max(0, conversation.left - 1)
        if self._cold or conversation.left:
            self._idle.append(conversation)
        else:
            self._idle.appendleft(conversation)


class Refused(Exception):  # what happened
    """The gateway did not take what was to be stored."""


class Stage:
    """Makes conversations over the gateway's own API: made, filled, and, warm, called once."""

    def __init__(
        self, port: int, key: str, scenario: Scenario, shot: Callable[[str], Shot], *, cold: bool
    ) -> None:
        self.pool = Pool(cold=cold)
        self._port = port
        self._key = key
        self._name = scenario.name
        self._turns = scenario.turns
        self._shot = shot
        self._cold = cold
        self._made = 0

    async def ready(self, calls: int) -> None:
        """Have conversations for so many calls more.

        Raises:
            Refused: the gateway did not take them.
            OSError: nobody listens on the port.
        """
        uses = USES[self._turns]
        few = LEAST[self._turns] if self._cold else min(LEAST[self._turns], 40)
        wanted = max(ceil(max(0, calls - self.pool.left) / uses), few - len(self.pool))
        numbers = iter(range(self._made, self._made + wanted))
        self._made += wanted
        await asyncio.gather(*(self._make(numbers) for _ in range(_AT_ONCE)))

    async def _make(self, numbers: Iterator[int]) -> None:
        uses = USES[self._turns]
        first = self._turns - (uses - 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        try:
            for number in numbers:
                name = f"{self._name}-{number}"
                shot = self._shot(name)
                # Those that are not used up in a run begin where they would be in the midst of one.
                used = number * _STEP % uses if self._cold or uses > _SOON else 0
                filled = first + 2 * used - (0 if self._cold else 2)
                body = {"messages": list(told(filled))}
                steps = [
                    written("/v1/contexts", {"id": name}, self._key),
                    written(f"/v1/contexts/{name}/turns", body, self._key),
                ]
                for payload in [*steps, *([] if self._cold else [shot.payload])]:
                    await _exchange(reader, writer, payload)
                self.pool.add(Conversation(shot=shot, turns=first + 2 * used, left=uses - used))
        finally:
            writer.close()


def told(turns: int) -> Iterable[dict[str, str]]:
    """Give so many turns of 400 bytes."""
    return ({"role": "assistant" if n % 2 else "user", "content": WORDS} for n in range(turns))


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, payload: bytes) -> None:
    writer.write(payload)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    if b"\r\ntransfer-encoding: chunked" in head:
        await reader.readuntil(b"\r\n0\r\n\r\n")
        answer = b""
    else:
        answer = await reader.readexactly(
            int(head.partition(b"\r\ncontent-length: ")[2].split(b"\r\n", 1)[0])
        )
    if status not in _FINE:
        raise Refused(f"status {status}: {answer[:300]!r}")
