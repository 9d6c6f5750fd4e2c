"""What prompts cost: finding and rendering a version for each call, and knowing the whole registry in each worker.

Everything here runs in this process, on one Valkey; a call asks the store nothing, which the store's own count of
commands proves.
"""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from llmgw.prompts.prompts import Prompts
from llmgw.prompts.registry.archive import FORMAT, ContentLine, End, Head, PromptLine
from llmgw.prompts.registry.audit import Author
from llmgw.prompts.registry.wishes import LabelMove
from llmgw.prompts.serving.snapshot import Units
from llmgw.prompts.settings import PromptSettings
from llmgw.state.connection import State
from llmgw.types.json import encode
from llmgw.types.prompt import (
    GateSummary,
    Label,
    PromptContent,
    PromptInfo,
    PromptRef,
    Rollout,
    TemplateMessage,
    VersionInfo,
    content_bytes,
    content_hash,
)
from msgspec import Raw, Struct

NAME: Final = "prompts"
PROMPTS: Final = 500
VERSIONS: Final = 10
"""Of each prompt: 5,000 in all."""
TEXT_BYTES: Final = 4_000
"""Of a version's content, about."""
MOVES: Final = 200

TENANT: Final = "default"
_AUTHOR: Final = Author(TENANT, "bench", "call")
_VARIABLES: Final = {
    "company": "Example Ltd",
    "tone": "kind",
    "ticket": {"subject": "My order has not arrived", "body": "I ordered two weeks ago. " * 8, "age": 3},
    "labels": ["billing", "delivery", "account", "other"],
}
_OWN: Final = ("cmdstat_info", "cmdstat_hello", "cmdstat_client")
"""Statistics of commands that asking for them takes."""


class Figures(Struct, kw_only=True):
    """What was measured; times in microseconds unless they say otherwise."""

    resolve_us: float = 0.0
    rollout_us: float = 0.0
    render_us: float = 0.0
    whole_us: float = 0.0
    compile_us: float = 0.0
    load_ms: float = 0.0
    disk_ms: float = 0.0
    memory_mib: float = 0.0
    content_mib: float = 0.0
    file_mib: float = 0.0
    store_calls: int = 0
    seen_ms: list[float] = []

    @property
    def sound(self) -> bool:
        """Whether nothing went wrong."""
        return bool(self.seen_ms) and not self.store_calls


async def measure(url: str, home: Path, *, rounds: int) -> Figures:
    """Fill a registry, and measure what workers do with it."""
    found = Figures()
    async with aclosing(State(url, timeout_s=5.0)) as state:
        filler = Prompts(state, PromptSettings())
        await filler.registry.take_over(_AUTHOR, _archive())
        await _load(state, home, found, rounds)
        async with _following(state, home) as prompts:
            await _calls(state, prompts, found, rounds)
        async with aclosing(State(url, timeout_s=5.0)) as other, _following(other, None) as prompts:
            await _moves(filler, prompts, found, rounds)
    return found


def table(found: Figures) -> str:
    """Draw what was measured, and whether it is what was aimed at."""
    seen = sorted(found.seen_ms)
    p50, p99 = (seen[min(len(seen) - 1, int(share * len(seen)))] if seen else 0.0 for share in (0.5, 0.99))
    lines = [
        f"| find the version behind a label | {found.resolve_us:.2f} µs |",
        f"| the same during a rollout | {found.rollout_us:.2f} µs |",
        f"| render ten messages, nine of them templates | {found.render_us:.1f} µs |",
        f"| compile them, once a version | {found.compile_us:,.0f} µs |",
        f"| read {PROMPTS * VERSIONS:,} versions from the store | {found.load_ms:,.0f} ms |",
        f"| read them from the file of the last good state ({found.file_mib:.0f} MiB) | {found.disk_ms:,.0f} ms |",
        f"| memory that takes, of which contents {found.content_mib:.0f} MiB | {found.memory_mib:.0f} MiB |",
        f"| from the request to move a label to another worker's serving it, p50 | {p50:.2f} ms |",
        f"| the same, p99 of {len(seen)} | {p99:.2f} ms |",
    ]
    aims = (
        ("find and render, CPU", f"{found.whole_us:.1f} µs", "< 50 µs", found.whole_us < 50),
        ("store commands per call", str(found.store_calls), "0", not found.store_calls),
        ("snapshot of 5,000 versions", f"{found.load_ms:,.0f} ms", "< 1,000 ms", found.load_ms < 1000),
        ("its memory", f"{found.memory_mib:.0f} MiB", "< 100 MiB", found.memory_mib < 100),
        ("a label move is seen, p99", f"{p99:.1f} ms", "< 1,000 ms", p99 < 1000),
    )
    return "\n".join(
        [
            f"### {NAME}: finding and rendering a version, and knowing {PROMPTS * VERSIONS:,} of them",
            "",
            "| step | measured |",
            "|---|---:|",
            *lines,
            "",
            "| aim | measured | wanted | met |",
            "|---|---:|---:|---|",
            *(f"| {what} | {value} | {aim} | {'yes' if met else 'no'} |" for what, value, aim, met in aims),
        ]
    )


