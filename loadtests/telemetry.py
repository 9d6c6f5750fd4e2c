"""`python -m loadtests.telemetry`: what telling of a call costs, in microseconds of processor time.

Calls are begun and recorded in this process, with everything the telemetry room does for them, its threads
included: what is measured is the process's time, not the clock's. Spans go to a collector on loopback, which is a
process of its own and throws them away. Calls are measured with their line in the log and without it.
"""

import argparse
import gc
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Final

from llmgw.telemetry.call_log import CallLog
from llmgw.telemetry.lines import LineWriter
from llmgw.telemetry.metrics import Metrics
from llmgw.telemetry.points import Known
from llmgw.telemetry.recorder import Recorder
from llmgw.telemetry.spans import Tracing
from llmgw.types.call import AdmissionFacts, Attempt, Call, Caller, ContextFacts
from llmgw.types.clock import SystemClock
from llmgw.types.event import Usage
from llmgw.types.money import Charge
from llmgw.types.prompt import PromptFacts
from msgspec import Struct

CALLS: Final = 20_000
"""Of each measurement; of those whose spans are all kept a fifth."""
ROUNDS: Final = 3
"""Measurements of a kind; the median counts."""
BATCH: Final = 250
"""Calls between two looks at whether the queue of spans has room."""
ROOM: Final = 1500
"""Spans that may wait while the next calls are told of: with theirs, fewer than the queue takes."""
MS: Final = 1_000_000
MODEL: Final = "gpt-5"
DRAIN_S: Final = 30.0

SINK: Final = """
import http.server, sys
class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""

_PASSED: Final = ("c1", "c2", "c3", "c5", "c6")
_NUMBERS: Final = count()
"""Calls and contexts have ids of their own, so that nothing is found ready that would not be."""


class Kind(Struct, frozen=True, kw_only=True):
    """One way to tell of calls: the share of traces kept, and whether each has its line and a context."""

    name: str
    sample: float
    line: bool
    full: bool
    collector: bool = True

    @property
    def calls(self) -> int:
        """How many are measured."""
        return CALLS if self.sample < 1 else CALLS // 5


KINDS: Final = tuple(
    Kind(name=f"{size}, {kept}{', with its line' if line else ''}", sample=sample, line=line, full=full)
    for size, full in (("plain call", False), ("call with context, prompt and budget", True))
    for kept, sample in (("1 % kept", 0.01), ("all kept", 1.0))
    for line in (False, True)
)


def main() -> int:
    """Measure what the command line asks for; ends with 1 when spans were lost, as then nothing was measured."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.telemetry", description=__doc__)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    figures: dict[str, float] = {}
    with _collector() as endpoint:
        for kind in KINDS:
            if asked.only in kind.name:
                found = [_measured(kind, endpoint) for _ in range(ROUNDS)]
                if any(each is None for each in found):
                    return 1
                figures[kind.name] = round(median(each for each in found if each is not None), 1)
    if asked.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        for name, figure in figures.items():
            sys.stdout.write(f"{figure:8.1f} µs  {name}\n")
    return 0


@contextmanager
def _collector() -> Iterator[str]:
    """Give the address of a collector that throws away what it is sent."""
    command = [sys.executable, "-c", SINK]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sink:
        try:
            port = sink.stdout.readline() if sink.stdout is not None else b""
            yield f"http://127.0.0.1:{int(port)}"
        finally:
            sink.terminate()


