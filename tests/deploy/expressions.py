"""Which series and labels a PromQL expression names, as far as words go."""

import re
from typing import Final

from llmgw.telemetry.aggregates import Definition
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.prometheus_names import family_of, label_of, sample_of

_WORDS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_SERIES: Final = re.compile(r"\b((?:llmgw|gen_ai|http|process)_\w+|llmgw:[\w:]+|up|ALERTS)\b(?:\{([^}]*)\})?")
_SELECTED: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED: Final = re.compile(r"\b(?:by|on|group_left)\s*\(([^)]*)\)")
_OF_SCRAPES: Final = {"job", "instance", "worker"}
"""Labels of every series that is scraped from the gateway."""


def _samples(definition: Definition) -> set[str]:
    if definition.kind == "histogram":
        return {f"{family_of(definition)}_{suffix}" for suffix in ("bucket", "count", "sum")}
    return {sample_of(definition)}


KNOWN: Final[dict[str, set[str]]] = {
    name: {*map(label_of, each.labels), *_OF_SCRAPES, *({"le"} if name.endswith("_bucket") else ())}
    for each in DEFINITIONS
    for name in _samples(each)
} | {
    "up": {"job", "instance"},
    "ALERTS": {"job", "instance", "alertname", "alertstate", "severity", "area"},
}
"""Labels of each series that the gateway, or Prometheus itself, tells."""


def series_of(expression: str) -> list[tuple[str, set[str]]]:
    """Names of series, each with the labels it is selected by."""
    bare = _WORDS.sub('""', _GROUPED.sub("", expression))
    return [(name, set(_SELECTED.findall(selected or ""))) for name, selected in _SERIES.findall(bare)]


def groups_of(expression: str) -> set[str]:
    """Labels that series are grouped or matched by."""
    listed = ",".join(_GROUPED.findall(expression))
    return {label.strip() for label in listed.split(",")} - {""}
