"""Counting tokens over HTTP: by which method, how exact, and what is refused."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from llmgw.simulator.process import SimulatorProcess
from tests.running import RunningGateway

TEXT = "The quick brown fox jumps over the lazy dog. " * 40
HELLO = [{"role": "user", "content": "hello there"}]
PATH = "/v1/tokens/count"
CALIBRATION = "/admin/v1/tokens/calibration"


@pytest.fixture(scope="module")
def counting(
    simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    """A gateway with targets that count, and such as do not."""
    root = simulator.base_url.removesuffix("/v1")
    config = {
        "server": {"max_body_mib": 1},
        "providers": {
            "sim": {"kind": "simulator", "base_url": simulator.base_url},
            "claude": {"kind": "anthropic", "base_url": root, "api_key": "none-needed"},
            "openai": {"kind": "openai_compatible", "base_url": simulator.base_url},
        },
        "aliases": {
            "gpt": {"targets": ["openai/gpt-4o"]},
            "failing": {"targets": ["claude/sim-fail-503-ttft-2ms", "sim/sim"]},
        },
    }
    with RunningGateway(tmp_path_factory.mktemp("counting"), config) as running:
        yield running


def count(gateway: RunningGateway, body: dict[str, Any], status: int = 200, key: str | None = None) -> Any:
    """Have something counted."""
    answer = gateway.request(PATH, body, key=key or gateway.key)
    assert answer.status == status, answer.body
    return answer.json()


@pytest.mark.parametrize("said", [{"text": "tiktoken is great!"}, {"input": "tiktoken is great!"}])
def test_a_text_counts_exactly_where_the_vocabulary_is_published(
    counting: RunningGateway, said: dict[str, Any]
) -> None:
    """Six tokens, as OpenAI's cookbook has it."""
    assert count(counting, {"model": "gpt", **said}) == {
        "tokens": 6, "method": "tokenizer", "exact": True, "error_pct": None, "model": "gpt",
    }  # fmt: skip


def test_several_texts_count_together(counting: RunningGateway) -> None:
    """In the forms that requests for embeddings have."""
    assert count(counting, {"model": "gpt", "input": ["hello world", "hello world"]})["tokens"] == 4
    assert count(counting, {"model": "gpt", "input": [1, 2, 3]})["tokens"] == 3
    assert count(counting, {"model": "gpt", "text": ""})["tokens"] == 0


def test_a_conversation_is_near_but_not_exact(counting: RunningGateway) -> None:
    """Nobody says how messages are framed; tools count, and whether the answer is streamed changes nothing."""
    plain = count(counting, {"model": "gpt", "messages": HELLO})
    assert (plain["tokens"], plain["method"], plain["exact"]) == (9, "tokenizer", False)
    assert count(counting, {"model": "gpt", "messages": HELLO, "stream": True}) == plain
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    assert (
        count(counting, {"model": "gpt", "messages": HELLO, "tools": [tool]})["tokens"] > plain["tokens"] + 9
    )


def test_a_provider_that_counts_is_asked(counting: RunningGateway) -> None:
    """In its own dialect, whichever the question came in; its count is exact."""
    found = count(counting, {"model": "claude/sim", "messages": HELLO})
    wanted = counting.request("/v1/messages/count_tokens", {"model": "claude/sim", "messages": HELLO}).json()
    assert (found["tokens"], found["method"], found["exact"]) == (wanted["input_tokens"], "provider", True)


def test_a_model_nobody_knows_is_estimated_until_it_was_asked(counting: RunningGateway) -> None:
    """Then what its provider reported tells, with how far it was off; and it is published, for each worker."""
    body = {"model": "sim/learns", "text": TEXT}
    said = [{"role": "user", "content": TEXT}]
    before = count(counting, body)
    assert (before["method"], before["exact"], before["error_pct"]) == ("estimate", False, None)
    assert not [each for each in _calibration(counting) if each["target"] == "sim/learns"]
    reported = [counting.chat("sim/learns", TEXT).json()["usage"]["prompt_tokens"] for _ in range(2)]
    after = count(counting, body)
    assert (after["method"], after["exact"]) == ("calibrated", False)
    assert after["tokens"] == reported[0] == reported[1]
    assert after["error_pct"] == 0
    chat = count(counting, {"model": "sim/learns", "messages": said})
    assert (chat["method"], chat["tokens"]) == ("calibrated", reported[0])
    (published,) = [each for each in _calibration(counting) if each["target"] == "sim/learns"]
    assert (published["samples"], published["error_pct"]) == (2, 0)
    assert round(published["tokens_per_character"] * len(TEXT)) == reported[0]
    # So few words tell less of their ratio than of their frame.
    assert count(counting, {"model": "sim/learns", "text": "few"})["method"] == "estimate"
    counted = counting.request("/v1/messages/count_tokens", {"model": "sim/learns", "messages": said})
    assert counted.json() == {"input_tokens": reported[0]}
    assert counted.headers["x-llmgw-token-count"] == "estimate"


