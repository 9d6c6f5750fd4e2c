"""The line of a finished call: its fields, its bounds, its silence about everything else."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from llmgw.telemetry.call_log import CallLine, CallLog, Style
from llmgw.telemetry.lines import MAX_LINE, LineWriter
from llmgw.types.call import Attempt, Call, Caller
from llmgw.types.event import Usage

MS = 1_000_000
START = 1_700_000_000_000 * MS
Logged = Callable[..., list[str]]


def attempt(**facts: object) -> Attempt:
    """One try that answered."""
    known = {
        "target": "openai/gpt-5",
        "provider": "openai",
        "kind": "openai",
        "model": "gpt-5",
        "started_ns": 12 * MS,
        "span_id": 4,
        "status": 200,
    }
    return Attempt(**{**known, **facts})  # type: ignore[arg-type]


def call(**facts: object) -> Call:
    """A call that streamed an answer after a fallback."""
    known = {
        "id": "call_1",
        "request_id": "req_1",
        "endpoint": "/v1/chat/completions",
        "trace_id": 0xABC,
        "span_id": 2,
        "chat_span_id": 3,
        "started_ns": 10 * MS,
        "started_unix_ns": START,
        "caller": Caller(key_id="key_1", name="app", role="caller", tenant="acme"),
        "alias": "smart",
        "stream": True,
        "attempts": [attempt(target="a/b", status=None, error="provider_unreachable"), attempt()],
        "usage": Usage(input_tokens=12, output_tokens=34),
        "first_content_ns": 110 * MS,
        "ended_ns": 822 * MS,
        "waited_ns": 811 * MS,
        "status": 200,
    }
    return Call(**{**known, **facts})  # type: ignore[arg-type]


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    """What lands in the file for the calls written."""

    def write(*calls: Call, style: Style = "json", threshold: int = logging.INFO) -> list[str]:
        with (tmp_path / "log").open("w") as stream:
            writer = LineWriter(stream)
            log = CallLog(writer, style, threshold=threshold)
            for each in calls:
                log.write(each)
            writer.close()
        text = (tmp_path / "log").read_bytes().decode("utf-8")
        assert text.endswith("\n") or not text
        return text.split("\n")[:-1]

    return write


def test_a_call_is_one_object_with_these_fields(logged: Logged) -> None:
    """Times in milliseconds, the end as the line's time, a status or an error per attempt."""
    (line,) = logged(call())
    assert msgspec.json.decode(line) == {
        "ts": "2023-11-14T22:13:20.812Z",
        "level": "warning",
        "event": "call",
        "request_id": "req_1",
        "call_id": "call_1",
        "trace_id": f"{0xABC:032x}",
        "endpoint": "/v1/chat/completions",
        "status": 200,
        "stream": True,
        "duration_ms": 812.0,
        "overhead_ms": 1.0,
        "attempts": 2,
        "codes": ["provider_unreachable", "200"],
        "key_id": "key_1",
        "tenant": "acme",
        "alias": "smart",
        "target": "openai/gpt-5",
        "first_content_ms": 100.0,
        "input_tokens": 12,
        "output_tokens": 34,
    }


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"attempts": [attempt()]}, "info"),
        ({}, "warning"),
        ({"attempts": [], "status": 404, "error": "model_not_found"}, "warning"),
        ({"status": 499, "error": "client_gone"}, "warning"),
        ({"status": 200, "error": "stream_interrupted"}, "error"),
        ({"status": 503, "error": "no_healthy_target"}, "error"),
    ],
)
def test_the_level_says_who_should_look(logged: Logged, facts: dict[str, Any], level: str) -> None:
    """Failures are errors; refusals, leavings and fallbacks are warnings."""
    (line,) = logged(call(**facts))
    assert level == msgspec.json.decode(line)["level"]


