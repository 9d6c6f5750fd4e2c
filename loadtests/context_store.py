"""What the context protocol costs by itself: begin and commit of a call, on a real Valkey over its socket.

The naive way takes turns with it on the same server: the whole conversation is one document, of which every call
loads all, validates all and writes all back. Both validate by the same rules, make turns alike, and go through the
same client. *warm* is a worker that answered the call before, *cold* one that has never seen the context.
"""

import gc
import statistics
import time
import timeit
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal, TypeAlias

import msgspec
from llmgw.context import protocol
from llmgw.context.archive import Archive
from llmgw.context.contexts import Contexts
from llmgw.context.drafting import Place, draft
from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.kept import decode_turn, encode_json
from llmgw.context.library import Actor
from llmgw.context.opened import Asker, Opened
from llmgw.context.schemas import Schemas
from llmgw.context.settings import ContextSettings
from llmgw.context.storage.answers import Replay
from llmgw.context.storage.names import Keys
from llmgw.context.taking_in import take_in
from llmgw.state.connection import Argument, State
from llmgw.state.scripts import Script
from llmgw.types.clock import SystemClock
from llmgw.types.context import ContextOptions
from llmgw.types.json import decode
from llmgw.types.message import Message, TextPart
from llmgw.types.secret import Secret
from llmgw.types.turn import Turn
from msgspec import Struct, field

Way: TypeAlias = Literal["made by the call", "warm", "cold", "naive"]

SIZES: Final = (0, 100, 1_000, 10_000)
WORDS: Final = ("How does a fox jump over a dog? " * 20)[:400]

_UNTIMED: Final = 3
_SLICES: Final = 5
"""Into how many a round of warm calls is cut, so that all sizes see the same disturbances."""

_TENANT: Final = "default"
_SECRET: Final = Secret("a-chain-key-for-load-tests-0123456789")
_REPORT: Final = b'{"call":"call_bench","report":"%b"}' % (b"." * 600)
"""As long as the report that the gateway stores with a call where nothing was lost."""
_RENDER: Final = ("render:static/static", f"1000:{'0' * 64}")

_decode_all = msgspec.json.Decoder(list[Turn]).decode


class Cost(Struct, kw_only=True):
    """What calls of one way cost after so many turns; seconds, bytes and round trips, all calls together."""

    way: Way
    turns: int
    begin: list[float] = field(default_factory=list)
    commit: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    store_s: float = 0.0
    trips: int = 0
    read: int = 0
    written: int = 0
    errors: int = 0
    """Contexts that did not hold in the end what was put into them."""

    @property
    def calls(self) -> int:
        """How many calls were measured."""
        return len(self.begin)

    @property
    def added(self) -> list[float]:
        """What each call took in all."""
        return [begin + commit for begin, commit in zip(self.begin, self.commit, strict=True)]


class Traffic(Struct, frozen=True):
    """What the server has booked: bytes out and in, CPU seconds."""

    out: int
    into: int
    cpu_s: float


class Counted(State):
    """A connection that counts how often it waits for the store."""

    trips = 0

    async def command(self, name: str, *arguments: Argument) -> Any:
        """Send one command."""
        self.trips += 1
        return await super().command(name, *arguments)

    async def script(
        self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument] = ()
    ) -> Any:
        """Run a script."""
        self.trips += 1
        return await super().script(script, keys, arguments)

    async def traffic(self) -> Traffic:
        """Ask the server what it has booked."""
        info: Mapping[str, Any] = await super().command("INFO")
        cpu_s = float(info["used_cpu_user"]) + float(info["used_cpu_sys"])
        return Traffic(info["total_net_output_bytes"], info["total_net_input_bytes"], cpu_s)


