"""Results as tables that read in a terminal and in a document alike."""

from loadtests.bench import SHARE, Reading, Result, Row
from loadtests.second_worker import brought
from loadtests.tables import NONE, drawn, ms, number, share, times

HEAD = (
    "",
    "requests/s",
    "/ direct",
    "/ fwd",
    "CPU µs",
    "x fwd",
    "paced CPU µs",
    "paced x",
    "p50 ms",
    "p99 ms",
    "added p50",
    "added p99",
    "RSS MiB",
    "driver busy",
    "errors",
)
STREAM_HEAD = (*HEAD[:8], "first p50", "first p99", *HEAD[10:12], "total p50", "total p99", *HEAD[12:])

LEGEND = f"""\
- **requests/s**: answers per second at saturation, 32 connections in a closed loop, or 8 where a call has 400 KB
  or more; */ direct* and */ fwd* are that divided by what upstream and forwarder reached in the same run. Every
  server has one CPU for itself and its store, so that these are requests per second and core; *llmgw, 2 workers*
  has two, and on a machine of two shares one with the load generator.
- **CPU µs**: user and system time of all of the server's processes per answer at saturation, from the kernel's
  accounting, the store apart; *x fwd* is the multiple of the bare forwarder's. The upstream's row shows the
  upstream's own.
- **paced CPU µs**, **paced x**: the same at a fixed rate, which the heading names: {SHARE:.0%} of what the gateway
  reached at saturation, unless the scenario fixes it. Other gateways are asked for {SHARE:.0%} of what they reached
  themselves, where that is less.
- **p50, p99**: milliseconds from the moment a request was due at that rate to the end of its answer; **first** is
  to the first content and **total** to the end of a stream. **added** is what the row has more than the upstream's
  row: for streams, to the first content.
- **RSS MiB**: resident memory of the largest worker before and after the scenario.
- **driver busy**: CPU time of load generator and upstream together as a share of one CPU, at saturation where there
  is one. Well under 100 % in a server's row means that it was the server that set the pace.
- **second worker** (below a table): how much faster two workers are than one. Where the load generator takes a
  part of the second CPU, what was counted is divided by the CPUs that were left, and multiplied by two.
- **stored conversations**: only what is new is sent to the gateway, the whole conversation to everybody else. A
  call stores two turns, so that conversations are taken from a pool and laid aside as they grow: *10 turns* are 4
  to 16 before the call, *100* 90 to 110, *1,000* 950 to 1,050; the mean is below the table. *Warm* is a worker that
  has served the conversation before, *cold* one whose cache of one MiB has forgotten it since. Of two workers, any
  may be called, and reads then what the other one has stored.
- **CPU µs per chunk** (crossing): what a long stream costs more than a short one, divided by the chunks it has
  more; *x same* is the multiple of the stream between the caller's dialect and the same protocol.
- **errors**: answers that were missing, cut, wrong or not 200. A row with errors shows nothing else.
"""


def table(result: Result) -> str:
    """Draw one scenario."""
    streamed = result.scenario.chunks > 0
    lines = [
        STREAM_HEAD if streamed else HEAD,
        *(_cells(row, result, streamed=streamed) for row in result.rows),
    ]
    return f"{drawn(heading(result), lines)}\n\n{notes(result)}"


def heading(result: Result) -> str:
    """Name the scenario and its paced load."""
    return f"{result.scenario.name}: {result.scenario.title} (paced: {result.rows[0].rate:,.0f}/s)"


