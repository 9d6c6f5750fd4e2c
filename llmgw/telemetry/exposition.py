"""What Prometheus is told when it asks: the text format 0.0.4, or OpenMetrics 1.0 for who prefers that.

    # HELP llmgw_overhead_seconds Time of a call that was not spent waiting for providers.
    # TYPE llmgw_overhead_seconds histogram
    # UNIT llmgw_overhead_seconds seconds
    llmgw_overhead_seconds_bucket{worker="1",http_route="/v1/messages",le="0.001"} 3 # {trace_id="…"} 0.0009
    …
    # EOF

Every series has the label `worker`, so what a worker counts only grows while it lives, and one that takes its place
is a reset of its own series. Exemplars are in OpenMetrics alone, as the older format has no place for them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from llmgw.telemetry.aggregates import Definition
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.points import Exemplar, Point, Sheet
from llmgw.telemetry.prometheus_names import family_of, label_of, sample_of, unit_of

WORKER: Final = "worker"
"""The label that tells workers apart."""


class Format(Struct, frozen=True):
    """One of the two formats, by its content type."""

    content_type: str
    open_metrics: bool


TEXT: Final = Format("text/plain; version=0.0.4; charset=utf-8", open_metrics=False)
OPEN_METRICS: Final = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", open_metrics=True)

_OPEN_VERSIONS: Final = frozenset({"", "0.0.1", "1.0.0"})
_MAX_RANGES: Final = 32
_VALUE: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


def format_for(accept: str) -> Format:
    """Choose by the header `Accept`: OpenMetrics where that is wanted more, the text format in all other cases."""
    wanted = {TEXT: 0.0, OPEN_METRICS: 0.0}
    for given in accept.split(",")[:_MAX_RANGES]:
        media_type, *parameters = (part.strip().lower() for part in given.split(";"))
        members = dict(part.partition("=")[::2] for part in parameters)
        quality = _quality(members.get("q", "1"))
        if media_type == "application/openmetrics-text" and members.get("version", "") in _OPEN_VERSIONS:
            wanted[OPEN_METRICS] = max(wanted[OPEN_METRICS], quality)
        elif media_type in {"text/plain", "text/*", "*/*"}:
            wanted[TEXT] = max(wanted[TEXT], quality)
    return OPEN_METRICS if wanted[OPEN_METRICS] > wanted[TEXT] else TEXT


def written(sheets: Sequence[Sheet], form: Format) -> bytes:
    """Write down what workers show, metric by metric, in the order of the definitions."""
    lines: list[str] = []
    for definition in DEFINITIONS:
        found = [(sheet.worker, point) for sheet in sheets for point in sheet.points.get(definition.name, ())]
        if found:
            lines += _head(definition, form)
            for worker, point in found:
                lines += _samples(definition, worker, point, form)
    if form.open_metrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _head(definition: Definition, form: Format) -> Iterator[str]:
    name = family_of(definition) if form.open_metrics else sample_of(definition)
    meaning = definition.description.translate(_VALUE if form.open_metrics else _HELP)
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {definition.kind}"
    unit = unit_of(definition)
    if unit and form.open_metrics:
        yield f"# UNIT {name} {unit}"


def _samples(definition: Definition, worker: str, point: Point, form: Format) -> Iterator[str]:
    names = (WORKER, *map(label_of, definition.labels))
    labels = ",".join(
        f'{name}="{word.translate(_VALUE)}"'
        for name, word in zip(names, (worker, *point.labels), strict=True)
        if word
    )
    exemplars = point.exemplars if form.open_metrics else ()
    if definition.kind != "histogram":
        kept = exemplars[0] if exemplars else None
        yield f"{sample_of(definition)}{{{labels}}} {_number(point.value)}{_exemplar(kept)}"
        return
    name = family_of(definition)
    so_far = 0
    for bucket, (bound, count) in enumerate(zip(_bounds(definition), point.counts, strict=True)):
        so_far += count
        kept = exemplars[bucket] if exemplars else None
        yield f'{name}_bucket{{{labels},le="{_number(bound)}"}} {so_far}{_exemplar(kept)}'
    yield f"{name}_sum{{{labels}}} {_number(point.value)}"
    yield f"{name}_count{{{labels}}} {so_far}"


def _bounds(definition: Definition) -> Iterable[float]:
    return (*definition.bounds, math.inf)


def _exemplar(kept: Exemplar | None) -> str:
    if kept is None:
        return ""
    return f' # {{trace_id="{kept.trace_id}"}} {_number(kept.value)} {kept.unix_ns / 1e9:.3f}'


def _number(value: float) -> str:
    """A number as both formats take it: whole ones short, the others exact."""
    return "+Inf" if value == math.inf else repr(value)


def _quality(text: str) -> float:
    """The weight of one range of `Accept`; what is no weight counts as none."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
