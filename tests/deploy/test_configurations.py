"""The collector's, Jaeger's and Compose's files name only what is there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from llmgw.telemetry import semconv
from tests.deploy.promtool import DEPLOY, ROOT

PIPELINES = [DEPLOY / "otelcol" / "config.yaml", DEPLOY / "jaeger" / "config.yaml"]
ATTRIBUTES = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def _loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_pipelines_are_made_of_what_is_defined(path: Path) -> None:
    """Each part of a pipeline is defined, each that is defined is used, and connectors join two pipelines."""
    config = _loaded(path)
    pipelines = config["service"]["pipelines"].values()
    connectors = set(config["connectors"])
    ins = {name for each in pipelines for name in each["receivers"]}
    outs = {name for each in pipelines for name in each["exporters"]}
    steps = {name for each in pipelines for name in each.get("processors", [])}
    assert ins == {*config["receivers"], *connectors}
    assert outs == {*config["exporters"], *connectors}
    assert steps == set(config["processors"])
    assert set(config["service"].get("extensions", [])) == set(config.get("extensions", {}))


def test_what_the_collector_keeps_is_on_spans() -> None:
    """Attributes by which traces are kept are attributes that the gateway sets."""
    policies = _loaded(DEPLOY / "otelcol" / "config.yaml")["processors"]["tail_sampling"]["policies"]
    keys = [each[each["type"]]["key"] for each in policies if "key" in each[each["type"]]]
    conditions = [text for each in policies for text in each.get("ottl_condition", {}).get("span", [])]
    keys += re.findall(r'attributes\["([^"]+)"\]', " ".join(conditions))
    assert len(keys) > 5
    assert set(keys) <= ATTRIBUTES


def test_links_of_jaeger_name_attributes() -> None:
    """Each link hangs on an attribute of spans, and is made of such."""
    links = json.loads((DEPLOY / "jaeger" / "jaeger-ui.json").read_text(encoding="utf-8"))["linkPatterns"]
    assert {"llmgw.call.id", "llmgw.prompt", "gen_ai.conversation.id"} <= {link["key"] for link in links}
    used = {name for link in links for name in re.findall(r"#\{([^}]+)\}", link["url"] + link["text"])}
    assert used | {link["key"] for link in links} <= ATTRIBUTES


def test_compose_mounts_what_exists_and_opens_this_machine_alone() -> None:
    """Files that are mounted are there, ports are on loopback, and images have a version."""
    for name, service in COMPOSE["services"].items():
        mounted = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == [], name
        named = {path for path in mounted if not path.startswith("./")}
        assert named <= set(COMPOSE["volumes"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "image" not in service or re.search(r":v?\d", service["image"]), name


def test_who_is_asked_is_a_service() -> None:
    """Hosts in the configurations are services of the compose file."""
    texts = [path.read_text(encoding="utf-8") for path in (*PIPELINES, DEPLOY / "prometheus/prometheus.yml")]
    texts.append((DEPLOY / "grafana/provisioning/datasources/llmgw.yaml").read_text(encoding="utf-8"))
    bare = re.sub(r"#.*", "", "\n".join(texts))
    hosts = set(re.findall(r"(?:http://|\")([a-z]+):\d{4,5}", bare))
    assert {"gateway", "jaeger", "otelcol", "alertmanager", "prometheus"} <= hosts <= set(COMPOSE["services"])
