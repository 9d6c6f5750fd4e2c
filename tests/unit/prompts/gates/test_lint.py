"""The lint: each finding has its rule and its place, and a good prompt has none."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmgw.policy import keyformat
from llmgw.prompts.gates.findings import Finding
from llmgw.prompts.gates.fixed_text import fixed_text, outside
from llmgw.prompts.gates.lint import Models, lint
from llmgw.types.prompt import PromptContent

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SAID = [{"role": "system", "text": "Be kind."}, {"role": "user", "text": "Say {{ text }}."}]
GOOD = {"messages": SAID, "input_schema": SCHEMA, "model": "demo"}


def content(**members: Any) -> PromptContent:
    """A good content, but for these members."""
    return msgspec.convert({**GOOD, **members}, PromptContent)


def models(*, window: int | None = 1000, tokens: int = 10) -> Models:
    """A configuration with one model, `demo`."""
    return Models(known=lambda name: name == "demo", window=lambda _: window, tokens=lambda _, __: tokens)


def found(**members: Any) -> list[tuple[str, str, str]]:
    """Severity, rule and place of what the lint finds."""
    return [(each.severity, each.rule, each.pointer) for each in lint(content(**members), models())]


def test_a_good_prompt_has_no_findings() -> None:
    """Nor has one with everything there is."""
    assert found() == []
    api = {"slug": "say", "examples": [{"input": {"text": "hi"}, "output": {"said": "hi"}}], "repair": True}
    assert (
        found(
            output_schema={"type": "object", "properties": {"said": {"type": "string"}}},
            api=api,
            tools=[{"name": "look_up", "description": "Looks up.", "parameters": {"type": "object"}}],
            tool_choice="look_up",
            history=1,
            tests={"cases": [{"vars": {"text": "x"}, "assert": [{"type": "is-json"}]}]},
            config={"max_tokens": 100},
        )
        == []
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"messages": []}, ("error", "shape", "/messages")),
        ({"messages": [{"role": "user", "text": " \n"}]}, ("error", "shape", "/messages/0/text")),
        ({"history": 3}, ("error", "shape", "/history")),
        ({"partial": "x"}, ("error", "shape", "/partial")),
        ({"messages": [{"role": "user", "text": "{{ text"}]}, ("error", "template", "/messages/0/text")),
        (
            {"messages": [{"role": "user", "text": '{% include "a/b" %}{{ text }}'}]},
            ("error", "include", "/includes"),
        ),
        (
            {"includes": {"a/b": {"version": 1, "hash": "sha256:x", "text": "x"}}},
            ("warning", "include", "/includes/a~1b"),
        ),
        ({"input_schema": {"type": "objekt"}}, ("error", "schema", "/input_schema/type")),
        ({"output_schema": {"$ref": "https://x.example/y"}}, ("error", "schema", "/output_schema/$ref")),
        ({"input_schema": {"type": "object"}}, ("error", "variable", "/input_schema/properties")),
        ({"input_schema": {"allOf": [SCHEMA]}}, ("warning", "variable", "/input_schema/properties")),
        ({"input_schema": None}, ("warning", "variable", "/input_schema")),
        (
            {"input_schema": {"properties": {"text": True, "more": True}}},
            ("warning", "variable", "/input_schema/properties/more"),
        ),
        ({"tools": [{"name": "look up", "description": "x"}]}, ("error", "tool", "/tools/0/name")),
        ({"tools": [{"name": "a", "description": "x"}] * 2}, ("error", "tool", "/tools/1/name")),
        ({"tools": [{"name": "a"}]}, ("warning", "tool", "/tools/0")),
        ({"tools": [{"name": "a", "description": "x", "parameters": 3}]}, ("error", "tool", "/tools/0/parameters")),
        ({"tools": [{"name": "a", "description": "x"}], "tool_choice": "b"}, ("error", "tool", "/tool_choice")),
        ({"tool_choice": "auto"}, ("error", "tool", "/tool_choice")),
        ({"api": {"slug": "say"}}, ("warning", "api", "/api")),
        ({"api": {"slug": "say", "repair": True}}, ("error", "api", "/api/repair")),
        (
            {"api": {"slug": "say", "examples": [{"input": {"text": 3}}]}},
            ("error", "api", "/api/examples/0/input/text"),
        ),
        ({"tests": {"cases": [{"vars": {"text": 3}}]}}, ("error", "case", "/tests/cases/0/vars/text")),
        ({"tests": {"cases": [{"assert": [{"type": "like"}]}]}}, ("error", "case", "/tests/cases/0/assert/0")),
        ({"model": "nobody"}, ("error", "model", "/model")),
        ({"config": {"max_tokens": 995}}, ("error", "tokens", "/config/max_tokens")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_in_its_place(members: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """With how bad it is, the rule and a pointer into the content."""
    assert expected in found(**members)


@pytest.mark.parametrize(
    ("tokens", "expected"), [(1001, "error"), (1000, "error"), (600, "warning"), (500, None)]
)
def test_text_is_counted_against_the_window(tokens: int, expected: str | None) -> None:
    """As much as the window is too much, more than half of it is worth a word."""
    long = content(messages=[{"role": "user", "text": "word " * 500 + "{{ text }}"}])
    found = [each.severity for each in lint(long, models(tokens=tokens)) if each.rule == "tokens"]
    assert found == ([expected] if expected else [])


def test_a_window_that_nobody_knows_is_no_bound() -> None:
    """Nothing is counted."""
    long = content(messages=[{"role": "user", "text": "word " * 500 + "{{ text }}"}])
    assert lint(long, models(window=None, tokens=10**9)) == ()


@pytest.mark.parametrize(
    "place",
    [
        {"description": "{}"},
        {"metadata": {"owner": {"note": "{}"}}},
        {"messages": [*SAID, {"role": "assistant", "text": "{}"}]},
        {"tools": [{"name": "a", "description": "{}", "parameters": {"type": "object", "title": "{}"}}]},
        {"tests": {"cases": [{"vars": {"text": "{}"}}]}},
        {"api": {"slug": "say", "examples": [{"input": {"text": "{}"}}]}},
        {"includes": {"a": {"version": 1, "hash": "sha256:x", "text": "{}"}}},
        {"metadata": {"{}": 1}},
    ],
)
def test_a_secret_is_found_wherever_it_is_and_told_nowhere(place: dict[str, Any]) -> None:
    """In every text of a content, names of members among them; no finding repeats it in its message."""
    token = keyformat.draw().token
    written = msgspec.json.decode(msgspec.json.encode(place).replace(b"{}", token.encode()))
    findings = lint(content(**written), models())
    assert findings[0].rule == "secret"
    assert not any(token in each.message for each in findings)


def test_errors_come_first() -> None:
    """Whoever reads but the first finding reads the worst."""
    severities = [each[0] for each in found(input_schema=None, model="nobody", tools=[{"name": "a"}])]
    assert severities == sorted(severities)


@given(st.lists(st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "a", "\n"]), max_size=40).map("".join))
def test_fixed_text_is_part_of_its_template(template: str) -> None:
    """What is sent for certain is made of the template's own characters, in their order."""
    rest = iter(template)
    assert all(character in rest for character in outside(template))


def test_fixed_text_leaves_out_tags() -> None:
    """Expressions, statements and comments; what never closes is text."""
    assert outside("a{{ b }}c{% if d %}e{# f #}g{{ h") == "acegh"[:-1] + "{{ h"
    assert "look_up" in fixed_text(content(tools=[{"name": "look_up", "description": "x"}]))


def test_a_finding_is_a_violation_to_those_who_are_refused() -> None:
    """With the same rule, place and words."""
    finding = Finding(severity="error", rule="model", pointer="/model", message="is not there")
    told = finding.violation
    assert (told.rule, told.pointer, told.message) == ("model", "/model", "is not there")
