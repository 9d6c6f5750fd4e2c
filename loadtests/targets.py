"""What the gateway is to cost, and whether it does: ratios within one run, as far as a target is a ratio."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from loadtests.bench import DIRECT, OURS, Kind, Reading, Result, Row
from loadtests.report import added
from loadtests.second_worker import brought
from loadtests.slow_streams import LATE_S, STREAMS, Slow
from loadtests.tables import NONE, drawn

UNMEASURED = "not measured"
RSS_MIB = 150.0
RSS_CALLS = 100_000
START_S = 1.5


class Target(Struct, frozen=True, kw_only=True):
    """One promise: the measured figure, what is beside it, and whether it holds; None where it was not measured."""

    title: str
    wanted: str
    measured: str = UNMEASURED
    met: bool | None = None
    apart: bool = False
    """Whether it is measured by the way, in every run."""
    scenario: str = ""
    """Whose calls' CPU it is about, if any's."""

    @property
    def ratio(self) -> bool:
        """Whether a scenario was measured for it."""
        return self.met is not None and not self.apart


class Ran(Struct, frozen=True, kw_only=True):
    """Everything that a run found out."""

    results: Sequence[Result] = ()
    slow: Sequence[Slow] = ()
    calls: int = 0
    """Answers of the gateway whose memory is looked at."""
    rss_mib: float = 0.0
    """Of the largest of its workers, at the end."""
    started_s: float = 0.0
    """From its command to its being ready."""


def judge(ran: Ran) -> list[Target]:
    """Hold what was measured against what is promised."""
    by_name = {result.scenario.name: result for result in ran.results}
    found = [_beside_forwarder("CPU per stateless call", by_name, "chat", 2.5)]
    found.append(_beside_forwarder("CPU per call, all on", by_name, "all-on", 5))
    for peer, times, rate in (("LiteLLM", 40, 30), ("Portkey", 6, 5)):
        found += _beside_peer(by_name, peer, times, rate)
    for quantile, most in ((0.5, 1.0), (0.99, 4.0)):
        found.append(_added(by_name, quantile, most))
    found.append(_beside_forwarder("CPU per stream of 20 chunks, all on", by_name, "all-on-stream", 2.5))
    found.append(_stalls(ran.slow))
    found += _long(by_name)
    found.append(_second(by_name))
    return [*found, *_by_the_way(ran)]


def _by_the_way(ran: Ran) -> list[Target]:
    """What the gateway's process itself shows."""
    memory = f"{ran.rss_mib:.0f} MiB after {ran.calls:,} calls" if ran.calls else UNMEASURED
    # Fewer calls can show that it is too much, never that it is not.
    enough = ran.calls >= RSS_CALLS or (ran.calls > 0 and ran.rss_mib > RSS_MIB)
    start = f"{ran.started_s:.2f} s" if ran.started_s else UNMEASURED
    return [
        Target(
            title="RSS of a worker, mixed calls",
            wanted=f"≤ {RSS_MIB:.0f} MiB after {RSS_CALLS:,}",
            measured=memory,
            met=ran.rss_mib <= RSS_MIB if enough else None,
            apart=True,
        ),
        Target(
            title="start to ready, embedded Valkey",
            wanted=f"≤ {START_S} s",
            measured=start,
            met=ran.started_s <= START_S if ran.started_s else None,
            apart=True,
        ),
    ]


def table(targets: Sequence[Target]) -> str:
    """Draw them."""
    words = {True: "met", False: "**not met**", None: NONE}
    lines = [("", "wanted", "measured", "")]
    lines += [(target.title, target.wanted, target.measured, words[target.met]) for target in targets]
    return drawn("targets", lines, left=4)


def _fast(results: Mapping[str, Result], scenario: str, kind: Kind, name: str = "") -> Reading | None:
    row = _row(results, scenario, kind, name)
    return row.fast if row else None


def _row(results: Mapping[str, Result], scenario: str, kind: Kind, name: str = "") -> Row | None:
    result = results.get(scenario)
    return result.row(kind, name) if result else None


def _beside_forwarder(title: str, results: Mapping[str, Result], scenario: str, most: float) -> Target:
    """The gateway's CPU per call as a multiple of the bare forwarder's in the same scenario."""
    ours, other = _fast(results, scenario, "ours"), _fast(results, scenario, "limit")
    ratio = ours.cpu_us / other.cpu_us if ours and other and other.cpu_us else None
    return _at_most(title, ratio, most, "bare forwarder", scenario)


