"""What metrics and labels are called where Prometheus reads them, as OpenTelemetry translates them.

Dots become underscores, the unit is a suffix, what only counts ends in `_total` and a share in `_ratio`; a unit in
braces says what is counted and is left out. The collector's exporter and Prometheus' own OTLP receiver come to the
same names.
"""

import re
from typing import Final

from llmgw.telemetry.aggregates import Definition

_UNITS: Final = {"s": "seconds", "By": "bytes"}
_ILLEGAL: Final = re.compile(r"[^a-zA-Z0-9_]")


def unit_of(definition: Definition) -> str:
    """The unit in a word: `seconds`, `bytes` or `ratio`; "" where it is none."""
    if definition.unit == "1":
        return "ratio" if definition.kind == "gauge" else ""
    return _UNITS.get(definition.unit, "")


def family_of(definition: Definition) -> str:
    """The name of a metric without what its samples add: `llmgw_overhead_seconds`."""
    name, unit = label_of(definition.name), unit_of(definition)
    return f"{name}_{unit}" if unit and not name.endswith(f"_{unit}") else name


def sample_of(definition: Definition) -> str:
    """What rules and dashboards ask for: of a counter with `_total`, of a histogram without `_bucket`."""
    family = family_of(definition)
    return f"{family}_total" if definition.kind == "counter" else family


def label_of(name: str) -> str:
    """The name of a label, or of a metric without its unit."""
    return _ILLEGAL.sub("_", name)