def test_a_target_that_fails_to_count_is_estimated(counting: RunningGateway) -> None:
    """As it is for Anthropic's dialect."""
    assert count(counting, {"model": "failing", "messages": HELLO})["method"] == "estimate"


def test_a_long_text_is_counted_whole(counting: RunningGateway) -> None:
    """Nearly a megabyte of words, away from the event loop."""
    assert count(counting, {"model": "gpt", "text": "hello world " * 80_000})["tokens"] >= 160_000


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"text": "a"}, "/model"),
        ({"model": "", "text": "a"}, "/model"),
        ({"model": 3, "text": "a"}, "/model"),
        ({"model": "gpt"}, ""),
        ({"model": "gpt", "text": None}, ""),
        ({"model": "gpt", "text": "a", "input": "b"}, "/input"),
        ({"model": "gpt", "messages": HELLO, "text": "b"}, "/text"),
        ({"model": "gpt", "text": 5}, "/text"),
        ({"model": "gpt", "text": "a", "temprature": 1}, "/temprature"),
        ({"model": "gpt", "input": {}}, "/input"),
        ({"model": "gpt", "input": ["a", 5]}, "/input"),
        ({"model": "gpt", "messages": []}, "/messages"),
        ({"model": "gpt", "messages": [{"role": "user", "content": 5}]}, "/messages/0/content"),
        ({"model": "gpt", "messages": [{"role": "wizard", "content": "a"}]}, "/messages/0/role"),
        ({"model": "gpt", "messages": HELLO, "llmgw": {"context": "c"}}, "/llmgw/context"),
    ],
)
def test_bad_bodies_are_refused_with_their_place(
    counting: RunningGateway, body: dict[str, Any], pointer: str
) -> None:
    """400, as a problem that points into the body."""
    problem = count(counting, body, 400)
    assert problem["status"] == 400
    assert problem["violations"][0]["pointer"].startswith(pointer)
    assert problem["violations"][0]["message"]


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b'"x"', 400), (b"", 400)])
def test_what_is_no_object_is_refused(counting: RunningGateway, body: bytes, status: int) -> None:
    """Without a model there is nothing to count for."""
    assert counting.request(PATH, body, method="POST").status == status


def test_unknown_models_are_not_found(counting: RunningGateway) -> None:
    """404, whatever is to be counted."""
    for said in ({"text": "a"}, {"input": "a"}, {"messages": HELLO}):
        assert count(counting, {"model": "nobody/knows", **said}, 404)["code"] == "model_not_found"


def test_other_media_types_and_too_long_bodies_are_refused(counting: RunningGateway) -> None:
    """415 and 413, by the bounds of all bodies."""
    body = json.dumps({"model": "gpt", "text": "a"}).encode()
    assert counting.request(PATH, body, headers={"content-type": "text/plain"}).status == 415
    connection = http.client.HTTPConnection("127.0.0.1", counting.port, timeout=30)
    connection.putrequest("POST", PATH)
    for name, value in (
        ("authorization", f"Bearer {counting.key}"),
        ("content-type", "application/json"),
        ("content-length", str(1024 * 1024 + 1)),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_key_counts_only_for_what_it_may_call(counting: RunningGateway) -> None:
    """Its list holds here, too; calibration is for those who may look."""
    made = counting.request("/admin/v1/keys", {"name": "app", "allow": ["gpt"]})
    assert made.status == 201, made.body
    key = made.json()["key"]
    assert count(counting, {"model": "gpt", "text": "hello world"}, key=key)["tokens"] == 2
    for said in ({"text": "a"}, {"messages": HELLO}):
        assert count(counting, {"model": "sim/sim", **said}, 403, key)["code"] == "model_not_allowed"
        assert count(counting, {"model": "nobody/knows", **said}, 403, key)["code"] == "model_not_allowed"
        assert count(counting, {"model": "gpt", **said}, 401, "nonsense")["code"] == "invalid_api_key"
    assert counting.request(CALIBRATION, key=key).status == 403


def _calibration(gateway: RunningGateway) -> list[dict[str, Any]]:
    told = gateway.request(CALIBRATION).json()
    assert told["worker"] in gateway.worker_pids()
    models: list[dict[str, Any]] = told["models"]
    return models
