"""The picture of a run: bars beside each other, readable on light and on dark ground, written by hand as SVG."""

from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from loadtests.bench import LIMIT, OURS, Result

_WIDTH: Final = 760
_LEFT, _RIGHT = 190, 90
_ROW, _BAR = 26, 16
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.bar { fill: #8b949e; }
.ours { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .bar { fill: #6e7681; }
  .ours { fill: #3fb950; }
}"""


class Bar(Struct, frozen=True):
    """One server's figure."""

    name: str
    value: float
    ours: bool = False


class Panel(Struct, frozen=True):
    """Bars of one unit under a title."""

    title: str
    bars: tuple[Bar, ...]


def panels(results: Sequence[Result]) -> list[Panel]:
    """Choose what is shown: the stateless call of everybody, and the gateway with everything on."""
    by_name = {result.scenario.name: result for result in results}
    cpu, rate = [], []
    for scenario, label in (("all-on", f"{OURS}, everything on"), ("chat", f"{OURS}, stateless")):
        ours = by_name[scenario].row("ours") if scenario in by_name else None
        if ours and ours.fast:
            cpu.append(Bar(label, ours.fast.cpu_us, ours=True))
            rate.append(Bar(label, ours.fast.rate, ours=True))
    for row in by_name["chat"].rows if "chat" in by_name else ():
        if row.fast and row.kind in {"limit", "peer"}:
            name = LIMIT if row.kind == "limit" else f"{row.name}, stateless"
            cpu.append(Bar(name, row.fast.cpu_us))
            rate.append(Bar(name, row.fast.rate))
    return [
        Panel("CPU per call, µs (less is better)", tuple(sorted(cpu, key=lambda bar: bar.value))),
        Panel(
            "requests per second on one core (more is better)",
            tuple(sorted(rate, key=lambda bar: -bar.value)),
        ),
    ]


def svg(shown: Sequence[Panel], below: str) -> str:
    """Draw panels one below the other, and a small line that says where the figures are from."""
    parts: list[str] = []
    y = 24
    for panel in shown:
        parts.append(f'<text class="title" x="16" y="{y}">{escape(panel.title)}</text>')
        y += 14
        most = max((bar.value for bar in panel.bars), default=0.0) or 1.0
        for bar in panel.bars:
            parts += _drawn(bar, y, (_WIDTH - _LEFT - _RIGHT) * bar.value / most)
            y += _ROW
        y += 28
    parts.append(f'<text class="small" x="16" y="{y - 8}">{escape(below)}</text>')
    said = "; ".join(f"{panel.title}: " + ", ".join(_said(bar) for bar in panel.bars) for panel in shown)
    size = f'viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    body = "\n".join(parts)
    return f"{head}\n<title>{escape(said)}</title>\n<style>\n{_STYLE}\n</style>\n{body}\n</svg>\n"


def _drawn(bar: Bar, y: int, width: float) -> list[str]:
    middle = y + _BAR - 3
    kind = "ours" if bar.ours else "bar"
    return [
        f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{max(1.0, width):.1f}" height="{_BAR}" rx="2"/>',
        f'<text x="{_LEFT + max(1.0, width) + 6:.1f}" y="{middle}">{bar.value:,.0f}</text>',
    ]


def _said(bar: Bar) -> str:
    return f"{bar.name} {bar.value:,.0f}"
