"""Dashboards are what their description makes of them, and what Grafana takes."""

import json
from pathlib import Path

import pytest
import yaml
from deploy.grafana.make import FOLDER, documents
from tests.deploy.promtool import DEPLOY, run

BOARDS = {name: json.loads(text) for name, text in documents().items()}
KINDS = {"row", "timeseries", "stat", "table", "bargauge", "state-timeline"}


def test_the_committed_files_are_what_is_made() -> None:
    """`python -m deploy.grafana.make` would change nothing."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == documents()


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_holds_together(name: str) -> None:
    """Panels have their own numbers and places, known kinds, and targets that ask a data source that is set up."""
    board = BOARDS[name]
    sources = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/llmgw.yaml").read_text(encoding="utf-8")
    )
    uids = {source["uid"] for source in sources["datasources"]}
    panels = board["panels"]
    assert (board["schemaVersion"], f"{board['uid']}.json") == (42, name)
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    assert {panel["type"] for panel in panels} <= KINDS
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert taken.isdisjoint(cells), panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] in uids


def test_every_expression_is_promql(tmp_path: Path) -> None:
    """Prometheus parses what the dashboards ask, with a choice made for each variable."""
    queries = [
        target["expr"].replace("$__rate_interval", "5m").replace("$__range", "6h")
        for board in BOARDS.values()
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
    rules = [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "dashboards.rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    run("promtool", "check", "rules", "--lint=none", path)