class _following:  # noqa: N801  # used as a context manager alone
    """The prompts of one worker, for as long as the block takes."""

    def __init__(self, state: State, home: Path | None) -> None:
        self._prompts = Prompts(state, PromptSettings(state_dir=home, poll_s=3600))

    async def __aenter__(self) -> Prompts:
        await self._prompts.start()
        return self._prompts

    async def __aexit__(self, *_: object) -> None:
        await self._prompts.aclose()


async def _load(state: State, home: Path, found: Figures, rounds: int) -> None:
    """How long it takes to know everything, from the store and from the file, and what memory it takes."""
    gc.collect()
    # Counted by the allocator, as memory that the filling gave back is taken again without growing the process.
    tracemalloc.start()
    async with _following(state, None) as prompts:
        gc.collect()
        found.memory_mib = tracemalloc.get_traced_memory()[0] / 2**20
        tracemalloc.stop()
        kept = [prompts.snapshot.kept(TENANT, name) for name in prompts.snapshot.prompts(TENANT)]
        found.content_mib = sum(len(each) for one in kept if one for each in one.contents.values()) / 2**20
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        async with _following(state, None) as prompts:
            taken.append(time.perf_counter() - began)
    found.load_ms = 1e3 * min(taken)
    async with _following(state, home):
        pass
    found.file_mib = (home / "prompts.snapshot").stat().st_size / 2**20
    taken = []
    async with aclosing(State("unix:///nowhere", timeout_s=0.1)) as away:
        for _ in range(rounds):
            began = time.perf_counter()
            async with _following(away, home):
                taken.append(time.perf_counter() - began)
    found.disk_ms = 1e3 * min(taken)