def _at_most(title: str, value: float | None, most: float, of: str, scenario: str) -> Target:
    wanted = f"≤ {most:g} x {of}"
    if value is None:
        return Target(title=title, wanted=wanted, scenario=scenario)
    measured = f"{value:.2f} x"
    return Target(title=title, wanted=wanted, measured=measured, met=value <= most, scenario=scenario)


def missed(targets: Sequence[Target]) -> list[str]:
    """Name the scenarios whose calls take more CPU than is promised."""
    return [target.scenario for target in targets if target.scenario and target.met is False]


def _beside_peer(results: Mapping[str, Result], peer: str, times: float, rate: float) -> list[Target]:
    """With everything on, against what another gateway's stateless call takes."""
    ours, theirs = _fast(results, "all-on", "ours"), _fast(results, "chat", "peer", peer)
    cpu = Target(title=f"CPU per call, all on, beside {peer}'s stateless call", wanted=f"≤ 1/{times:g}")
    per_core = Target(title=f"requests/s per core, all on, beside {peer}'s stateless", wanted=f"≥ {rate:g} x")
    if not ours or not theirs or not ours.cpu_us:
        return [cpu, per_core]
    less, more = theirs.cpu_us / ours.cpu_us, ours.rate / theirs.rate
    said = f"1/{less:.1f} ({ours.cpu_us:,.0f} µs, {theirs.cpu_us:,.0f} µs)"
    speed = f"{more:.1f} x ({ours.rate:,.0f}/s, {theirs.rate:,.0f}/s)"
    return [
        Target(title=cpu.title, wanted=cpu.wanted, measured=said, met=less >= times),
        Target(title=per_core.title, wanted=per_core.wanted, measured=speed, met=more >= rate),
    ]


def _added(results: Mapping[str, Result], quantile: float, most_ms: float) -> Target:
    title = f"added p{quantile * 100:.0f} at 40 % of saturation, all on"
    wanted = f"≤ {most_ms:.1f} ms"
    mine = added(_row(results, "all-on", "ours"), _row(results, "all-on", "direct"), quantile, first=False)
    if mine is None:
        return Target(title=title, wanted=wanted)
    said = f"{1e3 * mine:.2f} ms"
    for row in results["chat"].rows if "chat" in results else ():
        other = (
            added(row, _row(results, "chat", "direct"), quantile, first=False) if row.kind == "peer" else None
        )
        if other is not None:
            said += f"; {row.name}'s stateless {1e3 * other:.2f} ms"
    return Target(title=title, wanted=wanted, measured=said, met=1e3 * mine <= most_ms)


def _stalls(found: Sequence[Slow]) -> Target:
    """Stalls of the gateway that the upstream's own streams did not have."""
    title, wanted = f"{STREAMS} slow streams, stalls > {1e3 * LATE_S:.0f} ms of the gateway's own", "0"
    by_name = {slow.name: slow for slow in found if slow.chunks and not slow.errors}
    ours, direct = by_name.get(OURS), by_name.get(DIRECT)
    if ours is None or direct is None:
        return Target(title=title, wanted=wanted)
    own = max(0, ours.stalls - direct.stalls)
    said = f"{own} ({ours.stalls}, and {direct.stalls} of the upstream's)"
    return Target(title=title, wanted=wanted, measured=said, met=own == 0)


def _long(results: Mapping[str, Result]) -> list[Target]:
    """A warm context of 1,000 turns."""
    more = added(
        _row(results, "context-1000", "ours"), _row(results, "context-1000", "direct"), 0.5, first=False
    )
    quick = Target(title="context of 1,000 turns, warm, added p50", wanted="< 1.0 ms")
    if more is not None:
        quick = Target(
            title=quick.title, wanted=quick.wanted, measured=f"{1e3 * more:.2f} ms", met=more < 1e-3
        )
    long, short = _fast(results, "context-1000", "ours"), _fast(results, "context-10", "ours")
    ratio = long.cpu_us / short.cpu_us if long and short and short.cpu_us else None
    return [
        quick,
        _at_most("context of 1,000 turns, warm, CPU", ratio, 1.3, "that of 10 turns", "context-1000"),
    ]


def _second(results: Mapping[str, Result]) -> Target:
    title, wanted = "second worker, stateless / all on", "≥ 1.8 x"
    found = [brought(results[name]) for name in ("chat", "all-on") if name in results]
    ratios = [each.per_cpu for each in found if each is not None]
    if not ratios:
        return Target(title=title, wanted=wanted)
    said = " / ".join(f"{ratio:.2f} x" for ratio in ratios)
    return Target(title=title, wanted=wanted, measured=said, met=min(ratios) >= 1.8)
