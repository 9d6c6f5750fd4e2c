"""Secrets in whatever a caller or a provider says reach no span, no metric, no log."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.collectors import Collector, value_of
from tests.running import RunningGateway
from tests.secret_samples import WHEREVER
from tests.waiting import until

SECRETS = list(WHEREVER.values())
ALL = " and ".join(SECRETS)
HALVES = [half for secret in SECRETS for half in (secret, secret[len(secret) // 2 :].strip("-\n "))]
HOSTILE = "a\x1b[31mred\x00 line\u2028two\u202egnirts\nthree"


class Echo(BaseHTTPRequestHandler):
    """A provider that repeats what it is told: in its answer, or in its error where the model is called so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Repeat."""
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = json.dumps(asked.get("messages"))
        told: dict[str, Any] = {"error": {"message": words, "type": words, "code": words}}
        status = 400
        if not asked["model"].startswith("fails"):
            status = 200
            message = {"role": "assistant", "content": words}
            choice = {"index": 0, "message": message, "finish_reason": words}
            told = {"id": SECRETS[0], "object": "chat.completion", "created": 1, "model": SECRETS[1]}
            told["choices"] = [choice]
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", SECRETS[2])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of the provider."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector."""
    made = Collector()
    yield made
    made.close()


def bodies() -> list[dict[str, Any]]:
    """Calls with secrets in every member that takes a text."""
    called = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"password": ALL})},
    }
    messages = [
        {"role": "system", "content": ALL},
        {"role": "user", "content": f"{HOSTILE} {ALL}", "name": "jane"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": ALL},
    ]
    plain = {"messages": messages, "metadata": {"note": ALL}, "user": ALL}
    return [
        {"model": "echo/model", **plain},
        {"model": "echo/fails", **plain},
        *({"model": f"echo/{secret}", **plain} for secret in SECRETS if "\n" not in secret),
        *(
            {"model": "echo/model", **plain, "llmgw": {"tags": [f"t {secret}"[:120]]}}
            for secret in SECRETS
            if "\n" not in secret and len(secret) < 100
        ),
        {"model": ALL, "messages": messages},
        {"model": "echo/model", "messages": messages, "llmgw": {"tags": [HOSTILE]}},
        {"model": "echo/model", "messages": messages, "llmgw": {"tags": ["x" * 1_000_000]}},
    ]


def kept_of(gateway: RunningGateway) -> list[str]:
    """The page of metrics, all rows of the call log, and the words that it keeps of some calls."""
    calls = gateway.log().count('"event":"call"')
    rows = until(lambda: rows_from(gateway, calls), "all calls to be in the log")
    admin = gateway.request("/admin/v1/keys", {"name": "b", "role": "admin", "tenant": "acme"}).json()["key"]
    ids = [row["id"] for row in rows if row["capture"] == "redacted"][::5]
    contents = until(lambda: words_of(gateway, admin, ids), "their words")
    assert any("[redacted:github_token]" in each for each in contents)
    return [gateway.request("/metrics").body.decode(), json.dumps(rows, ensure_ascii=False), *contents]


def rows_from(gateway: RunningGateway, calls: int) -> list[dict[str, Any]]:
    """The rows there are, once they are so many."""
    lines = gateway.request("/admin/v1/calls?limit=1000&format=ndjson").body.splitlines()
    return [json.loads(line) for line in lines] if len(lines) >= calls else []


def words_of(gateway: RunningGateway, key: str, ids: list[str]) -> list[str]:
    """What is kept of what was said in calls, once all of it is."""
    answers = [gateway.request(f"/admin/v1/calls/{each}/content", key=key) for each in ids]
    return [each.body.decode() for each in answers] if {each.status for each in answers} == {200} else []


def test_no_secret_leaves_by_telemetry(tmp_path: Any, provider: str, collector: Collector) -> None:
    """At `metadata` no words are told, at `redacted` none of their secrets; each line of the log is one object."""
    telemetry = {"otlp_endpoint": collector.url, "metrics_s": 1, "capture_by_tenant": {"acme": "redacted"}}
    config = {
        "providers": {"echo": {"kind": "openai_compatible", "base_url": provider}},
        "telemetry": telemetry,
    }
    with RunningGateway(tmp_path, config) as gateway:
        made = gateway.request("/admin/v1/keys", {"name": "a", "role": "caller", "tenant": "acme"}).json()
        statuses = []
        for key in (gateway.key, made["key"]):
            for number, body in enumerate(bodies()):
                secret = SECRETS[number % len(SECRETS)].replace("\n", "")
                headers = {
                    "idempotency-key": secret,
                    "user-agent": f"agent/{secret}",
                    "x-request-id": SECRETS[4] if number % 2 else secret,
                    "tracestate": f"v={secret[:60]}",
                }
                path = f"/v1/chat/completions?api_key={SECRETS[5]}"
                statuses.append(gateway.request(path, body, headers=headers, key=key).status)
            named = {"variables": {"words": ALL}}
            statuses.append(gateway.request("/v1/prompts/none/completions", named, key=key).status)
        statuses += [
            gateway.request("/v1/chat/completions", b'{"model"', key=each).status for each in SECRETS[:1]
        ]
        collector.wait_for_reports(1)
        kept = kept_of(gateway)
        gateway.stop()
        log = gateway.log()
    assert set(statuses) == {200, 400, 401, 404}
    spans = collector.all_spans()
    told = "\n".join([log, *kept, *map(str, collector.requests), *map(str, collector.reports)])
    raw = [request.SerializeToString() for request in collector.requests]
    raw += [report.SerializeToString() for report in collector.reports]
    for secret in HALVES:
        assert secret not in told
        assert not any(secret.encode() in each for each in raw)
    words = {
        pair.key: str(value_of(pair.value))
        for span in spans
        for pair in span.attributes
        if pair.key.endswith((".messages", "_instructions"))
    }
    assert "[redacted:github_token]" in words["gen_ai.input.messages"]
    assert "[redacted:" in words["gen_ai.output.messages"]
    lines = [line for line in log.split("\n") if line.startswith("{")]
    assert len(lines) >= len(statuses)
    for line in lines:
        assert json.loads(line)["event"] in {"call", "log"}
        assert line.isprintable()
    assert "x" * 2000 not in told
