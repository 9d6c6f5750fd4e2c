"""What the call log costs: CPU of a worker for each call, and events a second from the stream to files.

`python -m loadtests.call_log` starts a Valkey of its own; it takes about a minute.
"""

import asyncio
import gc
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from llmgw.calllog.datasets import CALLS
from llmgw.calllog.engine.client import Engine, EngineLimits
from llmgw.calllog.event import event_of
from llmgw.calllog.files import Directory
from llmgw.calllog.log import CallLog, Means
from llmgw.calllog.outlet import Outlet
from llmgw.calllog.settings import CallLogSettings
from llmgw.calllog.writer import EngineWriter
from llmgw.state.connection import State
from llmgw.state.embedded import EmbeddedValkey
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import Attempt, Call, Caller, ContextFacts
from llmgw.types.clock import SystemClock
from llmgw.types.event import Usage
from llmgw.types.preservation import Check, CheckResult

RATE: Final = 1000
SECONDS: Final = 10
ROWS: Final = 100_000
_CHECKS: Final[tuple[Check, ...]] = ("c1", "c2", "c3", "c5")


def finished() -> Call:
    """A call with a stored conversation, a key and two attempts."""
    clock = SystemClock()
    tracing = Tracing("", sample=0.0, slow_ms=0.0, version="0", clock=clock, resource={})
    call = tracing.begin(
        request_id="req_18f0b5a41e0c7d2f",
        call_id="call_018f0b5a41e0c7d2f9a3b1c4",
        endpoint="/v1/chat/completions",
        traceparent=None,
        tracestate=None,
    )
    now = clock.monotonic_ns()
    for target, status in (("openai/gpt-5", 503), ("anthropic/claude-sonnet-5", 200)):
        provider, _, model = target.partition("/")
        call.attempts.append(
            Attempt(
                target=target,
                provider=provider,
                kind=provider,
                model=model,
                started_ns=now,
                span_id=7,
                status=status,
            )
        )
    passed: CheckResult = "pass"
    call.caller = Caller(key_id="key_018f0b5a41e0", name="app", role="caller", tenant="acme", team="search")
    call.alias, call.status, call.tags, call.stream = "smart", 200, ("web", "eu"), True
    call.ended_ns, call.waited_ns, call.first_content_ns = now + 900_000_000, 899_000_000, now + 200_000_000
    call.usage = Usage(input_tokens=1200, output_tokens=340, cached_read_tokens=800)
    call.finish_reasons, call.answered_model = ("stop",), "claude-sonnet-5"
    call.context = ContextFacts(
        id="ctx_018f0b5a41e0", etag="12-00112233445566ff", rev=12, turns=24, turns_sent=24, tokens=1200,
        cache="hit", verdict="preserved", checks=dict.fromkeys(_CHECKS, passed), kind_before="openai",
    )  # fmt: skip
    return call


def write_down() -> None:
    """Say what one event costs."""
    call, count = finished(), 20_000
    event_of(call)
    began = time.process_time_ns()
    for _ in range(count):
        event_of(call)
    print(f"event_of: {(time.process_time_ns() - began) / count / 1000:.1f} µs for a call with everything")


async def record_calls(log: CallLog, seconds: int) -> None:
    """Say what a worker's CPU does for each call at a steady rate, the way to the store included."""
    call = finished()
    idle = await _cpu(seconds, lambda: None)
    busy = await _cpu(seconds, lambda: log.record(call))
    print(f"record and append: {(busy - idle) / (RATE * seconds) * 1e6:.1f} µs CPU a call at {RATE} calls/s")


async def _cpu(seconds: int, each: Callable[[], None]) -> float:
    gc.collect()
    began = time.process_time()
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(seconds * RATE // 10):
        for _ in range(10):
            each()
        await asyncio.sleep(max(0.0, start + (number + 1) * 10 / RATE - loop.time()))
    return time.process_time() - began


async def write_segments(state: State, directory: Path) -> None:
    """Say how many events a second become rows, by one worker and its engine."""
    writer = EngineWriter(
        Engine(directory / "engine", (directory / "calls", directory / "passing"), EngineLimits(threads=1)),
        directory / "passing",
    )
    settings = CallLogSettings(buffer_events=2 * ROWS, segment_s=0.0)
    log = CallLog(Means(state, Directory(directory / "calls"), writer, SystemClock()), settings)
    call, outlet = finished(), log._outlets[CALLS.name]  # noqa: SLF001  # the bench goes in by the back door
    for number in range(ROWS):
        call.id = f"call_{number:024x}"
        outlet.put(event_of(call))
        if number % 10_000 == 9_999:
            await _sent(outlet)
    shelf, upkeep = log._shelves[CALLS.name], log._upkeep  # noqa: SLF001  # as above
    await upkeep.hold()
    began, own = time.monotonic(), time.process_time()
    while await upkeep.write(shelf):
        pass
    took, own = time.monotonic() - began, time.process_time() - own
    await log.aclose()
    await writer.aclose()
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"ingest: {shelf.written:,} rows in {took:.1f} s, {shelf.written / took:,.0f} a second; "
        f"CPU of the worker {own:.2f} s, of its engine {child.ru_utime + child.ru_stime:.2f} s"
    )


async def _sent(outlet: Outlet) -> None:
    while outlet.waiting:
        await outlet._send()  # noqa: SLF001  # without its pauses


async def main(directory: Path) -> None:
    """Measure all of it."""
    write_down()
    with EmbeddedValkey(directory / "state") as valkey:
        async with aclosing(State(valkey.url, timeout_s=5.0)) as state:
            writer = EngineWriter(Engine(directory / "e", (directory / "none",)), directory / "p")
            means = Means(state, Directory(directory / "none"), writer, SystemClock())
            log = CallLog(means, CallLogSettings(segment_s=3600.0))
            for each in log._outlets.values():  # noqa: SLF001  # without a writer beside it
                each.start()
            await record_calls(log, SECONDS)
            await log.aclose()
            await writer.aclose()
            await state.command("FLUSHALL")
            await write_segments(state, directory)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(main(Path(place)))
