"""`/metrics` of a gateway of several workers, as Prometheus reads it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmgw.simulator.process import SimulatorProcess
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.prometheus_names import sample_of
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from tests.collectors import Collector
from tests.e2e.conftest import config_for
from tests.running import Answer, RunningGateway
from tests.waiting import until

WORKERS = {"1", "2"}
OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
ALWAYS = {
    "llmgw.breaker.state",
    "llmgw.books.violations",
    "llmgw.calls.active",
    "llmgw.config.generation",
    "llmgw.queue.depth",
    "llmgw.queue.limit",
    "llmgw.store.up",
    "llmgw.loop.lag",
    "llmgw.telemetry.dropped",
    "llmgw.journal.ready",
}
"""What every worker shows before its first call; the process's own figures besides."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector, so that traces are kept."""
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def two(
    simulator: SimulatorProcess, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway of two workers that keeps every trace."""
    config = config_for(simulator.base_url)
    config["server"] = {"workers": 2}
    config["telemetry"] = {"otlp_endpoint": collector.url}
    with RunningGateway(tmp_path_factory.mktemp("metrics"), config) as running:
        until(lambda: set(lags(running)) == WORKERS, "both workers to have measured something")
        yield running


def families(gateway: RunningGateway, accept: str = "") -> dict[str, Metric]:
    """What is scraped, read by the format's own parser."""
    answer = gateway.request("/metrics", headers={"accept": accept})
    assert answer.status == 200
    parse = open_metrics.text_string_to_metric_families if accept else text_string_to_metric_families
    return {family.name: family for family in parse(answer.body.decode())}


def values(found: dict[str, Metric], family: str, sample: str, **labels: str) -> dict[str, float]:
    """A metric's values by worker."""
    of = found.get(family)
    return {
        each.labels["worker"]: each.value
        for each in (of.samples if of is not None else ())
        if each.name == sample and labels.items() <= each.labels.items()
    }


def lags(gateway: RunningGateway) -> dict[str, float]:
    """How often each worker has measured how late it is."""
    return values(families(gateway), "llmgw_loop_lag_seconds", "llmgw_loop_lag_seconds_count")


def calls(found: dict[str, Metric]) -> dict[str, float]:
    """Calls that went well, by worker."""
    labels = {"http_route": "/v1/chat/completions", "http_response_status_code": "200"}
    return values(found, "llmgw_requests", "llmgw_requests_total", **labels)


def test_every_call_is_counted_once_whoever_is_scraped(two: RunningGateway) -> None:
    """Sums over workers are what was asked; a call that failed has its code, a fallback both its targets."""
    before = sum(calls(families(two)).values())
    for _ in range(6):
        assert two.chat("demo").status == 200
    assert two.chat("told").status == 200
    assert two.chat("both-fail").status == 502
    for _ in range(8):
        found = families(two)
        assert sum(calls(found).values()) == before + 7
    labels = {"from": "sim/sim-fail-503-ttft-1ms", "to": "backup/sim"}
    assert sum(values(found, "llmgw_fallbacks", "llmgw_fallbacks_total", **labels).values()) == 1
    failed = values(found, "llmgw_attempts", "llmgw_attempts_total", llmgw_provider="sim", outcome="ok")
    assert sum(failed.values()) == before + 6
    refused = [each for each in found["llmgw_requests"].samples if each.labels.get("error_type")]
    assert [each.labels["http_response_status_code"] for each in refused] == ["502"]


def test_what_parts_keep_is_shown_of_every_worker(two: RunningGateway) -> None:
    """Before any call and after; numbers of the process are those of its worker."""
    found = families(two, OPEN_METRICS)
    names = {
        sample_of(each) for each in DEFINITIONS if each.name in ALWAYS or each.name.startswith("process.")
    }
    shown: dict[str, set[str]] = {}
    for family in found.values():
        for sample in family.samples:
            shown.setdefault(sample.name.removesuffix("_count"), set()).add(sample.labels["worker"])
    assert {name: shown.get(name) for name in names} == dict.fromkeys(names, WORKERS)
    assert values(found, "llmgw_store_up", "llmgw_store_up") == dict.fromkeys(WORKERS, 1)
    resident = values(found, "process_resident_memory_bytes", "process_resident_memory_bytes")
    assert min(resident.values()) > 10_000_000


def test_breakers_and_connections_are_shown(two: RunningGateway) -> None:
    """A target that fails rests: 2; one that answers does not: 0, and its connection is kept for the next call."""
    for _ in range(10):
        assert two.chat("dead-then-alive").status == 200
    found = families(two)

    def shown(name: str, **labels: str) -> list[float]:
        return list(values(found, name, name, **labels).values())

    assert max(shown("llmgw_breaker_state", llmgw_target="gone/any")) == 2
    assert shown("llmgw_breaker_state", llmgw_target="backup/sim") == [0, 0]
    kept = sum(
        sum(shown("llmgw_pool_connections", llmgw_provider=each, state="idle")) for each in ("sim", "backup")
    )
    assert kept >= 1
    assert shown("llmgw_calls_active") == [0, 0]


def test_a_number_leads_to_a_trace_that_arrives(two: RunningGateway, collector: Collector) -> None:
    """The trace of an exemplar is one that the collector is sent."""
    assert two.chat("demo").status == 200
    found = families(two, OPEN_METRICS)
    told = {
        each.exemplar.labels["trace_id"]
        for each in found["http_server_request_duration_seconds"].samples
        if each.exemplar
    }
    assert told

    def arrived() -> bool:
        return told <= {span.trace_id.hex() for span in collector.all_spans()}

    until(arrived, "the exemplars' traces")


def test_a_worker_that_dies_begins_anew_under_its_number(two: RunningGateway) -> None:
    """A reset of its own series alone: the other one's go on."""
    for _ in range(8):
        assert two.chat("demo").status == 200
    before = values(families(two), "process_start_time_seconds", "process_start_time_seconds")
    os.kill(two.worker_pids()[0], signal.SIGKILL)

    def replaced() -> list[str]:
        now = values(families(two), "process_start_time_seconds", "process_start_time_seconds")
        return [worker for worker in now if now[worker] != before[worker]] if set(now) == WORKERS else []

    assert len(until(replaced, "another worker in its place", within_s=60)) == 1


def test_only_keys_that_see_all_tenants_are_let_in(two: RunningGateway) -> None:
    """No key 401; a caller's key 403, a viewer's of another tenant too; a viewer's of the default tenant may."""

    def key(role: str, tenant: str) -> str:
        made = two.request("/admin/v1/keys", {"name": f"{role} of {tenant}", "role": role, "tenant": tenant})
        return str(made.json()["key"])

    def asked(token: str | None) -> Answer:
        return two.request("/metrics", key=token)

    assert asked(None).status == 401
    refused = [asked(key("caller", "default")), asked(key("viewer", "acme")), asked(key("admin", "acme"))]
    assert [(each.status, each.json()["code"]) for each in refused] == [(403, "permission_denied")] * 3
    assert asked(key("viewer", "default")).status == 200


def test_metrics_may_be_open_to_all(simulator: SimulatorProcess, tmp_path: Path) -> None:
    """Where the settings say so, and nothing else is."""
    config = config_for(simulator.base_url)
    config["server"] = {"metrics": "public"}
    with RunningGateway(tmp_path, config) as gateway:
        answer = gateway.request("/metrics", key=None, headers={"accept": OPEN_METRICS})
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert answer.body.endswith(b"# EOF\n")
        assert gateway.request("/admin/v1/targets", key=None).status == 401
