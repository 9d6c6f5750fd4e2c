"""`docs/telemetry.md` lists what is told, all of it and nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from llmgw.settings import Telemetry
from llmgw.telemetry import semconv
from llmgw.telemetry.bounds import Facts
from llmgw.telemetry.call_attributes import (
    admission_attributes,
    attempt_attributes,
    chat_attributes,
    prompt_attributes,
    server_attributes,
)
from llmgw.telemetry.call_log import CallLine
from llmgw.telemetry.content_attributes import content_attributes
from llmgw.telemetry.context_attributes import (
    REFUSED_BY_CONTEXT,
    SHORT,
    context_attributes,
    context_events,
    size_class,
)
from llmgw.telemetry.definitions import DEFINITIONS
from llmgw.telemetry.feedback_attributes import feedback_attributes, feedback_events
from llmgw.telemetry.process import resource_of
from llmgw.telemetry.prometheus_names import sample_of
from llmgw.telemetry.traces import TraceBuilder
from llmgw.types.call import Call
from llmgw.types.event import Usage
from llmgw.types.operation import ContextOperation, OperationName
from llmgw.types.violation import Violation
from tests.traced_calls import MS, admitted, captured, continued, finished, judged, lost, prompted, tried

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text(encoding="utf-8")
NAMES = {value for name, value in vars(semconv).items() if name.isupper() and not name.startswith("_")}
DOTTED = {name for name in NAMES if "." in name}
ABOUT_PROCESS = "service.instance.id"
OPERATIONS = {f"llmgw.context.{name}" for name in get_args(OperationName)}
SETTINGS = {f"telemetry.{name}" for name in Telemetry.__struct_fields__}
_CELL = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"\b(?:gen_ai|llmgw|http|error|peer|service|telemetry|process)(?:\.[a-z][a-z0-9_]*)+")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, cell by cell."""
    _, _, section = PAGE.partition(f"# {heading}\n")
    lines = section.split("\n#")[0].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    found = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def names(cells: Iterable[str]) -> list[str]:
    """What stands between backticks."""
    return [name for cell in cells for name in _CELL.findall(cell)]


def first_column(heading: str) -> list[str]:
    """The names a table is about."""
    return names(row[0] for row in rows(heading))


def call(**facts: object) -> Call:
    """A call of which everything is known."""
    begun = Call(
        id="call_1",
        request_id="req_1",
        endpoint="/v1/chat/completions",
        trace_id=1,
        span_id=2,
        chat_span_id=3,
        started_ns=10 * MS,
        started_unix_ns=0,
    )
    return finished(begun, **{"usage": Usage(), "context": continued(), **facts})


def said_of_steps() -> set[str]:
    """What the steps of calls say, of one that went well and of one whose lease was refused."""
    builder = TraceBuilder("1", {})
    well = call(context=continued(fit="summarise", summary="made", replayed=True))
    refused = call(context=continued(etag="", verdict=""), error="context_locked", attempts=[])
    steps = {semconv.LLMGW_CONTEXT_BEGIN, semconv.LLMGW_CONTEXT_FIT, semconv.LLMGW_CONTEXT_COMMIT}
    spans = [*builder.trace(well), *builder.trace(refused)]
    return {name for span in spans if span.name in steps for name in span.attributes or {}}


def said_of_operations() -> set[str]:
    """What an operation of which everything is known says."""
    operation = ContextOperation(
        name="fork",
        tenant="t",
        context="c",
        trace_id=1,
        span_id=2,
        started_ns=0,
        started_unix_ns=0,
        key_id="k",
        error="e",
        rev=1,
        turns=1,
        forked_from="p",
        call="c",
        checks={"c1": "pass", "c7": "pass", "c8": "pass"},
    )
    lost = msgspec.structs.replace(operation, name="read_back", checks={"c8": "fail"})
    builder = TraceBuilder("1", {})
    spans = [*builder.operation(operation), *builder.operation(lost)]
    return {name for span in spans for name in span.attributes or {}}


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("Of every span", resource_of("1", {ABOUT_PROCESS: "x"}).attributes),
        ("Of the request", server_attributes(call())),
        ("Of the admission", {**admission_attributes(admitted()), semconv.ERROR_TYPE: None}),
        ("Of the prompt", {**prompt_attributes(prompted()), semconv.ERROR_TYPE: None}),
        ("Of the logical call", {**chat_attributes(call(), tried()), semconv.LLMGW_CALL_ID: None}),
        ("Of the content", content_attributes(captured())),
        ("Of an attempt", attempt_attributes(tried(), 0)),
        ("Of the context", context_attributes(continued())),
        ("Of a step", dict.fromkeys(said_of_steps())),
        ("Of an operation", dict.fromkeys(said_of_operations())),
        ("Of a feedback", feedback_attributes(judged())),
    ],
)
def test_each_spans_attributes_are_listed(heading: str, said: Facts) -> None:
    """Under the span they are on, once, all that are and none that are not."""
    listed = first_column(heading)
    assert sorted(listed) == sorted(said)


