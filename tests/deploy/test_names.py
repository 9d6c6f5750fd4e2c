"""Rules, their tests and dashboards name nothing that the gateway does not tell."""

import re

import pytest
import yaml
from deploy.grafana.boards import BOARDS
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.prometheus_names import family_of
from tests.deploy.expressions import KNOWN, groups_of, series_of
from tests.deploy.promtool import DEPLOY, rules

RECORDED = {str(rule["record"]) for rule in rules() if "record" in rule}
SHOWN = [
    (f"{board.uid}: {panel.title}", query.expr, query.legend)
    for board in BOARDS
    for _, row in board.rows
    for panel in row
    for query in panel.queries
]
LISTED = [
    (f"{board.uid}: {name}", re.sub(r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", query), "")
    for board in BOARDS
    for name, query in board.variables
]
RULED = [(str(rule.get("alert", rule.get("record"))), str(rule["expr"]), "") for rule in rules()]
GIVEN = [
    (path.name, series["series"], "")
    for path in sorted((DEPLOY / "prometheus" / "tests").glob("*.test.yml"))
    for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
    for series in test["input_series"]
]
MADE = {"loss_severity"}
"""Labels that a rule itself makes."""


@pytest.mark.parametrize(
    "listed", [RULED, SHOWN, LISTED, GIVEN], ids=["rules", "dashboards", "variables", "tests"]
)
def test_every_series_and_label_exists(listed: list[tuple[str, str, str]]) -> None:
    """Each series is told by the gateway or made by a rule, and has the labels it is asked for."""
    wrong = []
    for where, expression, legend in listed:
        found = series_of(expression)
        constant = expression.startswith("vector(")
        if not found and not constant:
            wrong.append(f"{where}: names nothing")
        known: set[str] = set(MADE)
        for name, selected in found:
            if name.startswith("llmgw:"):
                wrong += [f"{where}: {name} is not recorded"] if name not in RECORDED else []
                known |= {"job", "llmgw_provider"}
                continue
            if name not in KNOWN:
                wrong.append(f"{where}: {name} is not told")
                continue
            known |= KNOWN[name]
            wrong += [f"{where}: {name} has no {label}" for label in selected - KNOWN[name]]
        asked = groups_of(expression) | set(re.findall(r"\{\{(\w+)\}\}", legend))
        wrong += [f"{where}: nothing has {label}" for label in asked - known]
    assert wrong == []


def test_bounds_that_rules_ask_for_are_bounds() -> None:
    """A rule that asks for `le` asks for an upper end that the histogram has."""
    bounds = {
        f"{family_of(each)}_bucket": set(each.bounds) for each in DEFINITIONS if each.kind == "histogram"
    }
    asked = [
        (name, float(bound))
        for _, expression, _ in (*RULED, *SHOWN)
        for name, bound in re.findall(r'(\w+_bucket)\{[^}]*le="([\d.]+)"', expression)
    ]
    assert asked
    assert [(name, bound) for name, bound in asked if bound not in bounds[name]] == []