class Stage:
    """One worker, and contexts in its store."""

    def __init__(self, state: Counted) -> None:
        self.state = state
        keys = ChainKeys({"bench": _SECRET})
        self.contexts = Contexts(state, keys, ContextSettings(), clock=SystemClock(), jitter=lambda: 0.5)
        self._archive = Archive(self.contexts, Schemas(state))
        self._base = self.contexts.settings.base(_TENANT)
        self._made = 0

    async def prepared(self, turns: int) -> str:
        """Make a context of so many turns; returns its id."""
        context = self._new_name()
        await self._archive.create(Actor(tenant=_TENANT, who="bench"), ContextOptions(id=context))
        if turns:
            opened = await self._open(ContextOptions(id=context), ())
            for seq in range(turns):
                opened.said.append(self.contexts.draft(opened, said(seq)))
            await self.contexts.commit(opened, opened.said)
        return context

    async def call(self, context: str, *, create: bool = False) -> tuple[float, float]:
        """Begin and commit one call; returns the seconds of each."""
        asked = said(0)
        began = time.perf_counter()
        opened = await self._open(ContextOptions(id=context, create=create), (asked,))
        middle = time.perf_counter()
        take_in(self.contexts, opened, (("/messages/0", asked),), "openai", source="caller")
        answer = self.contexts.draft(opened, said(1), source="provider")
        await self.contexts.commit(opened, [*opened.said, answer], report=_REPORT, render=_RENDER)
        return middle - began, time.perf_counter() - middle

    async def made_by_call(self) -> tuple[float, float]:
        """Make one call that makes its context."""
        return await self.call(self._new_name(), create=True)

    def forget(self, context: str) -> None:
        """Be a worker that has never seen the context."""
        self.contexts.histories.forget(Keys(_TENANT, context))

    async def count(self, context: str) -> int:
        """How many turns are stored."""
        _, turns, _ = await self.contexts.store.rough(Keys(_TENANT, context))
        return turns

    async def prepared_naively(self, turns: int) -> str:
        """Make a document of so many turns; returns its key."""
        key = f"naive:{self._new_name()}"
        await self.state.command("SET", key, encode_json([_turn(seq) for seq in range(turns)]))
        return key

    async def call_naively(self, key: str) -> tuple[float, float]:
        """Load all, validate all, add two turns, write all back; returns the seconds until, and from then on."""
        began = time.perf_counter()
        turns = _decode_all(await self.state.command("GET", key))
        middle = time.perf_counter()
        turns += [_turn(len(turns)), _turn(len(turns) + 1)]
        await self.state.command("SET", key, encode_json(turns))
        return middle - began, time.perf_counter() - middle

    async def count_naively(self, key: str) -> int:
        """How many turns are stored."""
        return len(_decode_all(await self.state.command("GET", key)))

    async def taking_in_us(self) -> float:
        """Microseconds that a new turn takes to be made, encoded and checked."""
        asked = (("/messages/0", said(0)),)
        opened = await self._open(ContextOptions(id=self._new_name(), create=True), ())

        def once() -> None:
            take_in(self.contexts, opened, asked, "openai", source="caller")
            opened.said.clear()

        taken = _us(once, 500)
        await self.contexts.release(opened, "measured")
        return taken

    async def _open(self, options: ContextOptions, messages: tuple[Message, ...]) -> Opened:
        self._made += 1
        asker = Asker(tenant=_TENANT, who="bench", op=f"call_{self._made}")
        opened = await self.contexts.open(asker, options, messages, self._base)
        if isinstance(opened, Replay):
            raise TypeError("a call without a key was answered before")
        return opened

    def _new_name(self) -> str:
        self._made += 1
        return f"bench-{self._made}"


async def measure(url: str, *, rounds: int) -> tuple[list[Cost], list[tuple[str, float]]]:
    """Measure every way after every number of turns, then what validating takes (µs)."""
    costs = [Cost(way=way, turns=turns) for turns in SIZES for way in _ways(turns)]
    # Ten thousand turns in one document take longer to move than the gateway ever waits for an answer.
    async with aclosing(Counted(url, timeout_s=5.0)) as state:
        stage = Stage(state)
        once = [Cost(way=cost.way, turns=min(cost.turns, 100)) for cost in costs]
        await _round(stage, once, {})
        longest: dict[int, str] = {}
        for _ in range(rounds):
            await _round(stage, costs, longest)
        return costs, await _validations(stage)