async def _calls(state: State, prompts: Prompts, found: Figures, rounds: int) -> None:
    """What a call takes: to find its version, and to render it; and that the store hears nothing of it."""
    units = Units("ctx_1", "user_1", TENANT, "call_1")
    plain, rolled = PromptRef(name="bench/p0"), PromptRef(name="bench/p1")
    resolve = prompts.snapshot.resolve
    resolved = resolve(TENANT, plain, units)
    compiled = prompts.compiled(resolved, TENANT)

    def whole() -> None:
        again = resolve(TENANT, plain, units)
        prompts.compiled(again, TENANT).render(_VARIABLES)

    before = await _commands(state)
    times = 2_000 * rounds
    found.resolve_us = _us(lambda: resolve(TENANT, plain, units), times)
    found.rollout_us = _us(lambda: resolve(TENANT, rolled, units), times)
    found.render_us = _us(lambda: compiled.render(_VARIABLES), times // 4)
    found.whole_us = _us(whole, times // 4)
    found.store_calls = await _commands(state) - before
    contents = [
        prompts.snapshot.content(TENANT, f"bench/p{n}", resolved_hash(prompts, n)) for n in range(100)
    ]
    compile_prompt = type(compiled)
    began = time.perf_counter()
    for each in contents:
        compile_prompt(each)
    found.compile_us = 1e6 * (time.perf_counter() - began) / len(contents)


def resolved_hash(prompts: Prompts, number: int) -> str:
    """The hash of the first version of a prompt."""
    return prompts.snapshot.prompts(TENANT)[f"bench/p{number}"].versions[1].hash


async def _moves(filler: Prompts, prompts: Prompts, found: Figures, rounds: int) -> None:
    """How long after it is asked for a label's move is served by another worker."""
    units = Units(None, None, TENANT, "call")
    ref = PromptRef(name="bench/p9")
    for number in range(MOVES if rounds > 1 else MOVES // 10):
        target = number % 2 + 2
        began = time.perf_counter()
        # What came by an archive was not evaluated here.
        wish = LabelMove(version=target, break_glass=True, reason="measured")
        moving = asyncio.ensure_future(filler.registry.move(_AUTHOR, ref.name, "production", wish))
        while prompts.snapshot.resolve(TENANT, ref, units).info.number != target:
            if moving.done():
                moving.result()
            await asyncio.sleep(0)
        found.seen_ms.append(1e3 * (time.perf_counter() - began))
        await moving


async def _commands(state: State) -> int:
    """How many commands the store has answered since it started, but for this question and new connections' own."""
    stats = await state.command("INFO", "commandstats")
    return sum(int(each["calls"]) for name, each in stats.items() if not name.startswith(_OWN))


def _archive() -> bytes:
    lines: list[Struct] = [Head(format=FORMAT, tenant=TENANT, at_ms=1)]
    for number in range(PROMPTS):
        contents = [_content(number, version) for version in range(1, VERSIONS + 1)]
        lines.append(PromptLine(info=_info(number, [content_hash(each) for each in contents])))
        for each in contents:
            name = f"bench/p{number}"
            lines.append(ContentLine(prompt=name, hash=content_hash(each), content=Raw(each)))
    lines.append(End(prompts=PROMPTS, contents=PROMPTS * VERSIONS, lines=len(lines)))
    return b"\n".join(encode(line) for line in lines)


def _info(number: int, hashes: Sequence[str]) -> PromptInfo:
    gate = GateSummary(verdict="pass", cases=20, passed=20, dataset="", at_ms=1)
    rollout = Rollout(id="a1", candidate=2, steps=(5000,), weight=5000) if number == 1 else None
    return PromptInfo(
        name=f"bench/p{number}",
        rev=1,
        created_ms=1,
        updated_ms=1,
        versions={
            version: VersionInfo(
                number=version, hash=digest, author="bench", created_ms=1, state="published", gate=gate
            )
            for version, digest in enumerate(hashes, start=1)
        },
        labels={"production": Label(version=1, rev=1, moved_ms=1, moved_by="bench", rollout=rollout)},
    )


def _content(number: int, version: int) -> bytes:
    """Ten messages: one fixed, two with loops and conditions, the others with values put in."""
    filling = "Answer in the customer's language, and keep to what the documents say. "
    system = (
        f"You work for {{{{ company }}}}, in a {{{{ tone }}}} way. {number}.{version}. "
        "Sort into: {% for label in labels %}{{ label }}{% if not loop.last %}, {% endif %}{% endfor %}. "
    )
    few_shot = [
        TemplateMessage(
            role="user" if place % 2 == 0 else "assistant",
            text=f"{{{{ company }}}}, example {place}: {{{{ tone }}}}",
        )
        for place in range(7)
    ]
    ticket = (
        "{% if ticket.age > 2 %}Urgent. {% endif %}{{ ticket.subject | upper }}\n{{ ticket.body | trim }}\n"
    )
    messages = (
        TemplateMessage(role="system", text=system + filling * ((TEXT_BYTES - 1200) // len(filling))),
        TemplateMessage(role="developer", text="Never promise a refund."),
        *few_shot,
        TemplateMessage(role="user", text=ticket),
    )
    return content_bytes(PromptContent(messages=messages, model="smart", metadata={"owner": "support"}))


def _us(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU a time, of the best of five runs."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return 1e6 * best
