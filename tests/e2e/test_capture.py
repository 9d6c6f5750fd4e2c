"""Words on traces of a running gateway: whole answers, streams, broken ones, conversations; and none at `none`."""

import json
from typing import Any

from llmgw.simulator.process import SimulatorProcess
from tests.collectors import Collector, attributes
from tests.running import RunningGateway

LEVELS = {"default": "full", "quiet": "none"}


def said(collector: Collector, call: str) -> Any:
    """What the logical call tells of an answer: its words and what came before."""
    (span,) = [
        each for each in collector.all_spans() if attributes(each.attributes).get("llmgw.content.ref") == call
    ]
    told = attributes(span.attributes)
    asked = json.loads(str(told["gen_ai.input.messages"]))
    answered = json.loads(str(told["gen_ai.output.messages"]))
    return [part["content"] for message in asked for part in message["parts"]], answered


def test_words_are_told_as_each_tenant_says(tmp_path: Any, simulator: SimulatorProcess) -> None:
    """Asked and answered, in a stream and half of one, with what was stored before; of a quiet tenant nothing."""
    collector = Collector()
    telemetry = {"otlp_endpoint": collector.url, "capture_by_tenant": LEVELS}
    provider = {"kind": "simulator", "base_url": simulator.base_url}
    with RunningGateway(tmp_path, {"providers": {"sim": provider}, "telemetry": telemetry}) as gateway:
        whole = gateway.chat("sim/sim", "say hello")
        stream = gateway.chat("sim/sim", "say hello", stream=True)
        broken = gateway.chat(
            "sim/sim-cut-after-5", "count the ways in which you can be of help", stream=True
        )
        first = gateway.chat("sim/sim", "one", llmgw={"context": {"create": True}})
        context = first.json()["llmgw"]["context"]
        second = gateway.chat("sim/sim", "two", llmgw={"context": {"id": context}})
        quiet = {"name": "q", "role": "caller", "tenant": "quiet"}
        key = gateway.request("/admin/v1/keys", quiet).json()["key"]
        body = {
            "model": "sim/sim",
            "messages": [{"role": "user", "content": "hush"}],
            "llmgw": {"tags": ["t_1"]},
        }
        trace = {"traceparent": "00-11111111111111111111111111111111-2222222222222222-01"}
        hushed = gateway.request("/v1/chat/completions", body, key=key, headers=trace)
        assert {each.status for each in (whole, stream, broken, first, second, hushed)} == {200}
        gateway.stop()
        log = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
    collector.close()

    asked, answered = said(collector, whole.headers["x-llmgw-call-id"])
    words = whole.json()["choices"][0]["message"]["content"]
    assert (asked, answered[0]["parts"][0]["content"]) == (["say hello"], words)
    _, streamed = said(collector, stream.headers["x-llmgw-call-id"])
    assert streamed == answered
    _, partial = said(collector, broken.headers["x-llmgw-call-id"])
    assert partial[0]["parts"][0]["content"]
    assert "finish_reason" not in partial[0]
    asked, _ = said(collector, second.headers["x-llmgw-call-id"])
    assert asked == ["one", first.json()["choices"][0]["message"]["content"], "two"]

    everything = str(collector.requests)
    assert hushed.headers["x-llmgw-call-id"] not in everything
    assert "hush" not in everything
    assert "t_1" not in everything
    (line,) = [line for line in log if line.get("tenant") == "quiet"]
    assert not {"request_id", "call_id", "trace_id", "key_id", "tags"} & set(line)
    assert line["output_tokens"] > 0
    (root,) = [
        span for span in collector.all_spans() if attributes(span.attributes).get("llmgw.tenant") == "quiet"
    ]
    assert (root.parent_span_id, root.trace_id == bytes.fromhex("11" * 16)) == (b"", False)