@pytest.mark.parametrize(
    "facts",
    [
        {"alias": "other"},
        {"endpoint": "/v1/messages"},
        {"stream": False},
        {"caller": None},
        {"caller": Caller(key_id="key_2", name="app", role="caller", tenant="acme")},
        {"attempts": [attempt()]},
        {"attempts": [attempt(), attempt(target="c/d", status=503)]},
        {"status": 503, "error": "overloaded"},
        {"request_id": "req_2", "usage": None, "tags": ("x",)},
    ],
)
def test_a_line_is_of_its_own_call(logged: Logged, facts: dict[str, Any]) -> None:
    """Whatever other calls have in common with it, before and after."""
    alone = logged(call(**facts))
    before, line, after = logged(call(), call(**facts), call())
    assert alone == [line]
    assert before == after != line


def test_a_threshold_keeps_the_quiet_calls_out(logged: Logged) -> None:
    """`warning` drops calls that went well at once."""
    lines = logged(call(attempts=[attempt()]), call(status=503, error="x"), threshold=logging.WARNING)
    assert [msgspec.json.decode(line)["status"] for line in lines] == [503]


def test_messages_and_credentials_are_not_among_the_fields(logged: Logged) -> None:
    """An error's message may quote the conversation or a header: no field holds it."""
    words = "Authorization: Bearer sk-secret tell me a story"
    secretive = call(
        attempts=[attempt(message=words, error="provider_auth", upstream_id=words)],
        caller=Caller(key_id="key_1", name=words, role="caller"),
        answered_id=words,
        error="provider_auth",
        error_message=words,
        status=502,
        trace_state=words,
        usage=Usage(input_tokens=1, provider_details={"note": words}),
    )
    for style in ("json", "text", "colour"):
        (line,) = logged(secretive, style=style)
        assert "secret" not in line
        assert "story" not in line


hostile = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@example("\U000e0001" * 400, "\U000e0001" * 400, 1 << 20, "json")
@given(hostile, hostile, st.integers(), st.sampled_from(["json", "text", "colour"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_input_stays_one_bounded_line(
    logged: Logged, words: str, more: str, count: int, style: Style
) -> None:
    """Line breaks, terminal controls, lone surrogates, huge numbers: one valid line within a pipe's atom."""
    hostile_call = call(
        id=words,
        request_id=more,
        endpoint=words,
        alias=more,
        error=words,
        caller=Caller(key_id=words, name=more, role="caller", tenant=more),
        attempts=[attempt(target=words, status=None, error=more)] * 20,
        tags=(more,) * 16,
        usage=Usage(input_tokens=count * 2**40, output_tokens=count),
    )
    (line,) = logged(hostile_call, style=style)
    assert len(line.encode()) < MAX_LINE
    assert len(line.splitlines()) == 1
    if style == "json":
        assert line.isprintable()
        assert msgspec.json.decode(line, type=CallLine).event == "call"
    elif style == "text":
        assert line.isprintable()


def test_a_person_reads_one_line(logged: Logged) -> None:
    """Time, status, what, who answered, how long, tokens, attempts, request."""
    (line,) = logged(call(), style="text")
    assert line == (
        "22:13:20.812 200 /v1/chat/completions  smart -> openai/gpt-5  812 ms (+1.0)  first 100 ms  "
        "12>34 tokens  2 attempts (provider_unreachable, 200)  req_1"
    )


def test_colour_follows_the_level(logged: Logged) -> None:
    """Green, yellow, red; the words are the same."""
    lines = logged(
        call(attempts=[attempt()]), call(), call(status=500, error="internal_error"), style="colour"
    )
    assert [line.split(" ")[1].split("\x1b[0m")[0] for line in lines] == [
        "\x1b[32m200",
        "\x1b[33m200",
        "\x1b[31m500",
    ]


def test_nobody_reading_is_counted_and_harmless() -> None:
    """A reader that left costs the line and nothing else."""
    reader, end = os.pipe()
    os.close(reader)
    with os.fdopen(end, "w") as stream:
        writer = LineWriter(stream)
        log = CallLog(writer, "json")
        log.write(call())
        writer.close()
    assert log.dropped == 1