def notes(result: Result) -> str:
    """Say what the columns have no room for."""
    said = []
    ours = result.row("ours")
    reading = ours and (ours.fast or ours.calm)
    if reading:
        said.append(f"store CPU per call {reading.store_us:.1f} µs")
        said.append(f"upstream calls per call {reading.upstream_calls / reading.tally.in_all:.2f}")
        if result.scenario.chunks:
            said.append(
                f"events per stream {reading.tally.events / max(1, len(reading.tally.latencies)):.1f}"
            )
    if result.turns:
        said.append(f"turns before a call {result.turns:.1f} on average")
    second = brought(result)
    if second is not None:
        said.append(f"second worker x{second.per_cpu:.2f} (x{second.counted:.2f} beside the load generator)")
    peers = [_beside(row, ours, result.rows[0]) for row in result.rows if row.kind == "peer"] if ours else []
    return "\n\n".join(filter(None, ["; ".join(said), *peers]))


def _beside(peer: Row, ours: Row, direct: Row) -> str:
    """Give another gateway's figures as multiples of this one's."""
    if not peer.fast or not peer.calm or not ours.fast or not ours.calm:
        return ""
    cpu, rate = times(peer.fast.cpu_us, ours.fast.cpu_us), times(ours.fast.rate, peer.fast.rate)
    late = [
        f"p{100 * quantile:.0f} +{ms(added(peer, direct, quantile, first=False))} ms"
        f" (+{ms(added(ours, direct, quantile, first=False))})"
        for quantile in (0.5, 0.99)
    ]
    return (
        f"{peer.name} beside llmgw: {cpu} x the CPU per call, 1/{rate} of the requests/s per core, "
        f"{times(peer.rss_after, ours.rss_after)} x the memory; {', '.join(late)}, it at {peer.rate:,.0f}/s, "
        f"llmgw at {ours.rate:,.0f}/s"
    )


def _cells(row: Row, result: Result, *, streamed: bool) -> tuple[str, ...]:
    direct, limit = result.rows[:2]
    errors = _errors(row)
    if not row.sound:
        return (row.name, *([NONE] * (len(STREAM_HEAD if streamed else HEAD) - 2)), errors)
    cells = [
        number(_rate(row.fast)),
        share(_rate(row.fast), _rate(direct.fast)),
        share(_rate(row.fast), _rate(limit.fast)),
        number(_cpu_us(row.fast)),
        times(_cpu_us(row.fast), _cpu_us(limit.fast)),
        number(_cpu_us(row.calm)),
        times(_cpu_us(row.calm), _cpu_us(limit.calm)),
        *_latencies(row, direct, first=streamed),
    ]
    if streamed:
        cells += _latencies(row, direct, first=False)[:2]
    busiest = row.fast or row.calm
    busy = NONE if busiest is None else f"{busiest.driver_busy:.0%}"
    memory = f"{row.rss_before:.0f} → {row.rss_after:.0f}" if row.rss_after else NONE
    return (row.name, *cells, memory, busy, errors)


def _latencies(row: Row, direct: Row, *, first: bool) -> list[str]:
    cells = [ms(row.calm.quantile(quantile, first=first)) if row.calm else NONE for quantile in (0.5, 0.99)]
    for quantile in (0.5, 0.99):
        more = added(row, direct, quantile, first=first)
        cells.append(NONE if more is None or row is direct else f"{1e3 * more:+.2f}")
    return cells


def added(row: Row | None, direct: Row | None, quantile: float, *, first: bool) -> float | None:
    """Seconds that a server's answers take longer than the upstream's own."""
    if row is None or direct is None or row.calm is None or direct.calm is None:
        return None
    mine = row.calm.quantile(quantile, first=first)
    base = direct.calm.quantile(quantile, first=first)
    return None if mine is None or base is None else mine - base


def _rate(reading: Reading | None) -> float | None:
    return None if reading is None else reading.rate


def _cpu_us(reading: Reading | None) -> float | None:
    return None if reading is None else reading.cpu_us


def _errors(row: Row) -> str:
    found = [
        f"{reason} x{count}"
        for reading in (row.saturation, row.paced)
        if reading is not None
        for reason, count in reading.tally.errors.most_common(3)
    ]
    return "; ".join(found) or ("0" if row.sound else "no answers")
