"""The corridor under trouble: another target answers, or the caller is told the truth."""

import http.client
import itertools
import json
import socket
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.running import RunningGateway
from tests.waiting import until


@pytest.mark.parametrize("alias", ["resilient", "dead-then-alive", "empty-then-alive"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_target_answers(gateway: RunningGateway, alias: str, stream: bool) -> None:
    """A target that fails before its first content is replaced without the caller noticing."""
    answer = gateway.chat(alias, stream=stream)
    assert (answer.status, answer.headers["x-llmgw-target"]) == (200, "backup/sim")
    if stream:
        assert answer.body.rstrip().endswith(b"data: [DONE]")
        assert answer.body.count(b"data: [DONE]") == 1


def test_a_lone_target_is_asked_again_once(gateway: RunningGateway) -> None:
    """A failure that may pass is retried on the same target when there is no other, and told in the headers."""
    answer = gateway.chat("sim/sim-fail-503-times-1", "say second time lucky")
    assert (answer.status, answer.headers["x-llmgw-attempts"]) == (200, "2")


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("sim/sim-fail-500", 502, "provider_error"),
        ("sim/sim-fail-503", 503, "provider_overloaded"),
        ("sim/sim-fail-429", 429, "rate_limit_exceeded"),
        ("sim/sim-auth-401", 502, "provider_auth"),
        ("sim/sim-html", 502, "provider_bad_response"),
        ("sim/sim-empty", 502, "provider_bad_response"),
        ("hasty/sim-hang", 504, "provider_timeout"),
        ("gone/any", 502, "provider_unreachable"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_total_failure_has_a_true_status(
    gateway: RunningGateway, model: str, status: int, code: str, stream: bool
) -> None:
    """When every attempt fails before the first content, the status says so, streamed or not."""
    answer = gateway.chat(_unrested(model), stream=stream)
    assert answer.status == status, answer.body
    assert code == answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("sim/sim-cut-after-3", "stream_interrupted"),
        ("sim/sim-reset-after-3", "stream_interrupted"),
        ("sim/sim-garbage", "provider_bad_stream"),
        ("sim/sim-error-in-stream", "provider_error"),
        ("hasty/sim-stall-after-3", "provider_timeout"),
    ],
)
def test_a_stream_that_breaks_ends_in_one_error(gateway: RunningGateway, model: str, code: str) -> None:
    """After the first content there is one error event, no end marker, and no second answer."""
    answer = gateway.chat(_unrested(model), "count to 30", stream=True)
    assert answer.status == 200
    events = [
        line.removeprefix(b"data: ") for line in answer.body.split(b"\n\n") if line.startswith(b"data: ")
    ]
    assert b"[DONE]" not in answer.body
    assert code == json.loads(events[-1])["error"]["code"]
    assert sum(b'"error"' in event for event in events) == 1


def test_done_missing_after_a_whole_answer_is_a_success(gateway: RunningGateway) -> None:
    """A provider that forgets its end marker has still answered; the caller gets exactly one."""
    answer = gateway.chat("sim/sim-nodone", "count to 3", stream=True)
    assert answer.body.count(b"data: [DONE]") == 1


def test_the_callers_timeout_is_the_calls(gateway: RunningGateway) -> None:
    """`timeout_ms` bounds the whole call, in the body or as a header."""
    by_body = gateway.chat("sim/sim-hang", llmgw={"timeout_ms": 200})
    assert (by_body.status, by_body.json()["error"]["code"]) == (504, "deadline_exceeded")
    body = {"model": "sim/sim-hang", "messages": [{"role": "user", "content": "x"}]}
    by_header = gateway.request("/v1/chat/completions", body, headers={"x-llmgw-timeout-ms": "200"})
    assert by_header.status == 504
    bad = gateway.request("/v1/chat/completions", body, headers={"x-llmgw-timeout-ms": "soon"})
    assert (bad.status, bad.json()["error"]["param"]) == (400, "x-llmgw-timeout-ms")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["sim/sim-hang", "sim/sim-stall-after-3"])
def test_a_caller_who_leaves_closes_the_providers_connection(
    gateway: RunningGateway, simulator: SimulatorProcess, model: str, stream: bool
) -> None:
    """The provider sees its connection closed when our caller is gone, before and after the first byte."""
    before = _stats(simulator)["closed_early"]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    body = {"model": model, "messages": [{"role": "user", "content": "count to 30"}], "stream": stream}
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body),
        {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"},
    )
    until(lambda: _stats(simulator)["open"] > 0, "the call to reach the provider")
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    until(
        lambda: _stats(simulator)["closed_early"] == before + 1,
        "the provider to see its caller leave",
        within_s=3,
    )


def test_failing_targets_rest_and_say_so(gateway: RunningGateway) -> None:
    """After repeated failures a target rests: 503 with Retry-After, visible to operators."""
    model = "sim/sim-fail-502"
    answers = [gateway.chat(model) for _ in range(5)]
    assert answers[-1].status == 503
    assert answers[-1].json()["error"]["code"] == "no_healthy_target"
    assert int(answers[-1].headers["retry-after"]) >= 1
    targets = gateway.request("/admin/v1/targets").json()["targets"]
    assert [target["state"] for target in targets if target["target"] == model] == ["open"]


def test_a_weighted_alias_uses_all_its_targets(gateway: RunningGateway) -> None:
    """Over many calls, both targets of a 9:1 alias answer, the heavier one more often."""
    targets = [gateway.chat("split").headers["x-llmgw-target"] for _ in range(80)]
    assert {"sim/sim", "backup/sim"} == set(targets)
    assert targets.count("sim/sim") > targets.count("backup/sim")


_DELAYS_MS = itertools.count(2)


def _unrested(model: str) -> str:
    """The same simulated trouble under a name of its own: failures elsewhere have not put it to rest."""
    return f"{model}-ttft-{next(_DELAYS_MS)}ms" if "/sim-" in model else model


def _stats(simulator: SimulatorProcess) -> dict[str, Any]:
    port = int(simulator.base_url.rsplit(":", 1)[1].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_sim/stats")
        stats: dict[str, Any] = json.loads(connection.getresponse().read())
        return stats
    finally:
        connection.close()
