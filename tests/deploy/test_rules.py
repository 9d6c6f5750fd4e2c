"""Alert rules and where alerts go, by Prometheus' and Alertmanager's own tools."""

import re
from pathlib import Path

import pytest
import yaml
from tests.deploy.promtool import DEPLOY, ROOT, RULES, rules, run

TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.test.yml"))
ROUTES = DEPLOY / "alertmanager" / "alertmanager.yml"
ALERTS = [rule for rule in rules() if "alert" in rule]


def test_rules_and_the_configuration_are_sound() -> None:
    """Prometheus takes the rules, without a complaint of its linter, and the configuration that loads them."""
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)
    run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(path: Path) -> None:
    """Each alert fires with its words and labels when it should, and is silent when it should not be heard."""
    run("promtool", "test", "rules", path)


def test_every_alert_was_seen_both_ways() -> None:
    """There is a case in which each alert fires, and one in which it does not."""
    cases = [
        case
        for path in TESTS
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    names = {rule["alert"] for rule in ALERTS}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    """An alert has a severity, a summary, a description and a chapter in the runbooks."""
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/runbooks.md#{str(rule['alert']).lower()}")
    assert f"\n### {rule['alert']}\n" in page


def test_the_runbooks_are_of_alerts_that_exist() -> None:
    """No chapter is left of an alert that is no more."""
    page = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


def test_alertmanager_takes_its_configuration() -> None:
    """Alertmanager would start with it."""
    run("amtool", "check-config", ROUTES)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alerts_go_where_their_severity_says(rule: dict[str, dict[str, str]]) -> None:
    """What pages goes to who is paged, and a ticket does not."""
    labels = {"alertname": str(rule["alert"]), **rule["labels"]}
    words = [f"{name}={value}" for name, value in labels.items()]
    receiver = run("amtool", "config", "routes", "test", f"--config.file={ROUTES}", *words).strip()
    assert receiver == {"page": "pages", "ticket": "tickets"}[labels["severity"]]
