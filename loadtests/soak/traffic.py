"""Mixed calls at a steady rate: whole answers, streams, contexts, prompts, embeddings, and callers who leave."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from loadtests.soak.client import Callers, Reply
from loadtests.soak.upstream import PIECES, SoakUpstream

CHAT: Final = "/v1/chat/completions"
PROMPT: Final = "soak/echo"
TURNS: Final = 12
"""Calls of a conversation, which is then looked at and erased."""
MOST_AT_ONCE: Final = 256
_TALKS: Final = 24
"""Conversations that go on at once."""

Kind: TypeAlias = Literal["whole", "stream", "context", "prompt", "embedding", "crossing", "leave", "gone"]
MIX: Final[dict[Kind, int]] = {
    "whole": 22, "stream": 20, "context": 16, "prompt": 8, "embedding": 8, "crossing": 6, "leave": 14, "gone": 6,
}  # fmt: skip
"""Of a hundred calls; the last two are callers who go: in the middle of a stream, and before any answer."""
LEAVING: Final[tuple[Kind, ...]] = ("leave", "gone")
_LATELY_S: Final = 1.0


class Talk(Struct, kw_only=True):
    """A conversation, and what was said in it and answered, as its caller had it."""

    id: str
    key: str
    told: list[tuple[str, str]] = field(default_factory=list)
    asked: int = 0


class Told(Struct):
    """What callers had."""

    made: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    """Kind and status of calls that did not get their whole answer, though nothing was out of order."""
    faulted: Counter[str] = field(default_factory=Counter)
    """The same while a fault was about."""
    at_risk: int = 0
    """Calls that were under way when a worker was killed, or had been left in the second before."""
    hung: int = 0
    late: int = 0
    """Calls that were not made, as too many were under way."""
    turns: int = 0
    torn: list[str] = field(default_factory=list)


class Traffic:
    """Calls for as long as it runs, numbered from `first` on; `calm` says that nothing is out of order."""

    def __init__(
        self, callers: Callers, upstream: SoakUpstream, keys: Sequence[str], rate: float, *, first: int = 0
    ) -> None:
        self.told = Told()
        self.calm = True
        self.on_end: Callable[[str], None] | None = None
        """Is told of each call what went wrong with it, or nothing."""
        self._first = first
        self._callers = callers
        self._upstream = upstream
        self._keys = keys
        self._rate = rate
        self._drawn = random.Random(8)  # noqa: S311  # which call comes next is no secret
        self._number = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._lately_left: deque[float] = deque(maxlen=MOST_AT_ONCE)
        self._talks: list[Talk] = []
        self._talk_number = 0

    @property
    def calls(self) -> int:
        """Calls made."""
        return sum(self.told.made.values())

    def killing(self) -> None:
        """Note whose call may die with a worker that is about to: nobody waits for the end of one that was left."""
        lately = time.monotonic() - _LATELY_S
        self.told.at_risk += len(self._under_way) + sum(at > lately for at in self._lately_left)

    async def run(self, seconds: float) -> None:
        """Make calls, and wait for the last of them."""
        began = time.monotonic()
        number = 0
        kinds, weights = list(MIX), list(MIX.values())
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * self._rate)
            while number < due:
                number += 1
                if len(self._under_way) >= MOST_AT_ONCE:
                    self.told.late += 1
                    continue
                (kind,) = self._drawn.choices(kinds, weights)
                task = asyncio.create_task(self._call(kind))
                self._under_way.add(task)
                task.add_done_callback(self._over)
            await asyncio.sleep(0.005)
        while self._under_way:
            await asyncio.wait(set(self._under_way))
        for talk in self._talks:
            await self._finish(talk)
        self._talks.clear()

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.told.torn.append(f"the soak itself: {fault!r}")

    async def _call(self, kind: Kind) -> None:
        self._number += 1
        plan = self._first + self._number
        key = self._keys[plan % len(self._keys)]
        calm = self.calm
        reply = await self._made(kind, plan, key)
        self.told.hung += reply.hung
        self.told.made[kind] += 1
        problem = _problem(kind, reply)
        if problem:
            (self.told.wrong if calm and self.calm else self.told.faulted)[problem] += 1
        elif kind in LEAVING and not reply.whole:
            self._lately_left.append(time.monotonic())
        if self.on_end is not None:
            self.on_end(problem)

    def _made(self, kind: Kind, plan: int, key: str) -> Coroutine[Any, Any, Reply]:
        match kind:
            case "leave" | "gone":
                return self._leave(kind, plan, key)
            case "context":
                return self._continue(plan)
            case "prompt":
                body = {"variables": {"text": _text(plan)}, "stream": plan % 2 == 0}
                return self._callers.ask(f"/v1/prompts/{PROMPT}/completions", key, body)
            case "embedding":
                wanted = {"model": "soak", "input": _text(plan), "encoding_format": "base64"}
                return self._callers.ask("/v1/embeddings", key, wanted)
            case "crossing":
                return self._callers.ask("/v1/messages", key, _body(plan))
            case _:
                return self._callers.ask(CHAT, key, _body(plan, stream=kind == "stream"))

    async def _leave(self, kind: Kind, plan: int, key: str) -> Reply:
        held = self._upstream.holding[plan] = asyncio.Event()
        pieces = 1 + plan % (PIECES - 2) if kind == "leave" else 0
        body = _body(plan, str(pieces or "none"), stream=kind == "leave" or plan % 2 == 0)
        try:
            return await self._callers.leave(CHAT, key, body, held=held, pieces=pieces)
        finally:
            del self._upstream.holding[plan]

    async def _continue(self, plan: int) -> Reply:
        talk = self._talks.pop(0) if len(self._talks) >= _TALKS else self._begun(plan)
        text = _text(plan)
        body = {
            "model": "soak",
            "messages": [{"role": "user", "content": text}],
            "llmgw": {"context": {"id": talk.id, "create": not talk.asked}},
        }
        reply = await self._callers.ask(CHAT, talk.key, body)
        talk.asked += 1
        if reply.whole and reply.status == 200:
            answer = msgspec.json.decode(reply.body)["choices"][0]["message"]["content"]
            talk.told.append((text, answer))
        if talk.asked < TURNS and reply.whole and reply.status == 200:
            self._talks.append(talk)
        else:
            await self._finish(talk)
        return reply

    def _begun(self, plan: int) -> Talk:
        self._talk_number += 1
        return Talk(id=f"talk-{self._first}-{self._talk_number}", key=self._keys[plan % len(self._keys)])

    async def _finish(self, talk: Talk) -> None:
        """Look for every turn that was told, once and before its answer, and erase the conversation."""
        if not talk.told:
            return
        path = f"/v1/contexts/{talk.id}"
        for _ in range(40):
            reply = await self._callers.ask(f"{path}/turns?limit=100", talk.key, {}, method="GET")
            if reply.whole and reply.status == 200:
                break
            await asyncio.sleep(0.5)
        else:
            self.told.torn.append(f"{talk.id}: {reply.status} {reply.body[:200]!r}")
            return
        turns = msgspec.json.decode(reply.body)["turns"]
        texts = ["".join(part.get("text", "") for part in turn["parts"]) for turn in turns]
        for text, answer in talk.told:
            places = [at for at, each in enumerate(texts) if each == text]
            if len(places) != 1 or texts[places[0] + 1 : places[0] + 2] != [answer]:
                self.told.torn.append(f"{talk.id}: {text!r} {len(places)} times")
        self.told.turns += len(talk.told)
        await self._callers.ask(path, talk.key, {}, method="DELETE")


def _text(plan: int, pieces: str = "all") -> str:
    return f"{'How does a fox jump over a dog? ' * (1 + plan % 40)}plan:{plan}:{pieces};"


def _body(plan: int, pieces: str = "all", *, stream: bool = False) -> dict[str, object]:
    body: dict[str, object] = {
        "model": "soak",
        "messages": [{"role": "user", "content": _text(plan, pieces)}],
        "max_tokens": 200,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _problem(kind: Kind, reply: Reply) -> str:
    """Kind, status and code of an answer that is not what it should be; empty where all is well."""
    if reply.status not in {0, 200} or (reply.whole and b'"error"' in reply.body):
        return f"{kind} {reply.status} {_code(reply.body)}"
    if reply.whole or (kind in LEAVING and not reply.hung):
        return ""
    return f"{kind} {reply.status} cut"


def _code(body: bytes) -> str:
    at = body.find(b'"code":"')
    return body[at + 8 : at + 48].partition(b'"')[0].decode("utf-8", "replace") if at >= 0 else ""