def _measured(kind: Kind, endpoint: str) -> float | None:
    """Microseconds of processor time per call; None where spans were lost."""
    clock = SystemClock()
    about = {"version": "1.2.3", "clock": clock, "resource": {"service.instance.id": "bench"}}
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        tracing = Tracing(endpoint, sample=kind.sample, slow_ms=60_000.0, **about)  # type: ignore[arg-type]
        recorder = Recorder(
            tracing,
            Metrics(endpoint, every_s=3600, **about),  # type: ignore[arg-type]
            CallLog(LineWriter(nowhere), "json", threshold=logging.INFO if kind.line else logging.CRITICAL),
            clock,
        )
        recorder.know(
            Known(
                models=frozenset({MODEL}),
                targets=frozenset({f"openai/{MODEL}"}),
                providers=frozenset({"openai"}),
            )
        )
        facts = _facts(full=kind.full)
        _tell(recorder, facts, BATCH)
        gc.collect()
        gc.freeze()
        began = time.process_time()
        for _ in range(kind.calls // BATCH):
            _tell(recorder, facts, BATCH)
            _drained(tracing)
        took = time.process_time() - began
        recorder.shutdown()
        gc.unfreeze()
        if tracing.dropped:
            sys.stderr.write(f"{kind.name}: {tracing.dropped} spans were lost\n")
            return None
    return (took - _bare(facts, kind.calls)) / kind.calls * 1e6


def _tell(recorder: Recorder, facts: Callable[[Call], None], calls: int) -> None:
    for _ in range(calls):
        number = next(_NUMBERS)
        call = recorder.begin(
            request_id=f"req_019ada5f2c3e8f{number:012x}",
            call_id=f"call_019ada5f2c3e8f{number:012x}",
            endpoint="/v1/chat/completions",
            traceparent=None,
            tracestate=None,
        )
        facts(call)
        recorder.record(call)


def _drained(tracing: Tracing) -> None:
    """Wait until what is queued was sent, so that none of it is dropped; waiting takes no processor time."""
    deadline = time.monotonic() + DRAIN_S
    while tracing.waiting > ROOM and time.monotonic() < deadline:  # fewer wait for their batch's second
        time.sleep(0.02)


def _bare(facts: Callable[[Call], None], calls: int) -> float:
    """Processor seconds that noting facts takes, which is no part of telling them."""
    call = Call(
        id="",
        request_id="",
        endpoint="",
        trace_id=1,
        span_id=1,
        chat_span_id=1,
        started_ns=0,
        started_unix_ns=0,
    )
    began = time.process_time()
    for _ in range(calls):
        facts(call)
    return time.process_time() - began


def _facts(*, full: bool) -> Callable[[Call], None]:
    """Make what notes on a call that it went well: one attempt of 900 ms, with usage and a price."""
    caller = Caller(key_id="k_0123456789", name="team search", role="caller", tenant="acme", team="search")
    usage = Usage(input_tokens=1200, output_tokens=340, cached_read_tokens=1024)
    charge = Charge(nano=4_100_000, lines=(), source="genai-prices")
    admission = AdmissionFacts(limits=2, budgets=1, estimate_nano=9_000_000, started_ns=0, ended_ns=MS)
    prompt = PromptFacts(
        name="support/triage",
        version=7,
        hash=f"sha256:{'0' * 64}",
        label="production",
        started_ns=0,
        ended_ns=MS // 20,
    )

    def note(call: Call) -> None:
        began = call.started_ns
        call.caller, call.alias, call.tags = caller, "smart", ("team-a", "batch")
        call.attempts = [
            Attempt(
                target=f"openai/{MODEL}",
                provider="openai",
                kind="openai",
                model=MODEL,
                started_ns=began + MS,
                span_id=0xA1,
                status=200,
                first_byte_ns=began + 400 * MS,
                ended_ns=began + 900 * MS,
                usage=usage,
                charge=charge,
                upstream_id=f"req_{began:016x}",
            )
        ]
        call.usage, call.answered_model, call.answered_id = (
            usage,
            f"{MODEL}-2026-01-31",
            "chatcmpl-0123456789",
        )
        call.finish_reasons, call.stream, call.first_content_ns = ("stop",), True, began + 420 * MS
        call.status, call.waited_ns, call.ended_ns = 200, 899 * MS, began + 902 * MS
        if full:
            call.admission, call.prompt = admission, prompt
            call.context = _context(began)

    return note


def _context(began: int) -> ContextFacts:
    return ContextFacts(
        id=f"ctx_019ada5f2c3e8f{began:016x}",
        etag="41-00112233445566ff",
        rev=41,
        turns_before=80,
        turns=81,
        turns_sent=81,
        bytes=70_000,
        tokens=1210,
        window=400_000,
        cache="hit",
        enforcement="repair",
        verdict="preserved",
        checks=dict.fromkeys(_PASSED, "pass"),
        final=True,
        kind_before="openai",
        begin_started_ns=began + MS // 10,
        begin_ended_ns=began + MS // 2,
        fit_started_ns=began + MS // 2,
        fit_ended_ns=began + MS,
        commit_started_ns=began + 900 * MS,
        commit_ended_ns=began + 901 * MS,
    )


if __name__ == "__main__":
    sys.exit(main())