async def _round(stage: Stage, costs: Sequence[Cost], longest: dict[int, str]) -> None:
    """One round of all ways, on new contexts, as each call adds two turns; the longest one lasts all rounds.

    Warm calls come first and close together: moving ten thousand turns is felt for a while after.
    """
    warm = [cost for cost in costs if cost.way == "warm"]
    contexts = [longest.get(cost.turns) or await stage.prepared(cost.turns) for cost in warm]
    longest[warm[-1].turns] = contexts[-1]
    for context in contexts:
        for _ in range(_UNTIMED):
            await stage.call(context)
    gc.collect()
    for _ in range(_SLICES):
        for cost, context in zip(warm, contexts, strict=True):
            await _continued(stage, cost, context, 8)
    for cost in costs:
        few = 4 if cost.turns == SIZES[-1] else 10
        match cost.way:
            case "made by the call":
                await _booked(stage, cost, few, stage.made_by_call)
            case "cold":
                context = await stage.prepared(cost.turns)
                await _continued(stage, cost, context, few, before=lambda: stage.forget(context))  # noqa: B023
                stage.forget(context)
            case "naive":
                await _naively(stage, cost, few)


async def _continued(
    stage: Stage, cost: Cost, context: str, calls: int, before: Callable[[], None] | None = None
) -> None:
    turns = await stage.count(context)
    await _booked(stage, cost, calls, lambda: stage.call(context), before)
    cost.errors += await stage.count(context) != turns + 2 * calls


async def _naively(stage: Stage, cost: Cost, calls: int) -> None:
    key = await stage.prepared_naively(cost.turns)
    await _booked(stage, cost, calls, lambda: stage.call_naively(key))
    cost.errors += await stage.count_naively(key) != cost.turns + 2 * calls
    await stage.state.command("DEL", key)


async def _booked(
    stage: Stage,
    cost: Cost,
    calls: int,
    call: Callable[[], Awaitable[tuple[float, float]]],
    before: Callable[[], None] | None = None,
) -> None:
    """Make calls and book what they cost, without what asking the server for its books costs."""
    empty, first = await stage.state.traffic(), await stage.state.traffic()
    trips = stage.state.trips
    for _ in range(calls):
        if before is not None:
            before()
        cpu_s = time.process_time()
        begin, commit = await call()
        cost.cpu_s += time.process_time() - cpu_s
        cost.begin.append(begin)
        cost.commit.append(commit)
    cost.trips += stage.state.trips - trips
    last = await stage.state.traffic()
    cost.read += last.out - first.out - (first.out - empty.out)
    cost.written += last.into - first.into - (first.into - empty.into)
    cost.store_s += max(0.0, last.cpu_s - first.cpu_s - (first.cpu_s - empty.cpu_s))


def _ways(turns: int) -> tuple[Way, ...]:
    return ("warm", "cold", "naive") if turns else ("made by the call", "warm", "naive")


async def _validations(stage: Stage) -> list[tuple[str, float]]:
    body = encode_json(_turn(0))
    whole = {turns: encode_json([_turn(seq) for seq in range(turns)]) for turns in SIZES[2:]}
    return [
        ("a new turn is checked", _us(lambda: decode_turn(body), 2_000)),
        ("a new turn is made, encoded and checked", await stage.taking_in_us()),
        ("the same turn by its JSON Schema", _us(lambda: protocol.violations("turn", decode(body)), 500)),
        *(
            (f"the naive way, all of {turns:,} turns", _us(lambda all_=all_: _decode_all(all_), 1))  # type: ignore[misc]
            for turns, all_ in whole.items()
        ),
    ]


def _us(work: Callable[[], object], times: int) -> float:
    return statistics.median(timeit.repeat(work, number=times, repeat=7)) / times * 1e6


def said(seq: int) -> Message:
    """What user and model say in turn."""
    return Message(role="assistant" if seq % 2 else "user", parts=(TextPart(text=WORDS),), protocol="openai")


def _turn(seq: int) -> Turn:
    place = Place(seq=seq, home="bench", salt=b"salt")
    return draft(said(seq), place, 1_790_000_000_000, {}, call="call_bench").turn.turn
