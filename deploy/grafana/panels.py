"""Dashboards in Grafana's classic JSON model, schema version 42 (Grafana 12): panels, queries, places.

Grafana 13 reads the same files and shows them by its newer schema.
"""

from typing import Any, Final, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]

SCHEMA_VERSION: Final = 42
WIDTH: Final = 24
"""Columns of Grafana's grid."""
PROMETHEUS: Final = {"type": "prometheus", "uid": "llmgw-prometheus"}
"""The data source that `provisioning/datasources` makes."""

MAPS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "breaker": {"0": ("closed", "green"), "1": ("half open", "yellow"), "2": ("open", "red")},
    "up": {"0": ("down", "red"), "1": ("up", "green")},
}
"""Words and colours for gauges that stand for a state."""


class Query(Struct, frozen=True):
    """One PromQL expression, and what a series of it is called; `instant` asks for the end of the range alone."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False


class Panel(Struct, frozen=True, kw_only=True):
    """One panel: `unit` as Grafana names it; `steps` are the values from which the colour changes, lowest first."""

    title: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    unit: str = "short"
    about: str = ""
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    states: str = ""
    least: float | None = 0
    most: float | None = None


class Board(Struct, frozen=True, kw_only=True):
    """One dashboard: rows of panels under headings, and the variables that narrow them."""

    uid: str
    title: str
    about: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[tuple[str, str], ...]
    """Names, and the query that lists the values."""


def quantile(share: float, metric: str, selector: str, by: str = "") -> str:
    """PromQL for a quantile of a histogram, over all series or told apart by labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{{{selector}}}[$__rate_interval])))"


def rate(metric: str, selector: str, by: str = "") -> str:
    """PromQL for how often something happens in a second, over all series or told apart by labels."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{selector}}}[$__rate_interval]))"


def dashboard(board: Board) -> Json:
    """The whole document, as Grafana loads it from a file."""
    panels: list[Json] = []
    top = 0
    for heading, row in board.rows:
        panels.append(_heading(len(panels) + 1, heading, top))
        top += 1
        left = tallest = 0
        for panel in row:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            panels.append(_panel(len(panels) + 1, panel, left, top))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return {
        "annotations": {"list": [_alerts_as_annotations()]},
        "description": board.about,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [_other_dashboards()],
        "panels": panels,
        "preload": False,
        "refresh": "30s",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["llmgw"],
        "templating": {"list": [_variable(name, query) for name, query in board.variables]},
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": board.title,
        "uid": board.uid,
        "version": 1,
        "weekStart": "",
    }


def _alerts_as_annotations() -> Json:
    return {
        "datasource": PROMETHEUS,
        "enable": True,
        "expr": 'ALERTS{job="llmgw",alertstate="firing"}',
        "iconColor": "red",
        "name": "Alerts",
        "step": "60s",
        "textFormat": "{{alertname}}",
        "titleFormat": "{{severity}}",
    }


def _other_dashboards() -> Json:
    return {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": ["llmgw"],
        "title": "Other dashboards",
        "type": "dashboards",
    }


def _variable(name: str, query: str) -> Json:
    return {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": PROMETHEUS,
        "definition": query,
        "includeAll": True,
        "label": name.capitalize(),
        "multi": True,
        "name": name,
        "options": [],
        "query": {"qryType": 1, "query": query, "refId": f"{name}-values"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "type": "query",
    }


def _heading(number: int, title: str, top: int) -> Json:
    return {
        "collapsed": False,
        "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
        "id": number,
        "panels": [],
        "title": title,
        "type": "row",
    }


def _panel(number: int, panel: Panel, left: int, top: int) -> Json:
    return {
        "datasource": PROMETHEUS,
        "description": panel.about,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "gridPos": {"h": panel.height, "w": panel.width, "x": left, "y": top},
        "id": number,
        "options": _OPTIONS[panel.kind],
        "targets": [_target(index, query, panel) for index, query in enumerate(panel.queries)],
        "title": panel.title,
        "type": panel.kind,
    }


def _target(index: int, query: Query, panel: Panel) -> Json:
    return {
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "exemplar": query.exemplar,
        "expr": query.expr,
        "format": "table" if panel.kind == "table" else "time_series",
        "instant": query.instant,
        "legendFormat": query.legend or "__auto",
        "range": not query.instant,
        "refId": chr(ord("A") + index),
    }


def _defaults(panel: Panel) -> Json:
    made: Json = {
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "custom": _custom(panel),
        "mappings": [],
        "noValue": "none",
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": at} for at, color in panel.steps],
        },
        "unit": panel.unit,
    }
    if panel.kind in {"timeseries", "bargauge"}:
        made |= {
            key: value for key, value in (("min", panel.least), ("max", panel.most)) if value is not None
        }
    if panel.states:
        words = MAPS[panel.states]
        options = {
            value: {"color": color, "index": index, "text": text}
            for index, (value, (text, color)) in enumerate(words.items())
        }
        made["mappings"] = [{"options": options, "type": "value"}]
    return made


def _custom(panel: Panel) -> Json:
    if panel.kind != "timeseries":
        return {"fillOpacity": 70, "lineWidth": 0} if panel.kind == "state-timeline" else {}
    return {
        "drawStyle": "line",
        "fillOpacity": 30 if panel.stacked else 5,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "line" if len(panel.steps) > 1 else "off"},
    }


_LEGEND: Final = {
    "calcs": ["lastNotNull", "max"],
    "displayMode": "table",
    "placement": "bottom",
    "showLegend": True,
}
_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[dict[str, Json]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"colorMode": "value", "graphMode": "area", "reduceOptions": _LAST, "textMode": "auto"},
    "bargauge": {
        "displayMode": "lcd",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
    },
    "state-timeline": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "table": {"cellHeight": "sm", "footer": {"show": False}, "showHeader": True},
}
