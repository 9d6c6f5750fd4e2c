"""The process's log: every logger in the same lines, whatever it is given."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmgw.telemetry.lines import MAX_LINE
from llmgw.telemetry.logs import LogLine, Style, configure, style_for

Logged = Callable[[], list[str]]


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[io.TextIOWrapper]:
    """A file for stderr; the library's logging is put back afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with (tmp_path / "log").open("w") as file:
        yield file
        configure("info", None, "json")
    for handler in list(root.handlers):
        root.removeHandler(handler)
    logging.captureWarnings(capture=False)
    root.setLevel(before[1])
    for handler in before[0]:
        root.addHandler(handler)


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    """The lines written since the last look."""
    seen = 0

    def read() -> list[str]:
        nonlocal seen
        data = (tmp_path / "log").read_bytes()[seen:]
        seen += len(data)
        return data.decode("utf-8").split("\n")[:-1]

    return read


def only(lines: list[str]) -> dict[str, Any]:
    """The one object written."""
    (line,) = lines
    fields = msgspec.json.decode(line)
    assert isinstance(fields, dict)
    return fields


def test_a_record_is_one_object(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Time, level, logger, message and what `extra` says among the listed names."""
    configure("info", stream, "json")
    logging.getLogger("llmgw.x").warning(
        "took %d s", 3, extra={"request_id": "req_1", "api_key": "sk-secret"}
    )
    fields = only(logged())
    assert len(fields.pop("ts")) == len("2023-11-14T22:13:20.812Z")
    assert fields == {
        "level": "warning",
        "event": "log",
        "logger": "llmgw.x",
        "message": "took 3 s",
        "request_id": "req_1",
    }


def test_other_peoples_handlers_are_taken_over(stream: io.TextIOWrapper, logged: Logged) -> None:
    """A server that set up its own log speaks in our lines, once."""
    theirs = logging.getLogger("a-server.access")
    foreign = logging.StreamHandler(io.StringIO())
    theirs.addHandler(foreign)
    theirs.propagate = False
    configure("info", stream, "json")
    configure("info", stream, "json")
    theirs.warning("hello")
    assert only(logged())["logger"] == "a-server.access"
    assert theirs.handlers == []


def test_the_level_is_respected(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Below it, nothing is written."""
    configure("error", stream, "json")
    logging.getLogger("llmgw.x").warning("no")
    assert logged() == []


def test_warnings_are_lines_too(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Python's own warnings do not break the format of stderr."""
    configure("info", stream, "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old\nways", UserWarning, stacklevel=1)
    assert only(logged())["logger"] == "py.warnings"


def test_an_exception_shows_types_and_places_but_no_values(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Frames are `file:line function`; neither locals nor source lines appear."""
    configure("info", stream, "json")
    words_of_the_user = "tell me a story"
    try:
        try:
            assert words_of_the_user.index("dragon")
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logging.getLogger("llmgw.x").exception("failed")
    fields = only(logged())
    assert [fault["type"] for fault in fields["exception"]] == ["RuntimeError", "ValueError"]
    assert fields["exception"][0]["message"] == "outer"
    (frame,) = fields["exception"][0]["frames"]
    assert frame.endswith(" test_an_exception_shows_types_and_places_but_no_values")
    assert "test_logs.py:" in frame
    assert "story" not in str(fields)
    assert "dragon" not in str(fields)


def test_a_group_shows_its_first_member(stream: io.TextIOWrapper, logged: Logged) -> None:
    """What failed inside a task group is named."""
    configure("info", stream, "json")
    try:
        raise ExceptionGroup("several", [KeyError("first"), KeyError("second")])
    except ExceptionGroup:
        logging.getLogger("llmgw.x").exception("failed")
    assert [fault["type"] for fault in only(logged())["exception"]] == ["ExceptionGroup", "KeyError"]


class Unprintable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


def test_what_does_not_print_is_still_reported(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Arguments that do not fit, and exceptions without words, cost the words only."""
    configure("info", stream, "json")
    log = logging.getLogger("llmgw.x")
    log.warning("%d seconds", "three")
    log.error("bad", exc_info=Unprintable())
    log.warning("%s", Unprintable())
    lines = [msgspec.json.decode(line) for line in logged()]
    assert lines[0]["message"].startswith("%d seconds (does not print, from ")
    assert lines[1]["exception"][0] == {"type": "Unprintable", "message": "(no message)", "frames": []}
    assert lines[2]["message"].startswith("%s (does not print, from ")


@pytest.mark.parametrize(
    "sentence",
    [
        "sent Authorization: Bearer s3cr3t-value to host",
        "{'authorization': 'Bearer s3cr3t-value'}",
        'header "x-goog-api-key": "s3cr3t-value"',
        "api_key=s3cr3t-value",
        "Basic s3cr3t-value",
        "redis://user:s3cr3t-value@host:6379/0 refused",
        "key sk-s3cr3t-value is wrong",
    ],
)
def test_what_looks_like_a_credential_is_hidden(
    stream: io.TextIOWrapper, logged: Logged, sentence: str
) -> None:
    """Even in a sentence of somebody else's library, as message or as exception."""
    configure("info", stream, "json")
    logging.getLogger("other").error(sentence, exc_info=RuntimeError(sentence))
    (line,) = logged()
    assert "s3cr3t" not in line
    assert "***" in line


hostile = st.text(st.characters(codec=None, exclude_categories=()), max_size=1500)


@given(hostile, hostile, st.sampled_from(["json", "text", "colour"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_words_stay_one_bounded_line(
    stream: io.TextIOWrapper, logged: Logged, words: str, more: str, style: Style
) -> None:
    """Whatever message, logger, extra and exception say: one line, valid, within a pipe's atom."""
    configure("info", stream, style)
    error = RuntimeError(words)
    error.__cause__ = ValueError(more)
    record = logging.LogRecord(
        "llmgw." + more, logging.ERROR, words, 1, words, None, (RuntimeError, error, None)
    )
    record.request_id = record.call_id = record.trace_id = record.target = record.code = more
    logging.getLogger().handle(record)
    (line,) = logged()
    assert len(line.encode()) < MAX_LINE
    assert len(line.splitlines()) == 1
    if style == "json":
        assert line.isprintable()
        assert msgspec.json.decode(line, type=LogLine).event == "log"


def test_a_closed_stderr_is_no_reason_to_fail(stream: io.TextIOWrapper, tmp_path: Path) -> None:
    """Lines go nowhere; the one who logs never learns."""
    gone = (tmp_path / "gone").open("w")
    gone.close()
    calls = configure("info", gone, "json")
    logging.getLogger("llmgw.x").error("lost")
    assert calls.dropped == 0


def test_a_person_reads_one_line(stream: io.TextIOWrapper, logged: Logged) -> None:
    """Time, level, words, and where an exception came from."""
    configure("info", stream, "text")
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("llmgw.x").exception("no luck", extra={"request_id": "req_1"})
    (line,) = logged()
    assert line[13:].startswith("error no luck  KeyError: 'x' at ")
    assert line.endswith(" test_a_person_reads_one_line  req_1  llmgw.x")


def test_json_is_for_everything_but_terminals(stream: io.TextIOWrapper) -> None:
    """Files, pipes and nothing at all get JSON."""
    assert style_for(stream, {}) == "json"
    assert style_for(io.StringIO(), {}) == "json"
    assert style_for(None, {}) == "json"


@pytest.mark.parametrize(
    ("environ", "style"),
    [({}, "colour"), ({"NO_COLOR": ""}, "colour"), ({"NO_COLOR": "1"}, "text"), ({"TERM": "dumb"}, "text")],
)
def test_terminals_get_text_and_colour_unless_they_object(environ: dict[str, str], style: Style) -> None:
    """https://no-color.org: any non-empty NO_COLOR."""
    import os
    import pty

    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        assert style == style_for(terminal, environ)
    os.close(leader)