def test_a_call_with_a_prompt_has_a_span_for_it() -> None:
    """Beside what it says on the request; a call without one has neither."""
    builder = TraceBuilder("1", {})
    spans = {span.name: span for span in builder.trace(call(prompt=prompted(), context=None))}
    resolve, request = spans[semconv.LLMGW_PROMPT_RESOLVE], spans["POST /v1/chat/completions"]
    said = {name: value for name, value in prompt_attributes(prompted()).items() if value is not None}
    assert dict(resolve.attributes or {}) == said
    assert said.items() <= dict(request.attributes or {}).items()
    assert (resolve.parent, resolve.end_time) == (request.context, (resolve.start_time or 0) + MS)
    assert semconv.LLMGW_PROMPT_RESOLVE not in {span.name for span in builder.trace(call())}


def test_a_call_with_limits_has_a_span_for_its_admission() -> None:
    """What was put on hold, or which budget refused it, and for how long the store was asked."""
    builder = TraceBuilder("1", {})
    refused = call(admission=admitted(limit="team:search:month"), error="budget_exceeded", context=None)
    spans = {span.name: span for span in builder.trace(refused)}
    admit, request = spans[semconv.LLMGW_ADMISSION_ADMIT], spans["POST /v1/chat/completions"]
    said = dict(request.attributes or {})
    assert dict(admit.attributes or {}).items() <= said.items()
    assert said["llmgw.admission"] == "refused"
    assert said["llmgw.admission.limit"] == "team:search:month"
    assert said["llmgw.admission.estimate"] == 0.0025
    assert (admit.parent, admit.end_time) == (request.context, (admit.start_time or 0) + MS)
    assert semconv.LLMGW_ADMISSION_ADMIT not in {span.name for span in builder.trace(call())}


def test_the_members_of_events_are_listed() -> None:
    """Of all events."""
    violation = Violation(rule="r", pointer="", message="m", level="warn")
    events = context_events(continued(losses=(lost(),), violations=(violation,)), 0, 0)
    told = [*events, *feedback_events(judged())]
    assert sorted(tuple(names(row[:2])) for row in rows("Of an event")) == sorted(
        (event.name, member) for event in told for member in event.attributes or {}
    )


def test_the_metrics_are_listed_with_their_kinds_units_and_labels() -> None:
    """In the order of their definition, and what Prometheus calls them."""
    assert [
        (*names(row[:1]), row[1], *names(row[2:3]), names(row[3:4]), *names(row[4:]))
        for row in rows("Metrics")
    ] == [(each.name, each.kind, each.unit, list(each.labels), sample_of(each)) for each in DEFINITIONS]


def test_the_labels_of_our_own_metrics_are_explained() -> None:
    """Those without a dot, which no convention explains."""
    _, _, section = PAGE.partition("What the labels of our own metrics say:")
    lines = [line for line in section.split("\n#")[0].splitlines() if line.startswith("| `")]
    explained = names(line.split("|")[1] for line in lines)
    assert sorted(explained) == sorted(
        {label for each in DEFINITIONS for label in each.labels if "." not in label}
    )


def test_the_fields_of_the_log_are_listed() -> None:
    """In the order in which they are written."""
    assert first_column("The log") == list(CallLine.__struct_fields__)


def test_the_settings_are_listed_with_their_defaults() -> None:
    """As the settings file takes them."""
    default = msgspec.to_builtins(Telemetry())
    assert [(*names(row[:1]), *(names(row[1:2]) or [""])) for row in rows("Settings")] == [
        (f"telemetry.{name}", str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in default.items()
    ]


def test_no_other_name_is_on_the_page() -> None:
    """Whatever looks like a name is one, and each name of the code is there."""
    known = DOTTED | OPERATIONS | SETTINGS | {ABOUT_PROCESS}
    found = set(_NAME.findall(PAGE.replace("llmgw.context.{operation}", "")))
    assert found <= known
    assert found >= DOTTED | SETTINGS


def test_the_words_are_those_of_the_code() -> None:
    """Operations, errors that make a span red, and where a size class ends."""
    _, _, section = PAGE.partition("### Of an operation")
    listed = set(names([section.split("Summing up")[0]])) - {"llmgw.context.{operation}"}
    assert listed == set(get_args(OperationName))
    _, _, red = PAGE.partition("when the context's rules refused it")
    # An integrity failure is a failure of the house as well, and is said in words.
    assert set(names([red.split(")")[0]])) == REFUSED_BY_CONTEXT - {"context_integrity_failed"}
    (row,) = [row for row in rows("Of the context") if "`llmgw.context.size_class`" in row[0]]
    bounds = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", row[1])]
    assert bounds[0] == SHORT
    assert [size_class(bound) for bound in bounds] == ["short", "medium", "long"]
    assert [size_class(bound + 1) for bound in bounds] == ["medium", "long", "extreme"]
